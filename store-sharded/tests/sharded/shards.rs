//! Streams, places, conditions and entries of a store with several shards.

use crate::kit::{append, change, entries, event, numbers, stream, to};
use midgard::store::{AppendCondition, AppendError, ExpectedVersion, Query, ReadLog, StoreError};
use midgard::{LogId, MemoryStore, Place, Position, Store, block_on};
use midgard_store_sharded::{Routing, ShardedStore};
use std::ops::ControlFlow;

const SHARDS: usize = 3;

fn open(routing: Routing) -> ShardedStore<MemoryStore> {
    let shards: [MemoryStore; SHARDS] = Default::default();
    block_on(ShardedStore::open_routed(shards, routing)).unwrap()
}

/// Returns the name of a stream in each of the shards.
fn streams(store: &ShardedStore<MemoryStore>) -> [String; SHARDS] {
    std::array::from_fn(|shard| {
        let mut names = (0..).map(|number| format!("order-{number}"));
        let is_there = |name: &String| store.log_of(&stream(name)) == LogId(shard as u32);
        names.find(is_there).unwrap()
    })
}

#[test]
fn each_log_has_the_events_of_its_streams_with_their_places() {
    let store = open(Routing::Stream);
    let names = streams(&store);
    for number in 1..=5 {
        for name in &names {
            let appended = append(&store, to(name, number)).unwrap();
            let place = Place::new(store.log_of(&stream(name)), Position(number));
            assert_eq!(appended.place(), Some(place));
        }
    }
    for (log, name) in (0..).map(LogId).zip(&names) {
        let mut found = Vec::new();
        let each = &mut |event: midgard::event::RecordedEventRef<'_>| {
            assert_eq!(event.stream, name);
            found.push(event.place());
            ControlFlow::Continue(())
        };
        let mut read = ReadLog::forward();
        read.log = log;
        assert_eq!(block_on(store.read_log(&read, each)).unwrap(), Position(5));
        let wanted: Vec<_> = (1..=5).map(|at| Place::new(log, Position(at))).collect();
        assert_eq!(found, wanted);
        assert_eq!(block_on(store.last_position(log)).unwrap(), Position(5));
        assert_eq!(numbers(&store, name), [1, 2, 3, 4, 5]);
    }
    let beyond = block_on(store.last_position(LogId(3))).unwrap_err();
    assert_eq!(
        beyond.to_string(),
        "the store has no log 3; its logs are 0 to 2"
    );
}

#[test]
fn an_append_over_two_shards_is_refused_and_nothing_of_it_is_there() {
    let store = open(Routing::Stream);
    let [one, other, _] = streams(&store);
    let both = to(&one, 1).and(stream(&other), ExpectedVersion::Any, [event(2)]);
    let error = append(&store, both).unwrap_err();
    let is_refused = matches!(
        error,
        AppendError::Store(StoreError::SeveralLogs {
            one: LogId(0),
            other: LogId(1)
        })
    );
    assert!(is_refused, "{error}");
    assert!(numbers(&store, &one).is_empty() && numbers(&store, &other).is_empty());
}

#[test]
fn streams_of_one_id_are_appended_to_together() {
    let store = open(Routing::Id);
    for id in 0..20 {
        let (order, payment) = (format!("order-{id}"), format!("payment-{id}"));
        let both = to(&order, 1).and(stream(&payment), ExpectedVersion::NoStream, [event(2)]);
        append(&store, both).unwrap();
    }
}

#[test]
fn a_condition_looks_at_the_shard_of_the_streams() {
    let store = open(Routing::Stream);
    let [one, other, _] = streams(&store);
    append(&store, to(&one, 1)).unwrap();
    append(&store, to(&other, 1)).unwrap();
    let counted_after = |log, position| AppendCondition {
        query: Query::all(),
        after: Place::new(LogId(log), Position(position)),
    };
    append(&store, to(&other, 2).unless(counted_after(1, 1))).unwrap();
    match append(&store, to(&other, 3).unless(counted_after(1, 1))) {
        Err(AppendError::ConditionFailed { after, place }) => {
            assert_eq!(after, Place::new(LogId(1), Position(1)));
            assert_eq!(place, Place::new(LogId(1), Position(2)));
        }
        answer => panic!("{answer:?}"),
    }
    let elsewhere = append(&store, to(&other, 3).unless(counted_after(0, 1)));
    let is_refused = matches!(
        elsewhere,
        Err(AppendError::Store(StoreError::SeveralLogs { .. }))
    );
    assert!(is_refused, "{elsewhere:?}");
    let nowhere = append(&store, to(&other, 3).unless(counted_after(9, 1)));
    let is_refused = matches!(
        nowhere,
        Err(AppendError::Store(StoreError::UnknownLog { .. }))
    );
    assert!(is_refused, "{nowhere:?}");
}

#[test]
fn entries_change_with_the_events_of_every_shard() {
    let store = open(Routing::Stream);
    let mut before = None;
    for (number, name) in (1..).zip(streams(&store)) {
        let now = number.to_string();
        let counter = change("counter", before.as_deref(), &now);
        append(&store, to(&name, number).with_entries(counter)).unwrap();
        before = Some(now);
    }
    let [one, _, last] = streams(&store);
    for name in [&one, &last] {
        let stale = to(name, 9).with_entries(change("counter", Some("1"), "9"));
        let answer = append(&store, stale);
        let is_refused =
            matches!(&answer, Err(AppendError::EntryChanged { key }) if key == b"counter");
        assert!(is_refused, "{answer:?}");
    }
    assert_eq!(entries(&store), [(b"counter".to_vec(), b"3".to_vec())]);
    assert_eq!(numbers(&store, &last), [3]);
}

#[test]
fn the_keys_of_the_sharded_store_itself_cannot_be_changed_or_seen() {
    let store = open(Routing::Stream);
    let [_, other, _] = streams(&store);
    let key = "\0midgard.sharded/about";
    let error = block_on(store.write_entries(change(key, None, "mine"))).unwrap_err();
    assert!(error.to_string().contains("use other keys"), "{error}");
    let error = append(
        &store,
        to(&other, 1).with_entries(change(key, None, "mine")),
    );
    assert!(error.is_err());
    assert!(entries(&store).is_empty());
    // Those next to them can.
    for key in ["\0", "\0midgard.sharded", "\0midgard.sharded0", "a"] {
        block_on(store.write_entries(change(key, None, "mine"))).unwrap();
    }
    assert_eq!(entries(&store).len(), 4);
}
