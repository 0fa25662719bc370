//! What is counted in a store.
#![allow(clippy::unwrap_used)]

use crate::common::{append, copy_format_1, event, fill, open_unsynced, patch, read_log, stream};
use midgard::event::NewEvent;
use midgard::store::ExpectedVersion;
use midgard::{Position, Store, Version, block_on};
use midgard_store_lmdb::{LmdbStore, Statistics};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

fn count(store: &LmdbStore) -> Statistics {
    let statistics = store.statistics(|_| ControlFlow::Continue(())).unwrap();
    assert!(statistics.is_complete);
    statistics
}

#[test]
fn events_are_counted_by_name_and_schema_version() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    let empty = count(&store);
    assert_eq!((empty.events, empty.streams, empty.times), (0, 0, None));
    let event = |name: &str, schema_version, payload: &str| {
        NewEvent::json(name.to_owned(), schema_version, payload.as_bytes().to_vec())
    };
    let events = vec![
        event("a", 1, "1"),
        event("a", 2, "22"),
        event("b", 1, "333"),
    ];
    append(&store, "one", events).unwrap();
    append(&store, "two", vec![event("a", 2, &"4".repeat(5_000))]).unwrap();
    append(&store, "gone", vec![event("c", 1, "5")]).unwrap();
    block_on(store.truncate(&stream("one"), Version(2), ExpectedVersion::Any)).unwrap();
    block_on(store.tombstone(&stream("gone"), ExpectedVersion::Any)).unwrap();

    let counted = count(&store);
    assert_eq!((counted.until, counted.events), (Position(7), 3));
    assert_eq!((counted.streams, counted.tombstoned), (3, 1));
    assert_eq!(counted.payload_bytes, 2 + 3 + 5_000);
    assert!((5_000..6_000).contains(&counted.record_bytes));
    let names: Vec<_> = counted
        .names
        .iter()
        .map(|(name, of)| {
            (
                name.as_str(),
                of.events,
                of.payload_bytes,
                of.schema_versions.clone(),
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            ("a", 2, 5_002, BTreeMap::from([(2, 2)])),
            ("b", 1, 3, BTreeMap::from([(1, 1)])),
        ]
    );
    let log = read_log(&store).unwrap();
    assert_eq!(counted.times, Some((log[0].time, log[2].time)));
    assert_eq!(
        (
            counted.index.entries,
            counted.index.runs,
            counted.index.behind
        ),
        (0, 0, 7)
    );
    let length = directory.path().join("data.mdb").metadata().unwrap().len();
    assert_eq!(counted.file.length, length);
    assert!(counted.file.used <= length && counted.file.live < counted.file.used);
}

#[test]
fn streams_are_counted_once_wherever_they_are() {
    let directory = tempfile::tempdir().unwrap();
    copy_format_1(directory.path());
    let store = open_unsynced(directory.path());
    assert_eq!((count(&store).streams, count(&store).tombstoned), (4, 1));
    // In several runs, in none of them, in both, and in stores of format 1 too.
    fill(&store, "s", 25_000, 2);
    append(&store, "user-ann", vec![event("more")]).unwrap();
    fill(&store, "t", 30_000, 1);
    fill(&store, "s", 1_000, 1);
    append(&store, "truncated", vec![event("more")]).unwrap();
    let counted = count(&store);
    assert_eq!(counted.streams, 55_004);
    assert_eq!(counted.events, read_log(&store).unwrap().len() as u64);
    assert!(counted.index.runs >= 2, "{:?}", counted.index);
    assert!(counted.index.entries > 40_000, "{:?}", counted.index);
    assert_eq!(counted.index.versions, counted.index.entries);
    assert!(
        (1..40_000).contains(&counted.index.behind),
        "{:?}",
        counted.index
    );
    drop(store);
    let store = open_unsynced(directory.path());
    assert_eq!(count(&store), counted);
    // Of a truncated stream the last version is not all that an append has to know.
    block_on(store.truncate(&stream("s-1"), Version(2), ExpectedVersion::Any)).unwrap();
    fill(&store, "u", 35_000, 1);
    let index = count(&store).index;
    // Besides this one, a stream was truncated in the store of format 1.
    assert_eq!(index.versions, index.entries - 2, "{index:?}");
}

#[test]
fn a_damaged_record_is_counted_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    let named = |name: &str| vec![NewEvent::json(name.to_owned(), 1, b"1".to_vec())];
    append(&store, "a", named("this.happened")).unwrap();
    append(&store, "b", named("that.happened")).unwrap();
    append(&store, "c", named("else.happened")).unwrap();
    drop(store);
    patch(directory.path(), b"that.happened", b"that.happenee");
    let counted = count(&open_unsynced(directory.path()));
    assert_eq!((counted.events, counted.damaged), (2, 1));
}

#[test]
fn it_tells_how_far_it_is_and_can_be_ended() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    fill(&store, "s", 2_000, 2);
    let mut told = Vec::new();
    let whole = store.statistics(|progress| {
        told.push((progress.done, progress.expected));
        ControlFlow::Continue(())
    });
    assert_eq!(whole.unwrap().events, 4_000);
    assert!(told.is_sorted() && told.len() > 3, "{told:?}");
    let (done, expected) = told.last().unwrap();
    assert_eq!(done, expected);
    let part = store.statistics(|_| ControlFlow::Break(())).unwrap();
    assert!(!part.is_complete && part.events > 0 && part.events < 4_000);
}
