//! A process manager that reacts to the ends of streams.

use crate::kit::{Journal, Write, lines, processes, start, until, until_lines};
use crate::shop::append;
use midgard::clock::ManualClock;
use midgard::event::RecordedEventRef;
use midgard::store::{ExpectedVersion, StreamTombstoned};
use midgard::{
    Aggregate, Apply, Event, Expire, MemoryStore, Midgard, ProcessManager, Processes, React,
    Reactions, StartFrom, Store as _, StreamName, block_on,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "flat.rented")]
struct Rented {
    flat: String,
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "flat", id = String, events(Rented))]
struct Flat;

impl Apply<Rented> for Flat {
    fn apply(&mut self, _: Rented) {}
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "tenancy.to_be_closed")]
struct ToBeClosed {}

/// Closes the books of a flat a day after it was removed.
#[derive(Debug, Default, ProcessManager)]
#[process_manager(
    name = "tenancy",
    id = String,
    events(Rented, StreamTombstoned),
    deadlines(ToBeClosed)
)]
struct Tenancy {
    rented: u64,
    removed_at: Option<u64>,
}

impl React<Rented> for Tenancy {
    fn process(event: &Rented, _: &RecordedEventRef<'_>) -> Option<String> {
        Some(event.flat.clone())
    }

    fn react(&mut self, _: Rented, _: &mut Reactions<Self>) {
        self.rented += 1;
    }
}

impl React<StreamTombstoned> for Tenancy {
    fn process(event: &StreamTombstoned, _: &RecordedEventRef<'_>) -> Option<String> {
        event.id_of::<Flat>().ok().flatten()
    }

    fn react(&mut self, event: StreamTombstoned, reactions: &mut Reactions<Self>) {
        self.removed_at = Some(event.version().get());
        reactions.remind(DAY, &ToBeClosed {});
    }
}

impl Expire<ToBeClosed> for Tenancy {
    fn expired(&mut self, _: ToBeClosed, reactions: &mut Reactions<Self>) {
        let Tenancy { rented, removed_at } = self;
        let text = format!("rented {rented} times, removed at version {removed_at:?}");
        reactions.execute::<Journal, _>("book".to_owned(), Write(text));
        reactions.complete();
    }
}

fn program(store: &MemoryStore, clock: &ManualClock) -> Midgard<MemoryStore> {
    let tenancies = Processes::<Tenancy>::new(StartFrom::Start);
    Midgard::with_clock(store.clone(), clock).process_manager(tenancies)
}

fn rent(store: &MemoryStore, flat: &str) {
    let event = Rented {
        flat: flat.to_owned(),
    };
    block_on(append(store, &format!("flat-{flat}"), &event));
}

fn tombstone(store: &MemoryStore, stream: &str) {
    let stream = StreamName::new(stream).unwrap();
    block_on(store.tombstone(&stream, ExpectedVersion::Any)).unwrap();
}

#[test]
fn a_process_reacts_to_the_end_of_a_stream_once_and_is_rebuilt_from_it() {
    let clock = ManualClock::at("2026-11-25T18:30:00Z".parse().unwrap());
    let store = MemoryStore::with_clock(&clock);
    for flat in ["a", "b", "a"] {
        rent(&store, flat);
    }
    block_on(program(&store, &clock).catch_up()).unwrap();
    tombstone(&store, "flat-a");
    // Of another aggregate, whose id is the same.
    tombstone(&store, "house-b");
    for _ in 0..2 {
        block_on(program(&store, &clock).catch_up()).unwrap();
    }
    assert_eq!(lines(&store, "book"), [""; 0]);

    // A new program: of the flat, nothing is left but what the process has recorded.
    clock.advance(DAY);
    let running = start(program(&store, &clock));
    until_lines(
        &store,
        "book",
        &["rented 2 times, removed at version Some(2)"],
    );
    let left = until("the end of the process", || {
        let left = processes(&running.handle, "tenancy");
        (left.len() < 2).then_some(left)
    });
    let left: Vec<_> = left
        .iter()
        .map(|process| (&*process.id, process.deadline))
        .collect();
    assert_eq!(left, [("b", None)]);
    running.stop();
}
