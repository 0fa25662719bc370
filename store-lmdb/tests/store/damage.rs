//! Files that are damaged, of another program, or of a newer release: a sentence, and never a wrong event.
#![allow(clippy::unwrap_used)]

use crate::common::{append, event, events, patch, read_log, read_stream, stream};
use midgard::event::{NewEvent, RecordedEventRef};
use midgard::store::{
    Append, AppendCondition, AppendError, ExpectedVersion, Query, ReadLog, ReadStream, StoreError,
};
use midgard::{Place, Position, Store, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

fn three_events(directory: &Path) {
    let store = LmdbStore::open(directory).unwrap();
    append(
        &store,
        "a",
        vec![
            event("\"intact\""),
            event("\"DAMAGE-ME\""),
            event("\"later\""),
        ],
    )
    .unwrap();
}

#[test]
fn a_damaged_record_is_an_error_with_its_position_and_stream() {
    let directory = tempfile::tempdir().unwrap();
    three_events(directory.path());
    patch(directory.path(), b"DAMAGE-ME", b"DAMAGE-NE");

    let store = LmdbStore::open(directory.path()).unwrap();
    let error = read_stream(&store, "a").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the record at position 2 of log 0 (stream \"a\") is damaged: the checksum of its payload does not match; \
         restore it from a backup"
    );
    assert!(matches!(
        error,
        StoreError::Corrupt {
            position: Position(2),
            ..
        }
    ));

    // The log names the position; the events before it were visited, and one can read on after it.
    let mut seen = Vec::new();
    let mut visit = |event: RecordedEventRef<'_>| {
        seen.push(event.position.get());
        ControlFlow::Continue(())
    };
    let error = block_on(store.read_log(&ReadLog::forward(), &mut visit)).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Corrupt {
                position: Position(2),
                ..
            }
        ),
        "{error}"
    );
    block_on(store.read_log(&ReadLog::forward().after(Position(2)), &mut visit)).unwrap();
    assert_eq!(seen, [1, 3]);
}

#[test]
fn a_damaged_size_of_pages_is_an_error_and_never_a_search_without_end() {
    // Where the second of LMDB's meta pages says how large pages are.
    const PAGE_SIZE_AT: usize = 4096 + 16 + 24;
    let mut errors = Vec::new();
    for appends in [2, 3] {
        let directory = tempfile::tempdir().unwrap();
        let store = LmdbStore::open(directory.path()).unwrap();
        for _ in 0..appends {
            // What LMDB takes for a meta page then has many pages.
            append(&store, "a", events(100, "1".repeat(228))).unwrap();
        }
        drop(store);
        let file = directory.path().join("data.mdb");
        let mut bytes = fs::read(&file).unwrap();
        assert_eq!(bytes[PAGE_SIZE_AT..][..4], 4096_u32.to_le_bytes());
        bytes[PAGE_SIZE_AT..][..4].copy_from_slice(&(96_u32 << 8).to_le_bytes());
        fs::write(&file, bytes).unwrap();
        errors.extend(LmdbStore::open(directory.path()).err());
    }
    // That page is the newer one in one of them.
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[test]
fn a_read_of_a_part_of_a_stream_fails_only_where_that_part_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    let event_of = |version: u64| match version {
        500 => NewEvent::json("damage.me", 1, b"0".to_vec()),
        version => event(version.to_string()),
    };
    append(&store, "a", (1..=600).map(event_of).collect()).unwrap();
    drop(store);
    patch(directory.path(), b"damage.me", b"damage.ne");

    let store = LmdbStore::open(directory.path()).unwrap();
    let read = |read: ReadStream, from: u64| {
        let mut versions = Vec::new();
        let read = read.from(Version(from)).limit(3);
        let mut visit = |event: RecordedEventRef<'_>| {
            versions.push(event.version.get());
            ControlFlow::Continue(())
        };
        block_on(store.read_stream(&read, &mut visit))?;
        Ok::<_, StoreError>(versions)
    };
    let (forward, backward) = (ReadStream::forward, ReadStream::backward);
    assert_eq!(read(forward(stream("a")), 497).unwrap(), [497, 498, 499]);
    assert_eq!(read(backward(stream("a")), 499).unwrap(), [499, 498, 497]);
    assert_eq!(read(backward(stream("a")), 503).unwrap(), [503, 502, 501]);
    for error in [
        read(forward(stream("a")), 498).unwrap_err(),
        read(backward(stream("a")), 500).unwrap_err(),
        read(backward(stream("a")), 502).unwrap_err(),
    ] {
        let position = Position(500);
        assert!(
            matches!(error, StoreError::Corrupt { position: at, .. } if at == position),
            "{error}"
        );
    }
}

#[test]
fn appends_go_on_next_to_an_event_with_a_damaged_payload() {
    let directory = tempfile::tempdir().unwrap();
    three_events(directory.path());
    patch(directory.path(), b"DAMAGE-ME", b"DAMAGE-NE");
    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store, "b", vec![event("1")]).unwrap();
    append(&store, "b", vec![event("2")]).unwrap();
    assert_eq!(read_stream(&store, "b").unwrap().len(), 2);
    // Its header is intact, so its stream is known, and that none of the new events is a retry of it.
    append(&store, "a", vec![event("3")]).unwrap();
    let error = read_stream(&store, "a").unwrap_err();
    assert!(is_corrupt(&error, 2), "{error}");
    let later = ReadStream::forward(stream("a")).from(Version(3));
    let mut versions = Vec::new();
    let mut visit = |event: RecordedEventRef<'_>| {
        versions.push(event.version.get());
        ControlFlow::Continue(())
    };
    block_on(store.read_stream(&later, &mut visit)).unwrap();
    assert_eq!(versions, [3, 4]);
}

fn is_corrupt(error: &StoreError, position: u64) -> bool {
    matches!(error, StoreError::Corrupt { position: at, .. } if *at == Position(position))
}

/// The streams `before`, `damaged` and `after`, of one event each, and the header of the second is damaged.
fn damaged_header(directory: &Path) -> LmdbStore {
    let store = LmdbStore::open(directory).unwrap();
    for (name, what) in [("before", "this"), ("damaged", "that"), ("after", "else")] {
        let event = NewEvent::json(format!("{what}.happened"), 1, b"{}".to_vec());
        append(&store, name, vec![event]).unwrap();
    }
    drop(store);
    patch(directory, b"that.happened", b"that.happenee");
    LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory)
        .unwrap()
}

#[test]
fn an_event_of_which_cannot_be_told_whose_it_is_may_be_of_any_stream_that_has_no_later_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = damaged_header(directory.path());
    for name in ["before", "damaged", "new"] {
        let error = read_stream(&store, name).unwrap_err();
        assert!(is_corrupt(&error, 2), "{error}");
        let error = append(&store, name, vec![event("1")]).unwrap_err();
        assert!(
            matches!(&error, AppendError::Store(error) if is_corrupt(error, 2)),
            "{error}"
        );
    }
    append(&store, "after", vec![event("1")]).unwrap();
    assert_eq!(read_stream(&store, "after").unwrap().len(), 2);
}

#[test]
fn an_append_to_a_damaged_stream_fails_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = damaged_header(directory.path());
    let append = |name| {
        let append = Append::to(stream(name), ExpectedVersion::Any, [event("x")]);
        store.append(append)
    };
    for _ in 0..200 {
        let (before, damaged, after) = block_on(async {
            futures_util::join!(append("after"), append("damaged"), append("after"))
        });
        damaged.unwrap_err();
        before.unwrap();
        after.unwrap();
    }
}

#[test]
fn a_retry_whose_first_record_is_lost_is_an_error_and_not_appended_again() {
    let directory = tempfile::tempdir().unwrap();
    let events: Vec<_> = ["1", "2", "3"].map(event).into();
    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store, "a", events.clone()).unwrap();
    append(&store, "b", vec![event("4")]).unwrap();
    drop(store);
    // The length of a key, and the key. Where the second record was there is nothing now.
    let key = |position: u64| [&8_u16.to_le_bytes()[..], &position.to_be_bytes()].concat();
    patch(directory.path(), &key(2), &key(1 << 40));
    let store = LmdbStore::open(directory.path()).unwrap();
    let error = append(&store, "a", vec![events[1].clone()]).unwrap_err();
    assert!(
        matches!(error, AppendError::Store(StoreError::Corrupt { .. })),
        "{error}"
    );
    read_stream(&store, "a").unwrap_err();
    read_log(&store).unwrap_err();
}

#[test]
fn a_damaged_record_at_the_end_of_the_log_stands_in_no_ones_way() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store, "a", vec![event("\"DAMAGE-ME\"")]).unwrap();
    drop(store);
    patch(directory.path(), b"DAMAGE-ME", b"DAMAGE-NE");
    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store, "b", vec![event("1")]).unwrap();
    assert_eq!(read_stream(&store, "b").unwrap().len(), 1);
}

#[test]
fn a_record_that_denies_its_pieces_keeps_no_one_from_opening_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store, "a", vec![event("x".repeat(2_500))]).unwrap();
    append(&store, "b", vec![event("1")]).unwrap();
    drop(store);
    // Its key, its checksum, its format and kind, and its flags.
    let file = directory.path().join("data.mdb");
    let mut bytes = fs::read(&file).unwrap();
    let begins = |at: &usize| bytes[*at..].starts_with(&1_u64.to_be_bytes());
    let is_split = |at: &usize| bytes[at + 12] == 0x20 && bytes[at + 13] & 0x40 != 0;
    let places: Vec<_> = (0..bytes.len() - 14)
        .filter(|at| begins(at) && is_split(at))
        .collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at + 13] ^= 0x40);
    fs::write(&file, bytes).unwrap();

    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store, "b", vec![event("2")]).unwrap();
    assert_eq!(read_stream(&store, "b").unwrap().len(), 2);
    assert!(is_corrupt(&read_stream(&store, "a").unwrap_err(), 1));
    let verification = store.verify(|_| ControlFlow::Continue(())).unwrap();
    assert_eq!(verification.problems[0].position, Some(Position(1)));
}

#[test]
fn a_block_that_seems_to_begin_before_the_log_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    let events = (0..100).map(|_| event("x".repeat(70))).collect();
    append(&store, "a", events).unwrap();
    append(&store, "b", vec![event("1")]).unwrap();
    drop(store);
    // The length of a key, and the key.
    let key = |position: u64| [&[9, 0][..], &position.to_be_bytes(), &[0]].concat();
    patch(directory.path(), &key(1), &key(0));
    let store = LmdbStore::open(directory.path()).unwrap();
    let unless = AppendCondition {
        query: Query::all(),
        after: Place::START,
    };
    let append = Append::to(stream("b"), Version(1), [event("2")]).unless(unless);
    let error = block_on(store.append(append)).unwrap_err();
    assert!(
        matches!(&error, AppendError::Store(error) if is_corrupt(error, 1)),
        "{error}"
    );
    block_on(store.append(Append::to(stream("b"), Version(1), [event("2")]))).unwrap();
}

#[test]
fn a_record_that_names_another_stream_is_never_taken_for_an_event_of_this_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store, "stream-aaaa", vec![event("1")]).unwrap();
    append(&store, "stream-bbbb", vec![event("2")]).unwrap();
    drop(store);
    // Both the records and the keys of the streams change, so only the checksum can tell.
    patch(directory.path(), b"stream-aaaa", b"stream-aaab");
    let store = LmdbStore::open(directory.path()).unwrap();
    assert!(matches!(
        read_stream(&store, "stream-aaab"),
        Err(StoreError::Corrupt { .. })
    ));
    assert_eq!(read_stream(&store, "stream-bbbb").unwrap().len(), 1);
}

#[test]
fn a_store_of_a_newer_format_is_refused_with_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    three_events(directory.path());
    patch(directory.path(), b"format\x02\0\0\0", b"format\x07\0\0\0");
    let error = LmdbStore::open(directory.path()).unwrap_err();
    assert!(matches!(
        error,
        StoreError::NewerFormat {
            found: 7,
            supported: 2,
            ..
        }
    ));
    let path = directory.path().canonicalize().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "the store at {} has format 7; this release reads formats 1 to 2: use the release that wrote it, or a newer one",
            path.display()
        )
    );
    patch(directory.path(), b"format\x07\0\0\0", b"format\x02\0\0\0");
    assert_eq!(
        read_log(&LmdbStore::open(directory.path()).unwrap())
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn a_file_that_was_cut_off_is_an_error_and_ends_no_process() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    for _ in 0..200 {
        append(&store, "a", vec![event("x".repeat(10_000))]).unwrap();
    }
    drop(store);
    let path = directory.path().join("data.mdb");
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    let read = LmdbStore::open(directory.path()).and_then(|store| read_log(&store));
    read.unwrap_err();
}

#[test]
fn a_database_that_was_lost_is_not_made_again_empty() {
    let directory = tempfile::tempdir().unwrap();
    three_events(directory.path());
    patch(directory.path(), b"\x03\0log", b"\x03\0lpg");
    let error = LmdbStore::open(directory.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store could not open its databases: the database \"log\" is missing; restore the store \
         from a backup"
    );
}

#[test]
fn another_id_than_the_stores_own_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    three_events(directory.path());
    let bytes = fs::read(directory.path().join("data.mdb")).unwrap();
    // The length of the name, the name, and what stands there.
    let fact = bytes.windows(6).find(|fact| fact.starts_with(b"\x02\0id"));
    let [.., first, second] = fact.unwrap() else {
        panic!("there is no id");
    };
    let [old, new] = [[*first, *second], [*first, !second]].map(|two| {
        let mut fact = b"\x02\0id".to_vec();
        fact.extend(two);
        fact
    });
    patch(directory.path(), &old, &new);
    let error = LmdbStore::open(directory.path()).unwrap_err();
    assert!(
        error.to_string().contains("the id of the store is damaged"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_not_lmdb_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("data.mdb"),
        "not a database, but a text ".repeat(1000),
    )
    .unwrap();
    let error = LmdbStore::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
}

#[test]
fn an_lmdb_environment_of_another_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    three_events(directory.path());
    // Without the database that describes the store, the others are somebody else's.
    patch(directory.path(), b"midgard", b"misgard");
    let error = LmdbStore::open(directory.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it is an LMDB environment of another program"),
        "{error}"
    );
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_with_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let error = LmdbStore::open(file.join("store")).unwrap_err().to_string();
    assert!(
        error.contains("could not create its directory") && error.contains("file/store"),
        "{error}"
    );
}
