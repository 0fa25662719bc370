//! Processes that receive are killed again and again.

use super::kit::{event, next, open, parts, publish, queue, runtime, subscribe};
use midgard::bus::Subscriber as _;
use midgard_test_servers as servers;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Tells the child where the server is.
const ADDRESS: &str = "MIDGARD_TEST_RECEIVES_AT";
const KILLS: usize = 10;
const MESSAGES: usize = 3_000;

/// Not a test of its own. What the receiving process is: it says what it received, and what it is about to acknowledge.
#[test]
fn receiving_process() {
    let Ok(address) = std::env::var(ADDRESS) else {
        return;
    };
    runtime().block_on(async {
        let bus = open(&address);
        let mut deliveries = subscribe(&bus, &queue("process", "process").with_in_flight(20)).await;
        let mut held = VecDeque::new();
        let say = |what: &str, (key, number): &(String, usize)| {
            let mut out = std::io::stdout().lock();
            writeln!(out, "\n| {what} {key} {number} .").unwrap();
        };
        loop {
            let received = next(&mut deliveries).await;
            say("got", &parts(&received));
            held.push_back(received);
            if held.len() == 5
                && let Some(received) = held.pop_front()
            {
                say("acknowledges", &parts(&received));
                received.acknowledge().await.unwrap();
            }
        }
    });
}

fn start(address: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "killed_receivers::receiving_process",
            "--nocapture",
        ])
        .env(ADDRESS, address)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

#[derive(Default)]
struct Seen {
    below: usize,
    open: BTreeSet<usize>,
    given: BTreeSet<usize>,
}

#[test]
fn order_is_kept_and_nothing_is_lost_when_receiving_processes_are_killed() {
    let name = "order_is_kept_and_nothing_is_lost_when_receiving_processes_are_killed";
    let Some(server) = servers::nats(name) else {
        return;
    };
    let address = server.address();
    let keys = ["ann", "bob", "cid"];
    runtime().block_on(async {
        let bus = open(&address);
        bus.declare(&queue("process", "process").with_in_flight(20))
            .await
            .unwrap();
        let all = Vec::from_iter((0..MESSAGES).map(|n| event("process", keys[n % 3], n / 3)));
        for batch in all.chunks(500) {
            publish(&bus, batch).await;
        }
    });
    let mut seen: HashMap<String, Seen> = HashMap::new();
    let mut all = 0;
    for kill in 0..=KILLS {
        let (mut child, lines) = start(&address);
        // Killed at some moment that is another each time; the last one may go on to the end, but for what it
        // keeps without acknowledging it.
        let until = if kill == KILLS {
            MESSAGES
        } else {
            all + 37 + 41 * kill
        };
        seen.values_mut().for_each(|seen| seen.given.clear());
        for line in lines.lines() {
            // The last may be cut off.
            let line = line.unwrap();
            let Some(said) = line
                .strip_prefix("| ")
                .and_then(|said| said.strip_suffix(" ."))
            else {
                continue;
            };
            let [what, key, number] = *Vec::from_iter(said.split(' ')) else {
                panic!("{said:?}");
            };
            let number: usize = number.parse().unwrap();
            let seen = seen.entry(key.to_owned()).or_default();
            if what == "acknowledges" {
                seen.open.remove(&number);
                continue;
            }
            assert!(
                number <= seen.below,
                "{key}: {number} came before {} ever did",
                seen.below
            );
            if number == seen.below {
                let missing = seen.open.difference(&seen.given).next();
                assert_eq!(
                    missing, None,
                    "{key}: {number}, never seen before, came before this came again"
                );
                seen.below += 1;
                all += 1;
            }
            seen.open.insert(number);
            seen.given.insert(number);
            // What it said until then is still read.
            if all >= until {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(all >= until, "{all} messages came until it was killed");
    }
    assert_eq!(all, MESSAGES, "every message was received");
}
