//! Streams of many events: any version is found, from both ends, also after what was before it is gone.
#![allow(clippy::unwrap_used)]

use crate::common::{event, stream};
use midgard::event::NewEvent;
use midgard::store::{Append, Direction, ExpectedVersion, ReadStream, StreamState};
use midgard::{EventId, Store, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::ops::ControlFlow;

const EVENTS: u64 = 70_000;

fn id(number: u64) -> EventId {
    EventId::from_bytes(u128::from(number).to_be_bytes())
}

fn events(numbers: impl Iterator<Item = u64>) -> Vec<NewEvent> {
    numbers
        .map(|number| event(number.to_string()).with_id(id(number)))
        .collect()
}

/// A store with a stream of so many events, and another one in between.
fn filled(directory: &std::path::Path) -> LmdbStore {
    let options = LmdbStore::options().durability(Durability::NoSync);
    let store = options.open(directory).unwrap();
    let mut last = 0;
    for size in [1, 2, 3, 16, 17, 999].into_iter().cycle() {
        let next = EVENTS.min(last + size);
        let append = Append::to(stream("long"), Version(last), events(last + 1..=next));
        let append = append.and(stream("short"), ExpectedVersion::Any, [event("x")]);
        block_on(store.append(append)).unwrap();
        last = next;
        if last == EVENTS {
            break;
        }
    }
    store
}

/// The versions that a read gives; each event is the right one.
fn versions(store: &LmdbStore, read: &ReadStream) -> Vec<u64> {
    let mut versions = Vec::new();
    block_on(store.read_stream(read, &mut |event| {
        assert_eq!(event.payload, event.version.to_string().as_bytes());
        assert_eq!(event.id, id(event.version.get()));
        versions.push(event.version.get());
        ControlFlow::Continue(())
    }))
    .unwrap();
    versions
}

fn check_any_place(store: &LmdbStore, first: u64) {
    let places = [
        1, 2, 15, 16, 17, 255, 256, 257, 4_095, 4_096, 65_535, 65_536, 65_537, EVENTS,
    ];
    for from in places.into_iter().chain((1..EVENTS).step_by(4_999)) {
        let read = ReadStream::forward(stream("long"))
            .from(Version(from))
            .limit(20);
        let begin = from.max(first);
        let expected: Vec<_> = (begin..=EVENTS.min(begin + 19)).collect();
        assert_eq!(versions(store, &read), expected, "forward from {from}");
        let read = ReadStream::backward(stream("long"))
            .from(Version(from))
            .limit(20);
        let expected: Vec<_> = (first.max(from.saturating_sub(19))..=from).rev().collect();
        assert_eq!(versions(store, &read), expected, "backward from {from}");
    }
}

#[test]
fn any_version_is_found_from_both_ends() {
    let directory = tempfile::tempdir().unwrap();
    let store = filled(directory.path());
    check_any_place(&store, 1);
    let all: Vec<_> = (1..=EVENTS).collect();
    assert_eq!(versions(&store, &ReadStream::forward(stream("long"))), all);
    let mut backward = versions(&store, &ReadStream::backward(stream("long")));
    backward.reverse();
    assert_eq!(backward, all);
}

#[test]
fn any_version_is_found_however_much_was_written_in_between() {
    let directory = tempfile::tempdir().unwrap();
    let options = LmdbStore::options().durability(Durability::NoSync);
    let store = options.open(directory.path()).unwrap();
    // Versions of the one may be taken for those of the other.
    let other = (0..3000).map(|_| event("x"));
    block_on(store.append(Append::to(stream("other"), ExpectedVersion::Any, other))).unwrap();
    let mut last = 0;
    for (times, size, others) in [(3, 1000, 0), (400, 1, 1), (50, 40, 3), (20, 30, 100)] {
        for _ in 0..times {
            let next = last + size;
            let append = Append::to(stream("long"), Version(last), events(last + 1..=next));
            let others = (0..others).map(|_| event("x"));
            let append = append.and(stream("other"), ExpectedVersion::Any, others);
            block_on(store.append(append)).unwrap();
            last = next;
        }
    }
    let check = || {
        for from in (1..=last).step_by(23) {
            let read = ReadStream::forward(stream("long")).from(Version(from));
            let expected: Vec<_> = (from..=last.min(from + 2)).collect();
            assert_eq!(versions(&store, &read.limit(3)), expected);
            let read = ReadStream::backward(stream("long")).from(Version(from));
            let expected: Vec<_> = (from.saturating_sub(2).max(1)..=from).rev().collect();
            assert_eq!(versions(&store, &read.limit(3)), expected);
        }
    };
    check();
    // Where there was another event, there is none any more.
    let other = stream("other");
    block_on(store.tombstone(&other, ExpectedVersion::Any)).unwrap();
    check();
}

#[test]
fn a_retry_of_an_old_append_is_recognised() {
    let directory = tempfile::tempdir().unwrap();
    let store = filled(directory.path());
    let again = Append::to(stream("long"), Version(1), events(2..=3));
    assert_eq!(block_on(store.append(again)).unwrap().version(), Version(3));
    let other = Append::to(stream("long"), Version(20_000), events(1..=2));
    block_on(store.append(other)).unwrap_err();
}

#[test]
fn a_stream_that_is_truncated_again_and_again_is_found_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = filled(directory.path());
    let long = stream("long");
    for first in [2, 256, 257, 4_097, 33_333, 65_600] {
        let truncated = store.truncate(&long, Version(first), ExpectedVersion::Any);
        block_on(truncated).unwrap();
        check_any_place(&store, first);
        let append = Append::to(stream("short"), ExpectedVersion::Any, [event("x")]);
        block_on(store.append(append)).unwrap();
    }
    let all_gone = store.truncate(&long, Version::MAX, ExpectedVersion::Any);
    block_on(all_gone).unwrap();
    assert!(versions(&store, &ReadStream::forward(stream("long"))).is_empty());
    let next = events(EVENTS + 1..=EVENTS + 40);
    block_on(store.append(Append::to(stream("long"), Version(EVENTS), next))).unwrap();
    let state = block_on(store.stream_state(&stream("long"))).unwrap();
    let expected = StreamState {
        first: Version(EVENTS + 1),
        last: Version(EVENTS + 40),
        tombstoned: false,
    };
    assert_eq!(state, expected);
    for direction in [Direction::Forward, Direction::Backward] {
        let read = match direction {
            Direction::Forward => ReadStream::forward(stream("long")),
            Direction::Backward => ReadStream::backward(stream("long")),
        };
        assert_eq!(versions(&store, &read).len(), 40);
    }
}
