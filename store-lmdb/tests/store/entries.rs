//! Entries read in snapshots, in bounded batches, and while the map grows.
#![allow(clippy::unwrap_used)]

use crate::common::{append, event, read_entries};
use midgard::store::{Direction, Full, StoreError};
use midgard::store::{EmbeddedStore, EntrySnapshot, EntryWrite, ReadEntries};
use midgard::{MemoryStore, Store, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const MEBIBYTE: usize = 1 << 20;

fn open_fast(directory: &Path) -> LmdbStore {
    LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory)
        .unwrap()
}

fn open_small(directory: &Path) -> LmdbStore {
    LmdbStore::options()
        .initial_map_size(MEBIBYTE)
        .durability(Durability::NoSync)
        .open(directory)
        .unwrap()
}

fn write(store: &impl Store, write: EntryWrite) {
    block_on(store.write_entries(write)).unwrap();
}

/// The keys that a scan gives, between two bounds.
fn scan(
    snapshot: &dyn EntrySnapshot,
    from: Bound<&[u8]>,
    to: Bound<&[u8]>,
    direction: Direction,
) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    snapshot
        .scan(from, to, direction, &mut |key, _| {
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        })
        .unwrap();
    keys
}

#[test]
fn a_scan_of_any_range_is_that_of_an_ordered_map() {
    let directory = tempfile::tempdir().unwrap();
    let (lmdb, memory) = (open_fast(directory.path()), MemoryStore::new());
    let keys: &[&[u8]] = &[
        b"\0",
        b"\0\0",
        b"a",
        b"a\0",
        b"a\0b",
        b"aa",
        b"ab",
        b"b",
        b"\xfe\xff",
        b"\xff",
        b"\xff\xff",
    ];
    let all = keys
        .iter()
        .step_by(2)
        .fold(EntryWrite::new(), |all, key| all.put(key, b"value"));
    write(&lmdb, all.clone());
    write(&memory, all);
    let (lmdb, memory) = (lmdb.snapshot().unwrap(), memory.snapshot().unwrap());
    let long = [b'a'; 1000];
    let ends = || {
        let ends = keys.iter().copied().chain([&b""[..], &long]);
        ends.flat_map(|key| [Bound::Included(key), Bound::Excluded(key)])
            .chain([Bound::Unbounded])
    };
    for from in ends() {
        for to in ends() {
            for direction in [Direction::Forward, Direction::Backward] {
                assert_eq!(
                    scan(&*lmdb, from, to, direction),
                    scan(&*memory, from, to, direction),
                    "from {from:?} to {to:?}, {direction:?}"
                );
            }
        }
    }
    for key in keys.iter().copied().chain([&b""[..], &long]) {
        assert_eq!(lmdb.get(key).unwrap(), memory.get(key).unwrap(), "{key:?}");
    }
}

#[test]
fn a_scan_ends_when_its_visitor_breaks() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_fast(directory.path());
    write(&store, EntryWrite::new().put(b"a", b"1").put(b"b", b"2"));
    let snapshot = store.snapshot().unwrap();
    for (direction, first) in [(Direction::Forward, b"a"), (Direction::Backward, b"b")] {
        let mut seen = Vec::new();
        let (from, to) = (Bound::Unbounded, Bound::Unbounded);
        snapshot
            .scan(from, to, direction, &mut |key, _| {
                seen.push(key.to_vec());
                ControlFlow::Break(())
            })
            .unwrap();
        assert_eq!(seen, [first.to_vec()]);
    }
}

#[test]
fn a_snapshot_stays_as_it_was_while_writes_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_fast(directory.path());
    write(
        &store,
        EntryWrite::new().put(b"kept", b"1").put(b"gone", b"1"),
    );
    let before = store.snapshot().unwrap();
    for round in 0..200u32 {
        let value = round.to_be_bytes().repeat(1000);
        write(
            &store,
            EntryWrite::new().put(b"kept", &value).put(&value[..4], b""),
        );
    }
    write(&store, EntryWrite::new().remove(b"gone"));
    let after = store.snapshot().unwrap();
    // It is read on another thread than it was made on.
    thread::spawn(move || {
        assert_eq!(before.get(b"kept").unwrap(), Some(&b"1"[..]));
        let (from, to) = (Bound::Unbounded, Bound::Unbounded);
        let keys = scan(&*before, from, to, Direction::Forward);
        assert_eq!(keys, [b"gone", b"kept"]);
    })
    .join()
    .unwrap();
    assert_eq!(after.get(b"gone").unwrap(), None);
    let (from, to) = (Bound::Unbounded, Bound::Unbounded);
    assert_eq!(scan(&*after, from, to, Direction::Backward).len(), 201);
}

#[test]
fn a_snapshot_sees_whole_writes_only() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_fast(directory.path());
    let all = |value: u32| {
        (0..50u32).fold(EntryWrite::new(), |all, key| {
            all.put(&key.to_be_bytes(), &value.to_be_bytes())
        })
    };
    write(&store, all(0));
    let written = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for value in 1..=300 {
                write(&store, all(value));
            }
            written.store(true, Ordering::Release);
        });
        let mut last = Vec::new();
        while !written.load(Ordering::Acquire) {
            let snapshot = store.snapshot().unwrap();
            let mut values = Vec::new();
            let (from, to) = (Bound::Unbounded, Bound::Unbounded);
            snapshot
                .scan(from, to, Direction::Forward, &mut |_, value| {
                    values.push(value.to_vec());
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(values.len(), 50);
            assert!(values.iter().all(|value| *value == values[0]));
            assert!(values[0] >= last, "a later snapshot is no older");
            last.clone_from(&values[0]);
        }
    });
}

#[test]
fn a_snapshot_keeps_the_store_open() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_fast(directory.path());
    write(&store, EntryWrite::new().put(b"key", b"value"));
    let snapshot = store.snapshot().unwrap();
    drop(store);
    assert_eq!(snapshot.get(b"key").unwrap(), Some(&b"value"[..]));
    let again = open_fast(directory.path());
    write(&again, EntryWrite::new().put(b"key", b"other"));
    drop(again);
    assert_eq!(snapshot.get(b"key").unwrap(), Some(&b"value"[..]));
    drop(snapshot);
    let again = open_fast(directory.path());
    assert_eq!(
        read_entries(&again, &ReadEntries::key(b"key"))[0].1,
        b"other"
    );
}

#[test]
fn no_slot_for_a_snapshot_says_how_many_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::options()
        .max_readers(1)
        .open(directory.path())
        .unwrap();
    let held = store.snapshot().unwrap();
    let Err(error) = store.snapshot() else {
        panic!("there is no slot for a second one");
    };
    assert!(matches!(
        error,
        StoreError::Full(Full::Readers { slots: 1 })
    ));
    write(&store, EntryWrite::new().put(b"key", b"value"));
    drop(held);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.get(b"key").unwrap(), Some(&b"value"[..]));
}

#[test]
fn many_and_large_entries_are_read_in_several_batches() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_fast(directory.path());
    let mut all = EntryWrite::new();
    for number in 0..5000u32 {
        all = all.put(&number.to_be_bytes(), &[]);
    }
    let large = vec![7; 3 * MEBIBYTE];
    for number in 5000..5008u32 {
        all = all.put(&number.to_be_bytes(), &large);
    }
    write(&store, all);
    let read = read_entries(&store, &ReadEntries::prefix(b""));
    let keys = read.iter().map(|(key, _)| key.clone());
    assert!(keys.eq((0..5008u32).map(|number| number.to_be_bytes().to_vec())));
    assert!(read[5000..].iter().all(|(_, value)| *value == large));
    let some = ReadEntries::prefix(b"")
        .after(&5u32.to_be_bytes())
        .limit(2000);
    let read = read_entries(&store, &some);
    assert_eq!(read.len(), 2000);
    assert_eq!(read[1999].0, 2005u32.to_be_bytes());
}

#[test]
fn a_read_goes_on_after_what_was_removed_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_fast(directory.path());
    let keys = (0..3000u32).map(u32::to_be_bytes);
    let all = keys
        .clone()
        .fold(EntryWrite::new(), |all, key| all.put(&key, b""));
    write(&store, all);
    let mut seen = Vec::new();
    block_on(
        store.read_entries(&ReadEntries::prefix(b""), &mut |key, _| {
            seen.push(key.to_vec());
            // The last of the first batch, from which the next goes on.
            if seen.len() == 1024 {
                let around = keys.clone().skip(1000).take(100);
                write(
                    &store,
                    around.fold(EntryWrite::new(), |all, key| all.remove(&key)),
                );
            }
            ControlFlow::Continue(())
        }),
    )
    .unwrap();
    let left = keys
        .enumerate()
        .filter(|(at, _)| !(1024..1100).contains(at));
    assert!(seen.into_iter().eq(left.map(|(_, key)| key.to_vec())));
}

#[test]
fn the_map_grows_with_entries_while_others_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    write(&store, EntryWrite::new().put(b"first", b"kept"));
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..200u32 {
                let value = vec![number as u8; 100_000];
                write(&store, EntryWrite::new().put(&number.to_be_bytes(), &value));
            }
        });
        while !writer.is_finished() {
            let snapshot = store.snapshot().unwrap();
            assert_eq!(snapshot.get(b"first").unwrap(), Some(&b"kept"[..]));
        }
    });
    drop(store);
    let store = LmdbStore::open(directory.path()).unwrap();
    let all = read_entries(&store, &ReadEntries::prefix(b"\0"));
    assert_eq!(all.len(), 200);
    for (number, (key, value)) in all.iter().enumerate() {
        assert_eq!(*key, (number as u32).to_be_bytes());
        assert_eq!(*value, vec![number as u8; 100_000]);
    }
}

#[test]
fn one_change_larger_than_the_whole_map_goes_through() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    let value = vec![1; 5 * MEBIBYTE];
    let change = EntryWrite::new()
        .expect(b"a", None)
        .put(b"a", &value)
        .put(b"b", &value);
    write(&store, change);
    let all = read_entries(&store, &ReadEntries::prefix(b""));
    assert_eq!(
        all,
        [(b"a".to_vec(), value.clone()), (b"b".to_vec(), value)]
    );
}

#[test]
fn growing_the_map_waits_for_snapshots() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    write(&store, EntryWrite::new().put(b"key", b"value"));
    let snapshot = store.snapshot().unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let value = vec![1; 5 * MEBIBYTE];
            write(&store, EntryWrite::new().put(b"large", &value));
        });
        for _ in 0..100 {
            assert_eq!(snapshot.get(b"key").unwrap(), Some(&b"value"[..]));
            assert_eq!(snapshot.get(b"large").unwrap(), None);
            thread::yield_now();
        }
        assert!(!writer.is_finished(), "the snapshot is still held");
        drop(snapshot);
    });
    assert_eq!(read_entries(&store, &ReadEntries::prefix(b"")).len(), 2);
}

#[test]
fn entries_and_events_of_one_batch_fail_and_succeed_each_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    thread::scope(|scope| {
        for thread in 0..8u8 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..50u8 {
                    append(store, "a", vec![event("x")]).unwrap();
                    let change = EntryWrite::new()
                        .expect(&[thread, number], Some(b"never"))
                        .put(&[thread, number], b"wrong");
                    block_on(store.write_entries(change)).unwrap_err();
                    write(store, EntryWrite::new().put(&[thread, number], b"right"));
                }
            });
        }
    });
    assert_eq!(crate::common::read_stream(&store, "a").unwrap().len(), 400);
    let all = read_entries(&store, &ReadEntries::prefix(b""));
    assert_eq!(all.len(), 400);
    assert!(all.iter().all(|(_, value)| value == b"right"));
}
