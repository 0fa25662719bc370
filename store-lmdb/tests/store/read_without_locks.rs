//! Stores that are read where the lock file cannot be used: nobody may write meanwhile, and one who does is noticed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::process::{Process, told};
use crate::common::user::{chmod, unprivileged};
use crate::common::{append, child_directory, event, fill, payloads, read_stream};
use midgard::store::{Direction, ReadLog, StoreError};
use midgard::store::{EmbeddedStore, EntryWrite};
use midgard::{Store, block_on};
use midgard_store_lmdb::{LmdbStore, open_raw};
use std::fs;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use tempfile::TempDir;

/// A store whose data everybody may read.
fn made() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    chmod(directory.path(), 0o755);
    let store = LmdbStore::open(directory.path()).unwrap();
    chmod(directory.path().join("data.mdb"), 0o644);
    fill(&store, "user", 20, 20);
    let entries = EntryWrite::new().put(b"key", b"value");
    block_on(store.write_entries(entries)).unwrap();
    directory
}

fn read_only(directory: impl AsRef<Path>) -> Result<LmdbStore, StoreError> {
    LmdbStore::options().read_only().open(directory)
}

/// Not a test of its own: opens the store, and reads it, when it is told to.
#[test]
fn child_reads_when_told() {
    let Some(directory) = child_directory() else {
        return;
    };
    let mut store = None;
    while let Some(word) = told() {
        let said = match (&*word, &store) {
            ("open", _) => read_only(&directory).map(|opened| {
                store = Some(opened);
                "is open".to_owned()
            }),
            (name, Some(store)) => read_stream(store, name)
                .map(|events| format!("read {}", payloads(&events).join(" "))),
            _ => return,
        };
        println!("said {}", said.unwrap_or_else(|error| error.to_string()));
    }
}

#[test]
fn where_the_lock_file_cannot_be_used_nobody_may_write_and_one_who_does_is_noticed() {
    if child_directory().is_some() {
        return;
    }
    for lock_mode in [0o400, 0o444] {
        let directory = made();
        let path = directory.path();

        let open = || {
            chmod(path.join("lock.mdb"), 0o600);
            let store = LmdbStore::open(path).unwrap();
            chmod(path.join("lock.mdb"), lock_mode);
            store
        };
        let store = open();
        append(&store, "appended", vec![event("1")]).unwrap();
        let mut child = Process::start_in(
            unprivileged(),
            "read_without_locks::child_reads_when_told",
            path,
            &[],
        );
        let mut ask = |word: &str| {
            child.say(word);
            child.next("said ")
        };
        let others = "another process has it open, and cannot know of reads here, because this process cannot write to its \
        lock.mdb; give this process's user permission to write to that file, or read a backup";
        let place = path.canonicalize().unwrap();
        let refused = format!(
            "the store could not open it read-only: {}: {others}",
            place.display()
        );
        assert_eq!(ask("open"), refused);
        drop(store);
        assert_eq!(ask("open"), "is open");
        assert_eq!(ask("appended"), "read 1");
        // Nobody is kept out.
        let store = open();
        append(&store, "appended", vec![event("2")]).unwrap();
        let lost = format!(
            "the store at {} cannot be used any more: {others}",
            place.display()
        );
        assert_eq!(ask("appended"), lost);
        append(&store, "appended", vec![event("3")]).unwrap();
        drop(store);
        assert_eq!(ask("appended"), "read 1 2 3");
        // One that has no locks but those of LMDB, as an earlier release. They are seen where the file can be read.
        if lock_mode == 0o444 {
            let raw = open_raw(path).unwrap();
            assert_eq!(ask("appended"), lost);
            drop(raw);
            assert_eq!(ask("appended"), "read 1 2 3");
        }
    }
}

/// Not a test of its own: reads without locks, and lets others write in the middle.
#[test]
fn child_reads_while_others_write() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = read_only(&directory).unwrap();
    let pause = || {
        println!("in the middle");
        told().unwrap();
    };
    let snapshot = store.snapshot().unwrap();
    let mut paused = false;
    let read = block_on(store.read_log(&ReadLog::forward(), &mut |_| {
        if !std::mem::replace(&mut paused, true) {
            pause();
        }
        ControlFlow::Continue(())
    }));
    println!("said {}", read.unwrap_err());
    // The lock file that the other one has made is of no use here, either.
    assert!(read_only(&directory).is_ok());
    let target = tempfile::tempdir().unwrap();
    let backup = store.backup().to(target.path().join("backup"), |_| {
        pause();
        ControlFlow::Continue(())
    });
    println!("said {}", backup.unwrap_err());
    assert!(!target.path().join("backup").exists());
    // The other one has stayed.
    println!("said {}", snapshot.get(b"key").unwrap_err());
    let all = &mut |_: &[u8], _: &[u8]| ControlFlow::Continue(());
    let scanned = snapshot.scan(Bound::Unbounded, Bound::Unbounded, Direction::Forward, all);
    println!("said {}", scanned.unwrap_err());
}

#[test]
fn a_read_without_locks_during_which_others_wrote_is_an_error_though_they_are_gone() {
    if child_directory().is_some() {
        return;
    }
    let directory = made();
    let path = directory.path();

    fs::remove_file(path.join("lock.mdb")).unwrap();
    let mut child = Process::start_in(
        unprivileged(),
        "read_without_locks::child_reads_while_others_write",
        path,
        &[],
    );
    let write = || {
        let store = LmdbStore::open(path).unwrap();
        append(&store, "user-1", vec![event("{\"number\":1}")]).unwrap();
        store
    };
    for stays in [false, true] {
        child.next("in the middle");
        let store = Some(write()).filter(|_| stays);
        child.say("go on");
        for _ in 0..if stays { 3 } else { 1 } {
            let error = child.next("said ");
            assert!(
                error.contains("another process has it open, and"),
                "{error}"
            );
        }
        drop(store);
    }
    assert!(child.end().success());
}
