//! Several processes that work under one name: they share the streams, and take over from those that are
//! killed, stopped or told to end.

use crate::common::{child_directory, read_entries};
use crate::kit::{
    Applied, HELD, HOLDING, LONG, Ledger, Moved, Process, append_moved, fold, hold_at, obey, open,
    read_moves,
};
use midgard::consumer::ConsumerOptions;
use midgard::store::{EntryWrite, ReadEntries};
use midgard::view::Select;
use midgard::{
    Delivery, LogId, Midgard, MidgardHandle, Place, Position, StartFrom, Store, Subscription,
    Views, block_on,
};
use midgard_store_lmdb::LmdbStore;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Short, in milliseconds, where somebody is to be found gone.
const LEASE: Variable = ("LEASE", "300");
/// An owner with this one looks all the time whether it is asked something, and takes over at once from one that is silent.
const QUICK: Variable = ("LEASE", "60");
/// Who has this one waits long for the answer of an owner.
const PATIENT: Variable = ("LEASE", "2000");
/// Nobody waits for so long, and nobody loses it, however busy the machine is.
const LONG_LEASE: Variable = ("LEASE", "1800000");

fn variable<T: std::str::FromStr>(name: &str) -> T {
    let value = std::env::var(name).unwrap();
    value.parse().ok().unwrap()
}

/// What was handled, by whom, in the order over all processes: each line is appended at once.
fn journal(directory: &Path) -> PathBuf {
    directory.join("handled")
}

/// A handled event.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Handled {
    worker: String,
    stream: String,
    version: u64,
}

fn handled(directory: &Path) -> Vec<Handled> {
    let lines = fs::read_to_string(journal(directory)).unwrap_or_default();
    let lines = lines.lines().map(|line| {
        let mut words = line.split(' ').map(str::to_owned);
        let mut next = || words.next().unwrap();
        Handled {
            worker: next(),
            stream: next(),
            version: next().parse().unwrap(),
        }
    });
    lines.collect()
}

/// The versions that were handled of each stream, in order.
fn by_stream(handled: &[Handled]) -> BTreeMap<&str, Vec<u64>> {
    let mut streams: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for Handled {
        stream, version, ..
    } in handled
    {
        streams.entry(stream).or_default().push(*version);
    }
    streams
}

fn subscription(partitions: u32, lease: Duration) -> Subscription<Moved> {
    let shared = Subscription::events("shared", StartFrom::Start);
    shared.partitions(partitions).lease(lease)
}

/// Not a test of its own: a worker of the subscription.
#[test]
fn child_works() {
    let Some(directory) = child_directory() else {
        return;
    };
    let worker: String = variable("WORKER");
    let journal = journal(Path::new(&directory));
    let lease = Duration::from_millis(variable("LEASE"));
    let shared = subscription(variable("PARTITIONS"), lease);
    let handler = move |delivery: Delivery<Moved>| {
        let recorded = delivery.recorded;
        let line = format!("{worker} {} {}\n", recorded.stream, recorded.version);
        let journal = journal.clone();
        async move {
            hold_at(delivery.event.cents).await;
            let mut journal = OpenOptions::new().create(true).append(true).open(journal)?;
            journal.write_all(line.as_bytes())?;
            println!("handled {}", recorded.version);
            Ok(())
        }
    };
    let midgard = Midgard::new(open(directory)).subscribe(shared, handler);
    obey(midgard.handle());
    block_on(midgard.run()).unwrap();
    println!("stopped");
}

/// Not a test of its own: a worker of the projection, beside the events.
#[test]
fn child_projects() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open(directory);
    let lease = Duration::from_millis(variable("LEASE"));
    let options = ConsumerOptions::new().lease(lease);
    let midgard = Midgard::new(store.clone()).project_with(Ledger::<1>, Views::new(store), options);
    obey(midgard.handle());
    block_on(midgard.run()).unwrap();
    println!("stopped");
}

type Variable = (&'static str, &'static str);

fn worker(directory: &Path, name: &'static str, partitions: u32, more: &[Variable]) -> Process {
    let partitions = partitions.to_string();
    let mut variables = vec![("WORKER", name), ("PARTITIONS", partitions.as_str())];
    variables.extend(more);
    Process::start("workers::child_works", directory, &variables)
}

fn projector(directory: &Path, variables: &[Variable]) -> Process {
    Process::start("workers::child_projects", directory, variables)
}

fn own(worker: &mut Process, partitions: u32) {
    worker.say(&format!("own {partitions}"));
    worker.next(&format!("owns {partitions}"));
}

/// A handle of this process, which does not work itself.
fn onlooker(store: &LmdbStore, partitions: u32) -> MidgardHandle {
    let shared = subscription(partitions, Duration::from_secs(5));
    let midgard = Midgard::new(store.clone()).subscribe(shared, async |_| Ok(()));
    midgard.handle()
}

fn wait(handle: &MidgardHandle, name: &str, position: Position) {
    block_on(handle.wait_for(name, Place::main(position), LONG)).unwrap();
}

/// One more event in each of twenty streams.
fn append_round(store: &LmdbStore) -> Position {
    for account in 0..19 {
        append_moved(store, account, 1);
    }
    append_moved(store, 19, 1)
}

#[test]
fn processes_share_the_streams_and_each_event_is_handled_once_and_in_order() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = open(path);
    let elsewhere = onlooker(&store, 8);
    // They come one after the other while there is work: partitions change hands meanwhile.
    let mut workers = Vec::new();
    for name in ["a", "b", "c"] {
        workers.push(worker(path, name, 8, &[LONG_LEASE]));
        let mut last = Position::ZERO;
        for _ in 0..5 {
            last = append_round(&store);
        }
        wait(&elsewhere, "shared", last);
    }
    let has_its_share = |name: &str| handled(path).iter().any(|one| one.worker == name);
    let began = Instant::now();
    let mut rounds = 15;
    while !has_its_share("b") || !has_its_share("c") {
        assert!(began.elapsed() < LONG);
        for worker in &mut workers {
            worker.say("look");
        }
        wait(&elsewhere, "shared", append_round(&store));
        rounds += 1;
    }
    // They end one after the other, too.
    while let Some(mut worker) = workers.pop() {
        worker.say("stop");
        let last = append_round(&store);
        rounds += 1;
        assert!(worker.end().success());
        if !workers.is_empty() {
            wait(&elsewhere, "shared", last);
        }
    }
    // What was appended after the last one had ended.
    let mut last = worker(path, "last", 8, &[LONG_LEASE]);
    wait(&elsewhere, "shared", end(&store));
    last.say("stop");
    assert!(last.end().success());
    let handled = handled(path);
    let streams = by_stream(&handled);
    assert_eq!(streams.len(), 20);
    for (stream, versions) in streams {
        assert!(
            versions.iter().copied().eq(1..=rounds),
            "{stream}: {versions:?}"
        );
    }
}

fn end(store: &LmdbStore) -> Position {
    block_on(store.last_position(LogId::MAIN)).unwrap()
}

#[test]
fn what_a_killed_process_owned_goes_to_the_others_and_each_event_is_handled_at_least_once() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = open(path);
    let mut workers = ["a", "b", "c"].map(|name| worker(path, name, 6, &[LEASE]));
    for worker in &mut workers {
        own(worker, 2);
    }
    for _ in 0..5 {
        append_round(&store);
    }
    let [mut killed, mut second, mut third] = workers;
    killed.next("handled ");
    killed.kill();
    let killed_at = handled(path).len();
    for _ in 0..5 {
        append_round(&store);
    }
    own(&mut second, 3);
    own(&mut third, 3);
    wait(&onlooker(&store, 6), "shared", end(&store));
    let handled = handled(path);
    assert!(handled[killed_at..].iter().all(|one| one.worker != "a"));
    for (stream, versions) in by_stream(&handled) {
        let missing = (1..=10).find(|version| !versions.contains(version));
        assert_eq!(missing, None, "{stream}: {versions:?}");
    }
}

/// Stops a process at a moment when it does not hold LMDB's lock, which would stop everybody.
fn stop(process: &Process, store: &LmdbStore) {
    for _ in 0..100 {
        process.signal("STOP");
        let (written, waited) = mpsc::channel();
        let store = store.clone();
        thread::spawn(move || {
            let probe = EntryWrite::new().put(b"probe", b"");
            block_on(store.write_entries(probe)).unwrap();
            let _ = written.send(());
        });
        if waited.recv_timeout(Duration::from_secs(2)).is_ok() {
            return;
        }
        process.signal("CONT");
    }
    panic!("the process always holds the lock");
}

/// Waits until a process that was stopped then, and whose lease is [`PATIENT`], must have a look at it before it goes on.
fn wait_beyond_the_lease(stopped: Instant) {
    let lease = Duration::from_millis(PATIENT.1.parse().unwrap());
    thread::sleep(lease.saturating_sub(stopped.elapsed()));
}

/// What is written down about the only partition: who has it, for the how-manieth time, and up to where it is done.
fn notes(store: &LmdbStore, consumer: &str) -> (Option<String>, u64, u64) {
    #[derive(Deserialize)]
    struct Lease {
        owner: Option<String>,
        epoch: u64,
    }
    #[derive(Deserialize)]
    struct Checkpoint {
        position: u64,
    }
    let note = |key: &str| {
        let key = format!("{consumer}/{key}");
        let (_, note) = read_entries(store, &ReadEntries::key(key.as_bytes())).remove(0);
        note
    };
    let lease: Lease = serde_json::from_slice(&note("lease/00000")).unwrap();
    let at: Checkpoint = serde_json::from_slice(&note("checkpoint/0/00000")).unwrap();
    (lease.owner, lease.epoch, at.position)
}

#[test]
fn a_process_that_was_stopped_beyond_its_lease_notices_it_and_handles_nothing_more() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = open(path);
    let elsewhere = onlooker(&store, 1);
    let mut stopped = worker(path, "stopped", 1, &[PATIENT, HOLDING]);
    own(&mut stopped, 1);
    let mut last = Position::ZERO;
    // In one batch, and it is stopped at the third of them.
    for cents in [1, 1, HELD, 1, 1, 1] {
        last = append_moved(&store, 0, cents);
    }
    stopped.next("holding");
    stop(&stopped, &store);
    let stopped_at = Instant::now();
    let mut heir = worker(path, "heir", 1, &[QUICK]);
    own(&mut heir, 1);
    wait(&elsewhere, "shared", last);
    wait_beyond_the_lease(stopped_at);
    let notes_before = notes(&store, "subscription/shared/0000000000");
    let handled_before = handled(path).len();
    stopped.signal("CONT");
    stopped.say("go");
    own(&mut stopped, 0);
    // It ends the event that it was at, and does not go on to those that it had read before.
    let by_stopped = handled(path).split_off(handled_before);
    let at_hand = Handled {
        worker: "stopped".to_owned(),
        stream: "account-0".to_owned(),
        version: 3,
    };
    assert_eq!(by_stopped, [at_hand]);
    assert_eq!(
        notes(&store, "subscription/shared/0000000000"),
        notes_before
    );
    // It is of use again.
    heir.say("stop");
    assert!(heir.end().success());
    own(&mut stopped, 1);
    let handled_before = handled(path).len();
    let last = append_moved(&store, 0, 1);
    wait(&elsewhere, "shared", last);
    let after = handled(path).split_off(handled_before);
    let after: Vec<_> = after
        .iter()
        .map(|one| (&*one.worker, one.version))
        .collect();
    assert_eq!(after, [("stopped", 7)]);
}

#[test]
fn a_projecting_process_that_was_stopped_beyond_its_lease_notices_it_and_writes_nothing() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = open(path);
    let views = Views::new(store.clone());
    let elsewhere = Midgard::new(store.clone()).project(Ledger::<1>, views.clone());
    let elsewhere = elsewhere.handle();
    let mut stopped = projector(path, &[PATIENT, HOLDING]);
    own(&mut stopped, 1);
    let mut last = Position::ZERO;
    for cents in [1, 1, HELD, 1, 1, 1] {
        last = append_moved(&store, 0, cents);
    }
    stopped.next("holding");
    stop(&stopped, &store);
    let stopped_at = Instant::now();
    let mut heir = projector(path, &[QUICK]);
    own(&mut heir, 1);
    wait(&elsewhere, "ledger", last);
    wait_beyond_the_lease(stopped_at);
    let notes_before = notes(&store, "projection/ledger/0000000001");
    stopped.signal("CONT");
    stopped.say("go");
    own(&mut stopped, 0);
    assert_eq!(notes(&store, "projection/ledger/0000000001"), notes_before);
    let check = || {
        let rows = views.select(Select::<Applied>::all()).unwrap();
        let moves = read_moves(&store, Position::ZERO);
        assert_eq!(rows, fold(&moves, 1).applied);
    };
    check();
    heir.say("stop");
    assert!(heir.end().success());
    own(&mut stopped, 1);
    let last = append_moved(&store, 0, 1);
    wait(&elsewhere, "ledger", last);
    check();
    stopped.say("stop");
    assert!(stopped.end().success());
    // Nor was what follows a commit done by a worker that did not commit.
    let effects = [&stopped, &heir].map(|process| process.said("applied "));
    let mut effects = effects.concat();
    effects.sort();
    assert_eq!(effects, ["1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn a_clean_stop_hands_over_at_once_however_long_the_lease() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = open(path);
    let elsewhere = onlooker(&store, 1);
    let mut first = worker(path, "first", 1, &[LONG_LEASE]);
    own(&mut first, 1);
    let mut second = worker(path, "second", 1, &[LONG_LEASE]);
    own(&mut second, 0);
    wait(&elsewhere, "shared", append_moved(&store, 0, 1));
    first.say("stop");
    assert!(first.end().success());
    wait(&elsewhere, "shared", append_moved(&store, 0, 1));
    let handled: Vec<_> = handled(path);
    let handled: Vec<_> = handled
        .iter()
        .map(|one| (&*one.worker, one.version))
        .collect();
    assert_eq!(handled, [("first", 1), ("second", 2)]);
}
