//! The zeros ahead of the end of the file: nobody notices them.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use crate::common::process::LONG;
use crate::common::{Lines, append, child_directory, event, read_log, start_child};
use midgard_store_lmdb::LmdbStore;
use std::fs;
use std::path::Path;
use std::time::Instant;

fn length(directory: &Path) -> u64 {
    fs::metadata(directory.join("data.mdb")).unwrap().len()
}

#[test]
fn the_file_is_longer_while_it_is_written_and_not_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    // The zeros are cut off when nothing is written for a second, which may pass before the length is looked at.
    let end = Instant::now() + LONG;
    loop {
        append(&store, "a", vec![event("1")]).unwrap();
        let open = length(directory.path());
        if open >= 256 << 10 {
            break;
        }
        assert!(Instant::now() < end, "{open} bytes");
    }
    let events = read_log(&store).unwrap().len();
    drop(store);
    let closed = length(directory.path());
    assert!(closed <= 128 << 10, "{closed} bytes");
    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store, "a", vec![event("3")]).unwrap();
    assert_eq!(read_log(&store).unwrap().len(), events + 1);
}

/// Not a test of its own: opens the store, appends and closes it, again and again.
#[test]
fn child_opens_and_closes() {
    let Some(directory) = child_directory() else {
        return;
    };
    for round in 0..40 {
        let store = LmdbStore::open(&directory).unwrap();
        append(&store, "child", vec![event(round.to_string())]).unwrap();
    }
    println!("done");
}

#[test]
fn one_process_cuts_off_what_another_has_written_ahead() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    let mut child = start_child("prewritten::child_opens_and_closes", directory.path(), "");
    let mut events = 0;
    while child.try_wait().unwrap().is_none() {
        append(&store, "parent", crate::common::events(3, "x".repeat(3000))).unwrap();
        events += 3;
    }
    Lines::of(&mut child).next("done").unwrap();
    let log = read_log(&store).unwrap();
    let of = |name| {
        log.iter()
            .filter(|event| event.stream.as_str() == name)
            .count()
    };
    assert_eq!((of("child"), of("parent")), (40, events));
}
