//! Appends that change entries, while the map grows and while another process makes them too.
#![allow(clippy::unwrap_used)]

use crate::common::{
    child_directory, event, payloads, read_entries, read_stream, start_child, stream,
};
use midgard::store::{Append, AppendError, ExpectedVersion};
use midgard::store::{EntryWrite, ReadEntries};
use midgard::{LogId, Position, Store, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::path::Path;
use std::thread;

const MEBIBYTE: usize = 1 << 20;
/// How many numbers each of two processes counts.
const EACH: usize = 1000;

fn open_small(directory: &Path) -> LmdbStore {
    LmdbStore::options()
        .initial_map_size(MEBIBYTE)
        .durability(Durability::NoSync)
        .open(directory)
        .unwrap()
}

/// Appends the next number of a counter, if nobody else has it.
fn count_up(store: &LmdbStore, fill: &[u8]) -> bool {
    let before = read_entries(store, &ReadEntries::key(b"counter")).pop();
    let before = before.map(|(_, value)| String::from_utf8(value).unwrap());
    let last: u64 = before.as_ref().map_or(0, |before| before.parse().unwrap());
    let next = (last + 1).to_string();
    let count = EntryWrite::new()
        .expect(b"counter", before.as_ref().map(String::as_bytes))
        .expect(next.as_bytes(), None)
        .put(b"counter", next.as_bytes())
        .put(next.as_bytes(), fill);
    let append = Append::to(stream("counted"), ExpectedVersion::Any, [event(&next)]);
    match block_on(store.append(append.with_entries(count))) {
        Ok(_) => true,
        Err(AppendError::EntryChanged { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

fn has_counted(store: &LmdbStore, count: usize) {
    let wanted: Vec<_> = (1..=count).map(|number| number.to_string()).collect();
    assert!(payloads(&read_stream(store, "counted").unwrap()) == wanted);
    let entries = read_entries(store, &ReadEntries::prefix(b""));
    assert_eq!(
        entries.len(),
        count + 1,
        "one for each number, and one more"
    );
    let counter = read_entries(store, &ReadEntries::key(b"counter")).pop();
    assert_eq!(counter.unwrap().1, count.to_string().as_bytes());
}

#[test]
fn the_map_grows_with_appends_that_change_entries() {
    const THREADS: usize = 4;
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut made = 0;
                while made < 50 {
                    made += usize::from(count_up(&store, &[7; 50_000]));
                }
            });
        }
    });
    has_counted(&store, THREADS * 50);
    drop(store);
    has_counted(&open_small(directory.path()), THREADS * 50);
}

#[test]
fn an_append_whose_entries_are_larger_than_the_whole_map_is_made_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    let large = vec![7; MEBIBYTE];
    let change = (0..8_u8).fold(EntryWrite::new(), |change, key| {
        change.expect(&[key], None).put(&[key], &large)
    });
    let append = Append::to(stream("large"), ExpectedVersion::NoStream, [event("one")]);
    let append = append.with_entries(change);
    // What was written before the map was full was not taken for what others wrote.
    let first = block_on(store.append(append.clone())).unwrap();
    assert_eq!(first.version(), Version(1));
    assert_eq!(block_on(store.append(append)).unwrap(), first, "a retry");
    let entries = read_entries(&store, &ReadEntries::prefix(b""));
    assert_eq!(entries.len(), 8);
    assert!(entries.iter().all(|(_, value)| *value == large));
    assert_eq!(payloads(&read_stream(&store, "large").unwrap()), ["one"]);
}

/// Not a test of its own: what the other process does.
#[test]
fn child_counts() {
    let Some(directory) = child_directory() else {
        return;
    };
    count_to_the_end(&open_small(Path::new(&directory)));
}

fn count_to_the_end(store: &LmdbStore) {
    let mut made = 0;
    while made < EACH {
        made += usize::from(count_up(store, b"number"));
    }
}

#[test]
fn two_processes_count_one_entry_up_with_their_appends() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    let mut child = start_child("append_entries::child_counts", directory.path(), "");
    // It is at it.
    block_on(store.wait_past(LogId::MAIN, Position::ZERO)).unwrap();
    count_to_the_end(&store);
    assert!(child.wait().unwrap().success(), "the other counted too");
    has_counted(&store, 2 * EACH);
}
