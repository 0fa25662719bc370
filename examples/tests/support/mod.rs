//! Running the shop, and what its report should say.
#![allow(dead_code, unreachable_pub)] // No test program uses all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// A program that takes longer hangs. It is ended, and the test says what the program has said until then.
const ENDS_WITHIN: Duration = Duration::from_secs(600);

pub const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/CDNOW_sample.txt");

/// The sample's report at a limit of 100.00.
pub const SAMPLE_REPORT: &str = "customers 2357
orders 6919
approved 6296 182538.57
rejected 623 61553.37
cds 16479
";

/// The shop, to be run on a listing.
pub fn shop(listing: impl AsRef<Path>) -> Command {
    let mut shop = Command::new(env!("CARGO_BIN_EXE_shop"));
    shop.arg(listing.as_ref());
    shop
}

/// What a run gave: exit code, standard output, standard error.
pub fn run(shop: &mut Command) -> (Option<i32>, String, String) {
    let (status, output, errors) = run_for(shop, ENDS_WITHIN);
    let text = |bytes| String::from_utf8(bytes).expect("the shop prints text");
    let (output, errors) = (text(output), text(errors));
    let status = status.unwrap_or_else(|| {
        panic!(
            "{shop:?} had not ended after {ENDS_WITHIN:?}. It printed {output:?}, and:\n{errors}"
        )
    });
    (status.code(), output, errors)
}

/// Runs a program, and kills it after `limit`. Without a status, it was killed.
fn run_for(command: &mut Command, limit: Duration) -> (Option<ExitStatus>, Vec<u8>, Vec<u8>) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let output = read_to_end(child.stdout.take());
    let errors = read_to_end(child.stderr.take());
    // Its output ends with it.
    let printed = output.recv_timeout(limit);
    let in_time = printed.is_ok();
    if !in_time {
        child.kill().expect("the program is killed");
    }
    let status = child.wait().expect("the program ends");
    let printed = printed.or_else(|_| output.recv());
    let errors = errors.recv();
    (
        in_time.then_some(status),
        printed.unwrap_or_default(),
        errors.unwrap_or_default(),
    )
}

fn read_to_end(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (tell, ended) = channel();
    thread::spawn(move || {
        let mut read = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut read).expect("a pipe can be read");
        }
        // Nobody waits for it after a panic.
        let _ = tell.send(read);
    });
    ended
}

/// The report of a listing, by a plain fold that shares no code with the shop.
pub fn expected_report(listing: &str, limit_cents: u64) -> String {
    let mut customers = BTreeSet::new();
    let mut owed = BTreeMap::<_, u64>::new();
    let (mut approved, mut rejected, mut cds) = ((0, 0), (0, 0), 0);
    let rows = listing.lines().filter(|line| {
        line.trim()
            .starts_with(|first: char| first.is_ascii_digit())
    });
    for row in rows {
        let columns: Vec<_> = row.split_whitespace().collect();
        let (customer, [date, count, dollars]) = match columns[..] {
            [customer, .., date, count, dollars] => (customer, [date, count, dollars]),
            _ => panic!("no row: {row}"),
        };
        let total: u64 = dollars.replace('.', "").parse().unwrap();
        let owed = owed.entry((customer, &date[..6])).or_default();
        let tally = if *owed + total <= limit_cents {
            *owed += total;
            &mut approved
        } else {
            &mut rejected
        };
        *tally = (tally.0 + 1, tally.1 + total);
        customers.insert(customer);
        cds += count.parse::<u64>().unwrap();
    }
    let tally =
        |(orders, cents): (u64, u64)| format!("{orders} {}.{:02}", cents / 100, cents % 100);
    format!(
        "customers {}\norders {}\napproved {}\nrejected {}\ncds {cds}\n",
        customers.len(),
        approved.0 + rejected.0,
        tally(approved),
        tally(rejected)
    )
}
