//! Blocks of records that are damaged as a whole: what they had is an error with their position, never less without a word, and
//! no position is given twice.
#![allow(clippy::unwrap_used)]

use crate::common::{append, event, open_unsynced, patch, problems, read_stream, stream, verify};
use midgard::store::EntryWrite;
use midgard::store::{AppendError, ReadLog, ReadStream, StoreError};
use midgard::{LogId, Position, Store, Version, block_on};
use midgard_store_lmdb::LmdbStore;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

const PAGE: usize = 4096;
/// The events of the block, behind one event of another stream. They fill two pages but for a sixteenth, as a block does, and leave
/// some of that: a record is a few bytes longer when it is written long after its event was made, as on a machine that is busy.
const EVENTS: u64 = 81;
const FIRST: Position = Position(2);

/// A store with a block of records, at the end of its log or with one more record behind it.
fn with_block(directory: &Path, is_last: bool) {
    let store = open_unsynced(directory);
    append(&store, "before", vec![event("1")]).unwrap();
    let events = (0..EVENTS).map(|_| event("x".repeat(40))).collect();
    append(&store, "block", events).unwrap();
    if !is_last {
        append(&store, "after", vec![event("1")]).unwrap();
    }
}

/// What a block begins with: how many records it has, and where the first one ends.
fn count_and_end(directory: &Path) -> [u8; 4] {
    let bytes = fs::read(directory.join("data.mdb")).unwrap();
    // The only long value, which has pages of its own.
    let mut pages = bytes.chunks_exact(PAGE).skip(2);
    let page = pages.find(|page| page[10] == 4).unwrap();
    page[16..20].try_into().unwrap()
}

/// Makes zeros of all long values, and leaves what LMDB says of their pages.
fn zero_block(directory: &Path) {
    let file = directory.join("data.mdb");
    let mut bytes = fs::read(&file).unwrap();
    let starts = (2..bytes.len() / PAGE).filter(|page| bytes[page * PAGE + 10] == 4);
    for start in starts.collect::<Vec<_>>() {
        let at = start * PAGE;
        let pages = u32::from_le_bytes(bytes[at + 12..at + 16].try_into().unwrap());
        bytes[at + 16..at + pages as usize * PAGE].fill(0);
    }
    fs::write(file, bytes).unwrap();
}

fn is_corrupt(error: &StoreError, position: Position) -> bool {
    matches!(error, StoreError::Corrupt { position: at, .. } if *at == position)
}

/// The positions of what a read of the log shows, and where it was damaged.
fn positions(store: &LmdbStore, read: &ReadLog) -> (Vec<u64>, Option<Position>) {
    let mut seen = Vec::new();
    let read = block_on(store.read_log(read, &mut |event| {
        seen.push(event.position.get());
        ControlFlow::Continue(())
    }));
    let damaged = read.err().map(|error| match error {
        StoreError::Corrupt { position, .. } => position,
        error => panic!("{error}"),
    });
    (seen, damaged)
}

/// What it is called, and what does it to the store in a directory.
type Damage = (&'static str, fn(&Path));

fn damages() -> [Damage; 3] {
    [
        ("zeros", zero_block),
        ("fewer", |directory| {
            let old = count_and_end(directory);
            patch(directory, &old, &[old[0] - 1, old[1], old[2], old[3]]);
        }),
        ("more", |directory| {
            let old = count_and_end(directory);
            patch(directory, &old, &[old[0] + 1, old[1], old[2], old[3]]);
        }),
    ]
}

#[test]
fn a_damaged_block_is_an_error_for_all_who_read_it_and_no_position_is_given_twice() {
    for (damage, change) in damages() {
        for is_last in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            with_block(directory.path(), is_last);
            change(directory.path());
            let store = open_unsynced(directory.path());

            let (seen, damaged) = positions(&store, &ReadLog::forward());
            assert_eq!((seen, damaged), (vec![1], Some(FIRST)), "{damage}");
            // Reading on behind each position that is an error, and from the end.
            let mut from = FIRST;
            let seen = loop {
                let (seen, damaged) = positions(&store, &ReadLog::forward().after(from));
                match damaged {
                    Some(position) if seen.is_empty() && position > from => from = position,
                    damaged => {
                        assert_eq!(damaged, None, "{damage}");
                        break seen;
                    }
                }
            };
            let behind = EVENTS + 2;
            assert_eq!(seen, if is_last { vec![] } else { vec![behind] });
            let (back, damaged) = positions(&store, &ReadLog::backward());
            assert_eq!((back, damaged), (seen, Some(FIRST)), "{damage}");

            let last = block_on(store.last_position(LogId::MAIN));
            match is_last {
                true => assert!(is_corrupt(&last.unwrap_err(), FIRST), "{damage}"),
                false => assert_eq!(last.unwrap(), Position(behind)),
            }
            let read = ReadStream::forward(stream("block")).from(Version(7));
            block_on(store.read_stream(&read, &mut |_| ControlFlow::Continue(()))).unwrap_err();
            read_stream(&store, "before").unwrap_err();

            let found = verify(&store);
            assert_eq!(found.problems[0].position, Some(FIRST), "{damage}");
            let said = problems(&found);
            assert_eq!(
                said[0],
                "position 2: the block of records that begins with it is damaged"
            );
            assert_eq!(
                found.problem_count,
                if is_last { 1 } else { 2 },
                "{said:#?}"
            );

            // Whose the records were nobody knows: each stream that has no later one may have had them.
            for name in ["before", "block", "new"] {
                let error = append(&store, name, vec![event("2")]).unwrap_err();
                assert!(
                    matches!(&error, AppendError::Store(StoreError::Corrupt { .. })),
                    "{error}"
                );
            }
            block_on(store.write_entries(EntryWrite::new().put(b"key", b"value"))).unwrap();
            if !is_last {
                let appended = append(&store, "after", vec![event("2")]).unwrap();
                assert_eq!(appended.position, Some(Position(behind + 1)));
                assert_eq!(read_stream(&store, "after").unwrap().len(), 2);
            }
        }
    }
}

#[test]
fn behind_a_last_key_that_is_damaged_no_position_is_given_that_was_given_before() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    for _ in 0..100 {
        append(&store, "a", vec![event("1")]).unwrap();
    }
    drop(store);
    let file = directory.path().join("data.mdb");
    let sound = fs::read(&file).unwrap();
    let key = |position: u64| [&[8, 0][..], &position.to_be_bytes()].concat();
    // Less than those before it; so large that there is nothing behind it.
    for damaged in [100 ^ 64, u64::MAX] {
        patch(directory.path(), &key(100), &key(damaged));
        let store = open_unsynced(directory.path());
        let error = append(&store, "b", vec![event("1")]).unwrap_err();
        assert!(
            matches!(&error, AppendError::Store(error) if is_corrupt(error, Position(damaged))),
            "{error}"
        );
        assert!(!verify(&store).is_sound());
        store.statistics(|_| ControlFlow::Continue(())).ok();
        drop(store);
        fs::write(&file, &sound).unwrap();
    }
    let store = open_unsynced(directory.path());
    let appended = append(&store, "a", vec![event("1")]).unwrap();
    assert_eq!(appended.position, Some(Position(101)));
}
