//! A store of every format that a release has written is opened and read.
//!
//! `fixtures/format-N/data.mdb` was written by `child_writes_the_fixture` at the time of format N; it is
//! never written again. For a new format, run that test with `MIDGARD_TEST_CHILD` set to a new directory.
#![allow(clippy::unwrap_used)]

use crate::common::{
    append, child_directory, event, payloads, read_entries, read_log, read_stream, stream,
};
use midgard::event::NewEvent;
use midgard::store::{
    Append, AppendError, ExpectedVersion, Query, ReadLog, ReadStream, StreamState, StreamTombstoned,
};
use midgard::store::{EmbeddedStore, EntryWrite, ReadEntries};
use midgard::{EventId, Metadata, Position, Store, Version, block_on};
use midgard_store_lmdb::LmdbStore;
use std::fs;
use std::ops::{ControlFlow, RangeInclusive};
use std::path::Path;
use tempfile::TempDir;

fn id(number: u8) -> EventId {
    EventId::from_bytes([number; 16])
}

/// One of everything that a record can hold.
fn full_event() -> NewEvent {
    let metadata = Metadata::new()
        .with_correlation_id(id(0xC0))
        .with_causation_id(id(0xCA))
        .with_header("user", "jun")
        .with_header("empty", "");
    NewEvent::json("user.renamed", 3, br#"{"name":"jun2"}"#.to_vec())
        .with_id(id(2))
        .with_tag("email", "ann@x.org")
        .with_tag("city", "Tromsø")
        .with_metadata(metadata)
}

/// Not a test of its own: writes a store with one of everything.
#[test]
fn child_writes_the_fixture() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::open(directory).unwrap();
    let itself = Metadata::new().with_correlation_id(id(1));
    let first = event("{\"name\":\"ann\"}")
        .with_id(id(1))
        .with_metadata(itself);
    append(&store, "user-ann", vec![first, full_event()]).unwrap();
    append(
        &store,
        "user-漢字 🙂",
        vec![event("\"large \u{1F642}\"".repeat(1000)).with_id(id(3))],
    )
    .unwrap();
    append(
        &store,
        "truncated",
        (4..8)
            .map(|n| event(n.to_string()).with_id(id(n)))
            .collect(),
    )
    .unwrap();
    block_on(store.truncate(&stream("truncated"), Version(3), ExpectedVersion::Any)).unwrap();
    append(&store, "tombstoned", vec![event("gone").with_id(id(8))]).unwrap();
    block_on(store.tombstone(&stream("tombstoned"), ExpectedVersion::Any)).unwrap();
    append(&store, "user-ann", vec![event("last").with_id(id(9))]).unwrap();

    // Since format 2: a block of records, some of which are removed, links that skip, and pieces of a record.
    append(&store, "many", many(1..=300)).unwrap();
    append(&store, "between", vec![event("x")]).unwrap();
    append(&store, "many", many(301..=400)).unwrap();
    block_on(store.truncate(&stream("many"), Version(34), ExpectedVersion::Any)).unwrap();
    let split = vec![event("\"split\"".repeat(700)).with_id(id(10))];
    append(&store, "split", split).unwrap();
}

fn many(versions: RangeInclusive<u64>) -> Vec<NewEvent> {
    versions
        .map(|version| event(format!("{{\"version\":{version},\"note\":\"{:0200}\"}}", 0)))
        .collect()
}

/// A copy of the store that a release of this format wrote.
fn fixture(format: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let data = fixtures.join(format).join("data.mdb");
    fs::copy(data, directory.path().join("data.mdb")).unwrap();
    directory
}

#[test]
fn a_store_of_format_1_is_read_and_goes_on() {
    let directory = fixture("format-1");
    let store = LmdbStore::open(directory.path()).unwrap();
    let log = read_log(&store).unwrap();
    assert_eq!(log.len(), 6);
    assert_eq!(log[0].time.to_string(), "2026-11-23T08:20:29.696270Z");
    check_what_all_formats_have(&store, 11);
}

#[test]
fn a_store_of_format_2_is_read_and_goes_on() {
    let directory = fixture("format-2");
    let store = LmdbStore::open(directory.path()).unwrap();
    let log = read_log(&store).unwrap();
    assert_eq!(log[0].time.to_string(), TIME_IN_FORMAT_2);
    assert_eq!(log.len(), 6 + 400 - 33 + 2);
    let events = read_stream(&store, "many").unwrap();
    let expected = many(34..=400);
    assert_eq!(
        payloads(&events),
        expected
            .iter()
            .map(|event| String::from_utf8(event.payload.clone()).unwrap())
            .collect::<Vec<_>>()
    );
    let part = ReadStream::backward(stream("many"))
        .from(Version(300))
        .limit(2);
    let mut versions = Vec::new();
    block_on(store.read_stream(&part, &mut |event| {
        versions.push(event.version.get());
        ControlFlow::Continue(())
    }))
    .unwrap();
    assert_eq!(versions, [300, 299]);
    let split = read_stream(&store, "split").unwrap();
    assert_eq!(payloads(&split), ["\"split\"".repeat(700)]);
    check_what_all_formats_have(&store, 414);
}

/// What is in a store of each format, up to `last`, and that it goes on.
fn check_what_all_formats_have(store: &LmdbStore, last: u64) {
    let log = read_log(store).unwrap();
    let places: Vec<_> = log[..6]
        .iter()
        .map(|event| {
            (
                event.position.get(),
                event.stream.as_str(),
                event.version.get(),
                event.id,
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            (1, "user-ann", 1, id(1)),
            (2, "user-ann", 2, id(2)),
            (3, "user-漢字 🙂", 1, id(3)),
            (6, "truncated", 3, id(6)),
            (7, "truncated", 4, id(7)),
            (11, "user-ann", 3, id(9)),
        ]
    );
    assert!(log.is_sorted_by_key(|event| event.time));
    assert_eq!(log[0].metadata.correlation_id(), Some(id(1)));
    let (recorded, written) = (&log[1], full_event());
    assert_eq!(
        (
            recorded.name.as_str(),
            recorded.schema_version,
            recorded.codec
        ),
        ("user.renamed", 3, written.codec)
    );
    assert_eq!(
        (&recorded.payload, &recorded.tags),
        (&written.payload, &written.tags)
    );
    assert_eq!(recorded.metadata, written.metadata);
    assert_eq!(log[2].payload.len(), "\"large \u{1F642}\"".len() * 1000);
    assert_eq!(
        payloads(&read_stream(store, "truncated").unwrap()),
        ["6", "7"]
    );

    let state = |name| block_on(store.stream_state(&stream(name))).unwrap();
    assert_eq!(
        state("truncated"),
        StreamState {
            first: Version(3),
            last: Version(4),
            tombstoned: false
        }
    );
    assert_eq!(
        state("tombstoned"),
        StreamState {
            first: Version(1),
            last: Version(1),
            tombstoned: true
        }
    );

    // And it goes on: positions and versions after what is there, retries recognised, ends remembered.
    let next = append(store, "user-ann", vec![event("next")]).unwrap();
    assert_eq!(
        (next.position, next.version()),
        (Some(Position(last + 1)), Version(4))
    );
    let again = Append::to(stream("user-ann"), Version(1), [full_event()]);
    assert_eq!(
        block_on(store.append(again)).unwrap().position,
        Some(Position(2))
    );
    let refused = append(store, "tombstoned", vec![event("more")]).unwrap_err();
    assert!(matches!(
        refused,
        AppendError::Tombstoned {
            version: Version(1),
            ..
        }
    ));
}

/// Streams that began with format 1 and go on with format 2.
#[test]
fn tombstones_of_every_format_are_read_by_who_asks_for_them() {
    for format in ["format-1", "format-2"] {
        let directory = fixture(format);
        let store = LmdbStore::open(directory.path()).unwrap();
        let mut ended = Vec::new();
        let asked = ReadLog::forward().matching(Query::events::<StreamTombstoned>());
        block_on(store.read_log(&asked, &mut |event| {
            let tombstone = event.decode::<StreamTombstoned>().unwrap();
            ended.push((event.position.get(), tombstone));
            ControlFlow::Continue(())
        }))
        .unwrap();
        let [(position, tombstone)] = ended.as_slice() else {
            panic!("{format}: {ended:?}");
        };
        let told = (*position, tombstone.stream(), tombstone.version().get());
        assert_eq!(told, (10, "tombstoned", 1), "{format}");
    }
}

#[test]
fn a_stream_goes_on_from_one_format_to_the_next() {
    let directory = fixture("format-1");
    let store = LmdbStore::open(directory.path()).unwrap();
    for version in 3..60 {
        let append = Append::to(
            stream("user-ann"),
            Version(version),
            many(version + 1..=version + 1),
        );
        block_on(store.append(append)).unwrap();
    }
    drop(store);
    let store = LmdbStore::open(directory.path()).unwrap();
    let events = read_stream(&store, "user-ann").unwrap();
    let versions: Vec<_> = events.iter().map(|event| event.version.get()).collect();
    assert_eq!(versions, (1..=60).collect::<Vec<_>>());
    let again = Append::to(stream("user-ann"), Version(1), [full_event()]);
    assert_eq!(
        block_on(store.append(again)).unwrap().position,
        Some(Position(2))
    );

    // What was truncated then goes on to be, and further.
    append(&store, "truncated", many(5..=5)).unwrap();
    assert_eq!(read_stream(&store, "truncated").unwrap().len(), 3);
    let truncate = |name, before| {
        let name = stream(name);
        block_on(store.truncate(&name, Version(before), ExpectedVersion::Any)).unwrap();
        let events = read_stream(&store, name.as_str()).unwrap();
        events
            .iter()
            .map(|event| event.version.get())
            .collect::<Vec<_>>()
    };
    assert_eq!(truncate("truncated", 4), [4, 5]);
    assert_eq!(truncate("truncated", 5), [5]);
    assert_eq!(truncate("user-ann", 2), (2..=60).collect::<Vec<_>>());
    assert_eq!(truncate("user-ann", 17), (17..=60).collect::<Vec<_>>());
    let large = stream("user-漢字 🙂");
    block_on(store.tombstone(&large, ExpectedVersion::Any)).unwrap();
    let positions: Vec<_> = read_log(&store)
        .unwrap()
        .iter()
        .map(|event| event.position)
        .collect();
    assert!(positions.is_sorted() && positions[0] > Position(11));
}

#[test]
fn a_store_of_format_1_without_entries_is_given_a_database_for_them() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1/data.mdb");
    let data = directory.path().join("data.mdb");
    fs::copy(fixture, &data).unwrap();
    let names_entries = || {
        let bytes = fs::read(&data).unwrap();
        bytes.windows(7).any(|window| window == b"entries")
    };
    assert!(!names_entries(), "the fixture is older than entries");
    let before = read_log(&LmdbStore::open(directory.path()).unwrap()).unwrap();
    assert!(names_entries(), "opening made the database");

    let store = LmdbStore::open(directory.path()).unwrap();
    assert!(read_entries(&store, &ReadEntries::prefix(b"")).is_empty());
    let change = EntryWrite::new().expect(b"key", None).put(b"key", b"value");
    block_on(store.write_entries(change)).unwrap();
    drop(store);
    let store = LmdbStore::open(directory.path()).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.get(b"key").unwrap(), Some(&b"value"[..]));
    assert_eq!(read_log(&store).unwrap(), before);
    let next = append(&store, "user-ann", vec![event("next")]).unwrap();
    assert_eq!(next.position, Some(Position(12)));
}

/// As it stands in the fixture.
const TIME_IN_FORMAT_2: &str = "2026-11-25T23:31:45.408411Z";
