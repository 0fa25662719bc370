//! Retries that expect no exact version: recognised among the last events of the log, and only there.
#![allow(clippy::unwrap_used)]

use crate::common::{append, event, open_unsynced, read_log, stream};
use midgard::event::NewEvent;
use midgard::store::rules::RECENT_EVENTS;
use midgard::store::{Append, AppendError, ExpectedVersion};
use midgard::{Store, Version, block_on};
use midgard_store_lmdb::LmdbStore;
use std::path::Path;

/// Appends so many events to another stream.
fn fill_log(store: &impl Store, mut events: usize) {
    while events > 0 {
        let count = events.min(1_000);
        append(store, "other", (0..count).map(|_| event("x")).collect()).unwrap();
        events -= count;
    }
}

#[test]
fn an_id_that_is_there_twice_is_recognised_as_long_as_the_last_one_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    let twice = event("twice");
    let append_to = |last| {
        let append = Append::to(stream("a"), Version(last), [twice.clone()]);
        block_on(store.append(append)).unwrap();
    };
    let retry = || append(&store, "a", vec![twice.clone()]).unwrap().version();
    append_to(0);
    fill_log(&store, 10);
    append_to(1);
    assert_eq!(retry(), Version(1));
    // All but the last event of the stream.
    fill_log(&store, RECENT_EVENTS - 1);
    assert_eq!(retry(), Version(2));
    fill_log(&store, 1);
    assert_eq!(retry(), Version(3));
}

#[test]
fn what_was_removed_is_no_retry_and_what_is_left_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    let (first, second) = (event("1"), event("2"));
    append(&store, "a", vec![first.clone(), second.clone()]).unwrap();
    let exactly = Append::to(stream("b"), ExpectedVersion::NoStream, [first.clone()]);
    let elsewhere = block_on(store.append(exactly)).unwrap();
    // By now the store has looked for ids.
    assert_eq!(append(&store, "b", vec![first.clone()]).unwrap(), elsewhere);
    let a = stream("a");
    block_on(store.truncate(&a, Version(2), ExpectedVersion::Any)).unwrap();
    let version = |name, event| append(&store, name, vec![event]).unwrap().version();
    assert_eq!(version("b", first.clone()), Version(1));
    assert_eq!(version("a", second), Version(2));
    assert_eq!(
        holder(&store, "a", first.clone()),
        ("b".to_owned(), Version(1))
    );
    block_on(store.tombstone(&stream("b"), ExpectedVersion::Any)).unwrap();
    assert_eq!(version("a", first.clone()), Version(3));
    assert_eq!(version("a", first), Version(3));
}

/// Which stream and version an event cannot be appended for, as it has its id.
fn holder(store: &impl Store, name: &str, event: NewEvent) -> (String, Version) {
    match append(store, name, vec![event]).unwrap_err() {
        AppendError::IdTaken {
            stream, version, ..
        } => (stream.to_string(), version),
        error => panic!("{error}"),
    }
}

#[test]
fn an_id_of_several_streams_belongs_to_each_as_long_as_it_is_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    let one = event("one");
    for (name, last) in [("a", 0), ("b", 0), ("a", 1), ("c", 0)] {
        let append = Append::to(stream(name), Version(last), [one.clone()]);
        block_on(store.append(append)).unwrap();
        fill_log(&store, 9);
    }
    let retry = |name| append(&store, name, vec![one.clone()]).unwrap().version();
    assert_eq!(
        (retry("a"), retry("b"), retry("c")),
        (Version(1), Version(1), Version(1))
    );
    assert_eq!(
        holder(&store, "d", one.clone()),
        ("a".to_owned(), Version(1))
    );
    // The first of stream "a" is forgotten, then that of "b", and so on.
    fill_log(&store, RECENT_EVENTS - 39);
    assert_eq!(
        holder(&store, "d", one.clone()),
        ("a".to_owned(), Version(2))
    );
    fill_log(&store, 10);
    assert_eq!(
        holder(&store, "d", one.clone()),
        ("a".to_owned(), Version(2))
    );
    fill_log(&store, 10);
    assert_eq!(
        holder(&store, "d", one.clone()),
        ("c".to_owned(), Version(1))
    );
    fill_log(&store, 10);
    assert_eq!(retry("d"), Version(1));
}

#[test]
fn an_event_of_an_older_format_is_told_from_another_of_its_id() {
    for format in ["format-1", "format-2"] {
        let directory = tempfile::tempdir().unwrap();
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let data = fixtures.join(format).join("data.mdb");
        std::fs::copy(data, directory.path().join("data.mdb")).unwrap();
        tells_its_events_from_others(&LmdbStore::open(directory.path()).unwrap());
    }
}

fn tells_its_events_from_others(store: &LmdbStore) {
    let mut appends = 0;
    for stored in read_log(store).unwrap() {
        let before = ExpectedVersion::Exact(stored.version.previous());
        let append = |payload: &[u8]| {
            let mut event =
                NewEvent::json(stored.name.clone(), stored.schema_version, payload.to_vec());
            event.codec = stored.codec;
            let append = Append::to(stored.stream.clone(), before, [event.with_id(stored.id)]);
            block_on(store.append(append))
        };
        assert_eq!(
            append(&stored.payload).unwrap().position,
            Some(stored.position)
        );
        let refused = append(b"another").unwrap_err();
        assert!(
            matches!(refused, AppendError::IdTaken { version, .. } if version == stored.version)
        );
        appends += 1;
    }
    assert!(appends > 0);
}
