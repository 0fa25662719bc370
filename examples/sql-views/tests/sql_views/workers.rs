//! Worker processes: killed at any moment, and several of one projection.

use super::kit::{
    Balances, Database, LONG, Paid, SHORT_LEASE, at_once, block_on, catch_up, midgard, options,
    pay, say, spawn,
};
use midgard::consumer::ConsumerState;
use midgard::store::{Query, ReadLog};
use midgard::{Midgard, Place, Position, Store};
use midgard_example_sql_views::SqliteViews;
use midgard_store_lmdb::LmdbStore;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Lines};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const KILLS: u64 = 30;
/// How many events each worker that is killed handles at least.
const EFFECTS: usize = 20;
/// A lease that nobody loses, however long the machine keeps it waiting.
const SAFE_LEASE: Duration = LONG.saturating_mul(10);

/// A process that runs the projection until it is killed.
struct Worker {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts this test program again, to run only `child_projects_until_killed`.
    fn start(name: &str, lease: Duration, events: &Path, database: &Database) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["workers::child_projects_until_killed", "--exact"])
            .args(["--nocapture", "--test-threads=1"])
            .env("MIDGARD_TEST_CHILD", name)
            .env("MIDGARD_TEST_LEASE", lease.as_millis().to_string())
            .env("MIDGARD_TEST_EVENTS", events)
            .env("MIDGARD_TEST_DATABASE", database.file())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Worker { process, lines }
    }

    /// The rest of the next line that begins with these words; `None` when the process ended without one.
    fn next(&mut self, words: &str) -> Option<String> {
        self.lines.find_map(|line| {
            let line = line.unwrap();
            line.strip_prefix(words).map(str::to_owned)
        })
    }

    /// The position of the next event that was committed.
    fn effect(&mut self) -> Option<u64> {
        self.next("effect ")
            .map(|position| position.parse().unwrap())
    }

    /// Kills it, and gives what it had committed and told before.
    fn kill(mut self) -> Vec<u64> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        // What was torn off in the middle of a line is no line.
        std::iter::from_fn(|| self.effect()).collect()
    }
}

/// Not a test of its own: what the killed processes do.
#[test]
fn child_projects_until_killed() {
    let Ok(worker) = std::env::var("MIDGARD_TEST_CHILD") else {
        return;
    };
    let path = |name| std::env::var_os(name).unwrap();
    let store = LmdbStore::open(path("MIDGARD_TEST_EVENTS")).unwrap();
    let database = path("MIDGARD_TEST_DATABASE");
    let views = block_on(SqliteViews::open(Path::new(&database), LONG)).unwrap();
    let projection = Balances::<1> {
        worker,
        is_printing: true,
        ..Balances::default()
    };
    let lease = std::env::var("MIDGARD_TEST_LEASE").unwrap();
    let lease = Duration::from_millis(lease.parse().unwrap());
    let options = options(at_once()).lease(lease);
    let midgard = Midgard::new(store).project_with(projection, views, options);
    let handle = midgard.handle();
    let told = spawn(async move {
        let is_standby =
            |status: &midgard::consumer::Status| status.state == ConsumerState::Standby;
        if handle
            .wait_until("balances", LONG, is_standby)
            .await
            .is_ok()
        {
            say("standby");
        }
    });
    block_on(midgard.run()).unwrap();
    block_on(told).unwrap();
}

/// The balances, by a plain fold of the log.
fn folded(store: &LmdbStore) -> Vec<(String, i64)> {
    let mut balances = BTreeMap::<String, i64>::new();
    let read = ReadLog::forward().matching(Query::events::<Paid>());
    block_on(store.read_log(&read, &mut |event| {
        let Paid { account, cents } = event.decode().unwrap();
        *balances.entry(account).or_default() += cents;
        ControlFlow::Continue(())
    }))
    .unwrap();
    balances.into_iter().collect()
}

#[test]
fn workers_that_are_killed_at_any_moment_count_every_event_once() {
    let (events, database) = (TempDir::new().unwrap(), Database::new());
    let store = LmdbStore::open(events.path()).unwrap();
    let is_ended = AtomicBool::new(false);
    let mut effects = Vec::new();
    let last = thread::scope(|scope| {
        let paying = scope.spawn(|| {
            let mut last = Position::ZERO;
            for number in 0_i64.. {
                if is_ended.load(Ordering::SeqCst) {
                    break;
                }
                last = pay(
                    &store,
                    ["ann", "bob", "cid"][number as usize % 3],
                    number % 100,
                );
            }
            last
        });
        for kill in 0..KILLS {
            let mut worker = Worker::start("killed", SHORT_LEASE, events.path(), &database);
            for _ in 0..EFFECTS {
                effects.push(worker.effect().expect("a worker runs until it is killed"));
            }
            // At once after an effect, or spread over reading, handling and committing; the seed is the
            // number of the kill.
            if kill % 2 == 0 {
                let after = kill.wrapping_mul(0x9E37_79B9) % 30_000;
                thread::sleep(Duration::from_micros(after));
            }
            effects.extend(worker.kill());
        }
        is_ended.store(true, Ordering::SeqCst);
        paying.join().unwrap()
    });
    catch_up(&store, &database, &Balances::<1>::default()).unwrap();
    assert_eq!(database.balances(), folded(&store));
    let payments = database
        .payments()
        .into_iter()
        .map(|(_, position)| position);
    assert!(payments.eq(1..=i64::try_from(last.get()).unwrap()));
    let distinct: BTreeSet<_> = effects.iter().collect();
    assert_eq!(distinct.len(), effects.len(), "an effect came twice");
}

#[test]
fn one_of_two_workers_writes_and_one_that_finds_it_killed_takes_over() {
    let (events, database) = (TempDir::new().unwrap(), Database::new());
    let store = LmdbStore::open(events.path()).unwrap();
    // Asks the notes: nothing is run here.
    let idle = midgard(&store, &database, &Balances::<1>::default(), at_once()).handle();
    let wait = |position| block_on(idle.wait_for("balances", Place::main(position), LONG)).unwrap();
    let mut last = pay(&store, "ann", 1);
    let mut first = Worker::start("first", SAFE_LEASE, events.path(), &database);
    assert_eq!(first.effect(), Some(last.get()));
    let mut second = Worker::start("second", SAFE_LEASE, events.path(), &database);
    second.next("standby").expect("the second one stands by");
    for number in 0..200 {
        last = pay(&store, ["ann", "bob"][number % 2], 1);
    }
    wait(last);
    let by = |worker: &str| {
        let payments = database.payments().into_iter();
        payments.filter(|(by, _)| by == worker).count()
    };
    assert_eq!((by("first"), by("second")), (201, 0));
    first.kill();
    let third = Worker::start("third", SHORT_LEASE, events.path(), &database);
    for number in 0..100 {
        last = pay(&store, ["ann", "bob"][number % 2], 1);
    }
    wait(last);
    let by_each = (by("first"), by("second"), by("third"));
    assert_eq!(by_each, (201, 0, 100));
    assert_eq!(database.balances(), folded(&store));
    second.kill();
    third.kill();
}
