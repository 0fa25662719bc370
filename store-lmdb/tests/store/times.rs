//! The times of events, by a clock that the store is opened with.
#![allow(clippy::unwrap_used)]

use crate::common::event;
use midgard::clock::ManualClock;
use midgard::event::{NewEvent, RecordedEventRef};
use midgard::store::{Append, ExpectedVersion, ReadLog};
use midgard::{
    Event, Expire, Midgard, ProcessManager, Processes, React, Reactions, StartFrom, Store,
    StreamName, Timestamp, block_on,
};
use midgard_store_lmdb::LmdbStore;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::time::Duration;

fn append(store: &LmdbStore, event: NewEvent) {
    let stream = StreamName::new("order-1").unwrap();
    let append = Append::to(stream, ExpectedVersion::Any, [event]);
    block_on(store.append(append)).unwrap();
}

fn times(store: &LmdbStore) -> Vec<String> {
    let mut times = Vec::new();
    let mut visit = |event: RecordedEventRef<'_>| {
        times.push(event.time.to_string());
        ControlFlow::Continue(())
    };
    block_on(store.read_log(&ReadLog::forward(), &mut visit)).unwrap();
    times
}

#[test]
fn events_have_the_times_of_the_clock_that_the_store_was_opened_with_and_never_earlier_ones() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at("2026-11-25T18:30:00Z".parse().unwrap());
    let store = LmdbStore::options();
    let store = store.clock(&clock).open(directory.path()).unwrap();
    append(&store, event("{}"));
    clock.advance(Duration::from_secs(90));
    append(&store, event("{}"));
    clock.set(Timestamp::from_micros(0));
    append(&store, event("{}"));
    // Another handle of this process has the clock of the first.
    let other = LmdbStore::open(directory.path()).unwrap();
    clock.set("2026-11-25T19:00:00Z".parse().unwrap());
    append(&other, event("{}"));
    assert_eq!(
        times(&store),
        [
            "2026-11-25T18:30:00.000000Z",
            "2026-11-25T18:31:30.000000Z",
            "2026-11-25T18:31:30.000000Z",
            "2026-11-25T19:00:00.000000Z",
        ]
    );
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct Placed {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.unpaid")]
struct Unpaid {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "payment", id = String, events(Placed), deadlines(Unpaid))]
struct Payment {}

impl React<Placed> for Payment {
    fn process(_: &Placed, recorded: &RecordedEventRef<'_>) -> Option<String> {
        Some(recorded.stream.to_owned())
    }

    fn react(&mut self, _: Placed, reactions: &mut Reactions<Self>) {
        reactions.remind(Duration::from_secs(900), &Unpaid {});
    }
}

impl Expire<Unpaid> for Payment {
    fn expired(&mut self, _: Unpaid, reactions: &mut Reactions<Self>) {
        reactions.complete();
    }
}

#[test]
fn a_deadline_passes_by_the_clock_of_the_program_also_when_the_store_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at("2026-11-25T18:30:00Z".parse().unwrap());
    let goes_on = || {
        let store = LmdbStore::options();
        let store = store.clock(&clock).open(directory.path()).unwrap();
        let payments = || {
            let payments = Processes::<Payment>::new(StartFrom::Start);
            Midgard::with_clock(store.clone(), &clock).process_manager(payments)
        };
        block_on(payments().catch_up()).unwrap();
        let left = block_on(payments().handle().processes("payment")).unwrap();
        left.into_iter()
            .map(|process| process.id)
            .collect::<Vec<_>>()
    };
    let store = LmdbStore::options();
    let store = store.clock(&clock).open(directory.path()).unwrap();
    append(&store, NewEvent::encode(&Placed {}).unwrap());
    drop(store);
    clock.advance(Duration::from_secs(899));
    assert_eq!(goes_on(), ["order-1"]);
    clock.advance(Duration::from_secs(1));
    assert_eq!(goes_on(), [""; 0]);
}
