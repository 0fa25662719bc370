//! What one process commits, seen by others: soon, when it was waited for, and always whole.

use crate::common::{child_directory, stream};
use crate::kit::{Applied, LONG, Ledger, Moved, Process, append_moved, obey, open, told};
use midgard::consumer::HandleError;
use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion};
use midgard::view::Select;
use midgard::{
    Context, Event, HandlerError, Midgard, Place, Position, Project, Projection, StartFrom, Store,
    Subscription, View, Views, block_on,
};
use midgard_store_lmdb::LmdbStore;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Not a test of its own: says each event that a subscription gets.
#[test]
fn child_subscribes() {
    let Some(directory) = child_directory() else {
        return;
    };
    let all = Subscription::<Moved>::events("all", StartFrom::Start);
    let midgard = Midgard::new(open(directory)).subscribe(all, async |delivery| {
        println!("got {}", delivery.recorded.position);
        Ok(())
    });
    obey(midgard.handle());
    block_on(midgard.run()).unwrap();
}

/// The log is looked at every five milliseconds for what other processes appended. How soon that is noticed is printed.
#[test]
fn each_commit_reaches_a_subscription_of_another_process() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut subscriber = Process::start("wake::child_subscribes", directory.path(), &[]);
    subscriber.say("own 1");
    subscriber.next("owns 1");
    let mut times: Vec<Duration> = (0..100)
        .map(|_| {
            let position = append_moved(&store, 0, 1);
            let committed = Instant::now();
            assert_eq!(subscriber.next("got "), position.to_string());
            committed.elapsed()
        })
        .collect();
    times.sort();
    let (shortest, median) = (times[0], times[50]);
    println!(
        "shortest {shortest:?}, median {median:?}, longest {:?}",
        times[99]
    );
}

#[test]
fn a_process_that_does_not_run_the_projection_can_wait_for_it_and_reads_what_it_wrote() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let views = Views::new(store.clone());
    let program = Midgard::new(store.clone()).project(Ledger::<1>, views.clone());
    let handle = program.handle();
    let first = append_moved(&store, 0, 1);
    let nobody = block_on(handle.wait_for("ledger", Place::main(first), Duration::from_millis(50)));
    assert!(matches!(nobody, Err(HandleError::TimedOut { .. })));
    let lease = [("LEASE", "5000")];
    let mut worker = Process::start("workers::child_projects", directory.path(), &lease);
    for _ in 0..100 {
        let position = append_moved(&store, 0, 1);
        block_on(handle.wait_for("ledger", Place::main(position), LONG)).unwrap();
        let row = views.get::<Applied>(position.get()).unwrap();
        assert_eq!(row.map(|row| row.times), Some(1));
    }
    worker.say("stop");
    assert!(worker.end().success());
}

/// Cents go from one account to another.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "transferred")]
struct Transferred {
    from: u32,
    to: u32,
    cents: i64,
}

/// What an account has, and how often something went in or out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = account, index(cents))]
struct Purse {
    account: u32,
    cents: i64,
    transfers: u64,
}

/// A row for each transfer, beside the two purses.
#[derive(Projection)]
#[projection(name = "purses", events(Transferred), views(Applied, Purse))]
struct Purses;

impl Project<Transferred> for Purses {
    async fn project(
        &self,
        event: Transferred,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let position = context.recorded().position.get();
        context.put(Applied { position, times: 1 })?;
        for (account, cents) in [(event.from, -event.cents), (event.to, event.cents)] {
            let new = || Purse {
                account,
                cents: 0,
                transfers: 0,
            };
            context.upsert::<Purse>(account, new, |row| {
                row.cents += cents;
                row.transfers += 1;
            })?;
        }
        Ok(())
    }
}

/// Not a test of its own: keeps purses and transfers.
#[test]
fn child_keeps_purses() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open(directory);
    let midgard = Midgard::new(store.clone()).project(Purses, Views::new(store));
    obey(midgard.handle());
    block_on(midgard.run()).unwrap();
}

/// Not a test of its own: reads purses and transfers again and again, until it is told to end.
#[test]
fn child_adds_purses_up() {
    let Some(directory) = child_directory() else {
        return;
    };
    let views = Views::new(open(directory));
    let ended = Arc::new(AtomicBool::new(false));
    thread::spawn({
        let ended = ended.clone();
        move || {
            // Or nobody is there any more who could.
            told();
            ended.store(true, Ordering::SeqCst);
        }
    });
    let (mut reads, mut last) = (0, 0);
    println!("ready");
    loop {
        // One more when it is told to end: what it is to see then is there.
        let is_last = ended.load(Ordering::SeqCst);
        let snapshot = views.snapshot().unwrap();
        let purses = snapshot.select(Select::<Purse>::all()).unwrap();
        let by_cents = snapshot.select(Select::<Purse>::__in_order(0)).unwrap();
        let transfers = snapshot.count(Select::<Applied>::all()).unwrap();
        for purses in [&purses, &by_cents] {
            let cents: i64 = purses.iter().map(|purse| purse.cents).sum();
            assert_eq!(cents, 0, "what goes out of one comes into another");
            let sides: u64 = purses.iter().map(|purse| purse.transfers).sum();
            assert_eq!(sides, transfers * 2, "both views are of one moment");
        }
        assert!(by_cents.is_sorted_by_key(|purse| purse.cents));
        assert!(transfers >= last, "a later snapshot is no older");
        reads += 1;
        if transfers > last {
            last = transfers;
            println!("saw {last}");
        }
        if is_last {
            break;
        }
    }
    println!("read {reads} times up to {last}");
}

fn transfer(store: &LmdbStore, number: u32) -> Position {
    let transferred = Transferred {
        from: number % 7,
        to: 7 + number % 5,
        cents: i64::from(number % 97),
    };
    let event = NewEvent::encode(&transferred).unwrap();
    let append = Append::to(stream("transfers"), ExpectedVersion::Any, [event]);
    block_on(store.append(append)).unwrap().position.unwrap()
}

fn reader(directory: &Path) -> Process {
    let reader = Process::start("wake::child_adds_purses_up", directory, &[]);
    reader.next("ready");
    reader
}

#[test]
fn a_reader_in_another_process_never_sees_half_of_a_transaction() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let handle = Midgard::new(store.clone()).project(Purses, Views::new(store.clone()));
    let handle = handle.handle();
    let mut worker = Process::start("wake::child_keeps_purses", directory.path(), &[]);
    block_on(handle.wait_for("purses", Place::main(transfer(&store, 0)), LONG)).unwrap();
    let mut readers = [(); 2].map(|()| reader(directory.path()));
    // Each reader sees a state of each step at least, as the next one is not begun before.
    for step in 0..20 {
        for number in 1..=20 {
            transfer(&store, step * 20 + number);
        }
        for reader in &readers {
            while reader.next("saw ").parse::<u32>().unwrap() <= step * 20 + 1 {}
        }
    }
    for reader in &mut readers {
        reader.say("end");
        assert!(reader.end().success(), "{:?}", reader.said(""));
        println!("read {}", reader.said("read ").concat());
    }
    worker.say("stop");
    assert!(worker.end().success());
}
