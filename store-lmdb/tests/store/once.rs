//! Commands that take effect once for each key: also after the store was opened again, and in another process.
#![allow(clippy::unwrap_used)]

use crate::common::{child_command, child_directory};
use midgard::repository::{ExecuteError, Repositories};
use midgard::{Aggregate, Apply, Command, Events, Repository, block_on, events};
use midgard_store_lmdb::LmdbStore;
use std::convert::Infallible;

#[midgard::event(name = "once.counted")]
struct Counted {
    by: u64,
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "once", id = String, events(Counted), apply = enum)]
struct Counter {
    total: u64,
}

impl Apply<CounterEvent> for Counter {
    fn apply(&mut self, CounterEvent::Counted(event): CounterEvent) {
        self.total += event.by;
    }
}

struct Add(u64);

impl Command<Counter> for Add {
    type Error = Infallible;

    fn decide(&self, _: &Counter) -> Result<Events<Counter>, Infallible> {
        Ok(events![Counted { by: self.0 }])
    }
}

/// Not a test of its own: another process that executes the same request.
#[test]
fn child_executes_the_request() {
    if let Some(directory) = child_directory() {
        let counters = Repository::<Counter, _>::new(LmdbStore::open(directory).unwrap());
        let done = block_on(counters.execute_once("request", "c", &Add(2))).unwrap();
        assert_eq!((done.state().total, done.version().get()), (2, 1));
    }
}

#[test]
fn the_same_request_takes_effect_once_over_processes_and_restarts() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut child = child_command("once::child_executes_the_request", directory.path(), "");
        assert!(child.status().unwrap().success());
    }
    let counters = Repository::<Counter, _>::new(LmdbStore::open(directory.path()).unwrap());
    block_on(counters.execute("c", &Add(5))).unwrap();
    let again = block_on(counters.execute_once("request", "c", &Add(2))).unwrap();
    assert_eq!((again.state().total, again.version().get()), (2, 1));
    let now = block_on(counters.load("c")).unwrap();
    assert_eq!((now.state().total, now.version().get()), (7, 2));
}

/// It has an append of entries alone.
#[test]
fn a_unit_of_work_without_events_keeps_its_key() {
    let directory = tempfile::tempdir().unwrap();
    for answer in [1, 2] {
        let counters = Repositories::new(LmdbStore::open(directory.path()).unwrap());
        let done = block_on(counters.execute_together_once(
            "request",
            async |_| -> Result<u64, ExecuteError<Infallible>> { Ok(answer) },
        ));
        assert_eq!(done.unwrap().value, 1);
    }
}
