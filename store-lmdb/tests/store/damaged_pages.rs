//! Pages of LMDB that are damaged: who needs what is on them gets an error, and all others go on.
#![allow(clippy::unwrap_used)]

use crate::common::{append, event, fill, open_unsynced, read_entries, read_log, stream, verify};
use futures_util::future::join_all;
use midgard::store::{Append, ExpectedVersion, ReadStream};
use midgard::store::{EntryWrite, ReadEntries};
use midgard::{Store, Version, block_on};
use midgard_store_lmdb::LmdbStore;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

const PAGE: usize = 4096;
const LEAF: u16 = 2;

/// Says of each leaf whose first key is as wanted that it is no page of a tree. There is at least one.
fn damage_leaves(directory: &Path, is_wanted: impl Fn(&[u8]) -> bool) {
    damage_leaves_with(directory, |key, _| is_wanted(key));
}

/// As [`damage_leaves`], with the length of the first value.
fn damage_leaves_with(directory: &Path, is_wanted: impl Fn(&[u8], usize) -> bool) {
    let file = directory.join("data.mdb");
    let mut bytes = fs::read(&file).unwrap();
    let mut damaged = 0;
    for page in bytes.chunks_exact_mut(PAGE).skip(2) {
        let number = |page: &[u8], at: usize| u16::from_le_bytes([page[at], page[at + 1]]);
        let keys = usize::from(number(page, 12)).saturating_sub(16) / 2;
        let node = usize::from(number(page, 16));
        if number(page, 10) != LEAF || keys == 0 || node + 8 > PAGE {
            continue;
        }
        let length = usize::from(number(page, node + 6));
        let key = page.get(node + 8..node + 8 + length).unwrap_or_default();
        let value = usize::from(number(page, node)) | usize::from(number(page, node + 2)) << 16;
        if is_wanted(key, value) {
            page[10..12].fill(0);
            damaged += 1;
        }
    }
    assert!(damaged > 0, "there is no such leaf");
    fs::write(file, bytes).unwrap();
}

/// Keys of the index are the number of a run, and of a part.
fn is_of_index(key: &[u8]) -> bool {
    key.len() == 12 && key.starts_with(&[0; 4])
}

fn numbered(count: usize) -> Vec<midgard::event::NewEvent> {
    (0..count).map(|number| event(number.to_string())).collect()
}

#[test]
fn a_damaged_page_of_the_index_keeps_no_other_stream_from_being_appended_to() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    append(&store, "old", vec![event("1")]).unwrap();
    fill(&store, "s", 500, 70);
    append(&store, "new", vec![event("1")]).unwrap();
    drop(store);
    damage_leaves(directory.path(), is_of_index);

    let store = open_unsynced(directory.path());
    // Where this stream ends is on a page of the index that cannot be read: it fails alone, whatever it is written with.
    for _ in 0..20 {
        let append = |name| {
            let append = Append::to(stream(name), ExpectedVersion::Any, [event("x")]);
            store.append(append)
        };
        let names = ["new", "old", "s-1", "old", "s-2"];
        let outcomes = block_on(join_all(names.map(append)));
        let are_done: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(are_done, [true, false, true, false, true]);
    }
    // So much that the index would be merged, more than once.
    for _ in 0..80 {
        append(&store, "s-3", numbered(1_000)).unwrap();
    }
    assert_eq!(read_log(&store).unwrap().len(), 35_002 + 60 + 80_000);
    let state = block_on(store.stream_state(&stream("s-3"))).unwrap();
    assert_eq!(state.last, Version(80_070));
    block_on(store.stream_state(&stream("old"))).unwrap_err();
    let found = verify(&store);
    assert!(!found.is_sound());
    drop(store);

    let store = open_unsynced(directory.path());
    let appended = append(&store, "s-3", vec![event("1")]).unwrap();
    assert_eq!(appended.version(), Version(80_071));
}

#[test]
fn damaged_pages_of_the_versions_in_the_index_keep_no_one_from_appending() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    append(&store, "old", vec![event("1")]).unwrap();
    fill(&store, "s", 500, 70);
    drop(store);
    let lengths = [500, 501].map(|entries: usize| entries * 4 + entries.div_ceil(10) * 4);
    damage_leaves_with(directory.path(), |key, length| {
        is_of_index(key) && lengths.contains(&length)
    });

    let store = open_unsynced(directory.path());
    // The version is known from the last record, and so is that another one is wrong.
    for version in [1, 2, 3] {
        for expected in [version - 1, version + 1] {
            let append = Append::to(stream("old"), Version(expected), [event("x")]);
            block_on(store.append(append)).unwrap_err();
        }
        let append = Append::to(stream("old"), Version(version), [event("x")]);
        block_on(store.append(append)).unwrap();
    }
    // So much that the index would be merged, more than once.
    for _ in 0..80 {
        append(&store, "s-3", numbered(1_000)).unwrap();
    }
    let state = block_on(store.stream_state(&stream("s-3"))).unwrap();
    assert_eq!(state.last, Version(80_070));
    assert!(!verify(&store).is_sound());
    drop(store);

    let store = open_unsynced(directory.path());
    let appended = append(&store, "old", vec![event("1")]).unwrap();
    assert_eq!(appended.version(), Version(5));
}

#[test]
fn a_damaged_page_of_what_was_removed_keeps_no_one_from_opening_the_store_and_appending() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    append(&store, "before", vec![event("1")]).unwrap();
    append(&store, "a", numbered(20)).unwrap();
    block_on(store.truncate(&stream("a"), Version(11), ExpectedVersion::Any)).unwrap();
    append(&store, "b", vec![event("1")]).unwrap();
    drop(store);
    // The only leaf whose first key is the first position that was removed; the log has none there.
    damage_leaves(directory.path(), |key| key == 2_u64.to_be_bytes());

    let store = open_unsynced(directory.path());
    // Who expects any version is compared with the last events of the log, and those cannot all be told.
    for (name, version) in [("a", 20), ("b", 1)] {
        let append = Append::to(stream(name), Version(version), [event("2")]);
        block_on(store.append(append)).unwrap();
    }
    let read = ReadStream::forward(stream("a")).from(Version(11));
    let mut events = 0;
    block_on(store.read_stream(&read, &mut |_| {
        events += 1;
        ControlFlow::Continue(())
    }))
    .unwrap();
    assert_eq!(events, 11);
    // What is not there may be missing, and may have been of this stream.
    let append = Append::to(stream("before"), Version(1), [event("2")]);
    block_on(store.append(append)).unwrap_err();
    read_log(&store).unwrap_err();
    let name = stream("a");
    let truncate = store.truncate(&name, Version(12), ExpectedVersion::Any);
    let (truncated, appended) = block_on(async {
        let append = Append::to(stream("b"), Version(2), [event("3")]);
        futures_util::join!(truncate, store.append(append))
    });
    truncated.unwrap_err();
    appended.unwrap();
    assert!(!verify(&store).is_sound());
}

fn entries(store: &LmdbStore) -> usize {
    read_entries(store, &ReadEntries::prefix(b"entry-")).len()
}

#[test]
fn a_damaged_page_of_entries_keeps_no_one_from_appending() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    for number in 0..500 {
        let key = format!("entry-{number:03}");
        let write = EntryWrite::new().put(key.as_bytes(), &[7; 100]);
        block_on(store.write_entries(write)).unwrap();
    }
    append(&store, "a", vec![event("1")]).unwrap();
    assert_eq!(entries(&store), 500);
    drop(store);
    damage_leaves(directory.path(), |key| {
        key > &b"entry-200"[..] && key < &b"entry-300"[..]
    });

    let store = open_unsynced(directory.path());
    for round in 0..20 {
        let damaged = EntryWrite::new().put(b"entry-250", b"new");
        let sound = EntryWrite::new().put(b"entry-001", &[round]);
        let append = Append::to(stream("a"), ExpectedVersion::Any, [event("2")]);
        let (damaged, sound, appended) = block_on(async {
            futures_util::join!(
                store.write_entries(damaged),
                store.write_entries(sound),
                store.append(append)
            )
        });
        damaged.unwrap_err();
        sound.unwrap();
        appended.unwrap();
        let key = ReadEntries::key(b"entry-001");
        assert_eq!(read_entries(&store, &key)[0].1, [round]);
    }
}
