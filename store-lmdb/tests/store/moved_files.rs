//! Files that are moved, replaced, removed or read while a store is open: nothing is written into another store's files, and nothing
//! is acknowledged that cannot be found again.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::process::{LONG, Process, told};
use crate::common::{
    append, child_directory, event, open_unsynced, payloads, read_log, read_stream, stream,
};
use midgard::store::{AppendError, StoreError};
use midgard::{LogId, Position, Store, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

/// A directory with a store in it, and others beside it.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Place {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn open(&self, name: &str) -> LmdbStore {
        LmdbStore::open(self.path(name)).unwrap()
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }
}

#[track_caller]
fn append_one(store: &LmdbStore) {
    append(store, "a", vec![event("one")]).unwrap();
}

/// The reason for which an append is refused. The writer looks every ten milliseconds: what comes before is appended to where the
/// files are now.
#[track_caller]
fn refusal(store: &LmdbStore) -> String {
    let end = Instant::now() + LONG;
    while Instant::now() < end {
        match append(store, "b", vec![event("before")]) {
            Ok(_) => {}
            Err(AppendError::Store(error @ StoreError::Lost { .. })) => return error.to_string(),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("appends go on");
}

#[track_caller]
fn assert_says(error: &str, words: &str) {
    assert!(error.contains(words), "{error}");
}

/// Waits until reads notice it, too: they look once a second.
#[track_caller]
fn assert_reads_end(store: &LmdbStore, words: &str) {
    let end = Instant::now() + LONG;
    while Instant::now() < end {
        match block_on(store.last_position(LogId::MAIN)) {
            Ok(_) => thread::yield_now(),
            Err(error) => return assert_says(&error.to_string(), words),
        }
    }
    panic!("reads go on");
}

#[test]
fn a_backup_that_is_put_in_the_place_of_an_open_store_stays_as_it_is() {
    let place = Place::new();
    let source = place.open("source");
    for _ in 0..300 {
        append(&source, "a", vec![event("x".repeat(10_000))]).unwrap();
    }
    let to = place.path("backup");
    source
        .backup()
        .to(&to, |_| ControlFlow::Continue(()))
        .unwrap();
    let backup = fs::read(to.join("data.mdb")).unwrap();

    let store = place.open("data");
    place.rename("data", "away");
    place.rename("backup", "data");
    assert_says(
        &refusal(&store),
        "its data.mdb was replaced by another file",
    );
    assert_reads_end(&store, "its data.mdb was replaced by another file");
    // It is still open in this process, and LMDB must not be asked to open the path twice.
    let error = LmdbStore::open(place.path("data")).unwrap_err();
    assert_says(&error.to_string(), "is still open in this process");
    drop(store);
    assert!(fs::read(place.path("data/data.mdb")).unwrap() == backup);

    assert_eq!(read_log(&place.open("data")).unwrap().len(), 300);
    assert_eq!(read_stream(&place.open("away"), "a").unwrap(), []);
}

#[test]
fn a_store_that_is_moved_away_and_back_goes_on() {
    let place = Place::new();
    let store = place.open("here");
    append_one(&store);
    place.rename("here", "there");
    assert_says(
        &refusal(&store),
        "its files were moved away while it was open",
    );
    place.rename("there", "here");
    append_one(&store);
    assert_eq!(read_stream(&store, "a").unwrap().len(), 2);
}

/// Not a test of its own: a further process that appends when it is told to.
#[test]
fn child_appends_when_told() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::open(directory).unwrap();
    println!("child: opened");
    while let Some(count) = told() {
        for _ in 0..count.parse().unwrap() {
            append(&store, "a", vec![event("child")]).unwrap();
        }
        println!("child: appended {count}");
    }
}

#[test]
fn opening_a_moved_store_by_its_new_path_gives_up_no_locks() {
    let place = Place::new();
    let store = place.open("here");
    append_one(&store);
    place.rename("here", "there");
    let error = LmdbStore::open(place.path("there")).unwrap_err();
    assert_says(&error.to_string(), "its files were moved away");
    place.rename("there", "here");
    // Had the locks been given up, the process would begin with an empty table of locks.
    let mut other = Process::start(
        "moved_files::child_appends_when_told",
        &place.path("here"),
        &[],
    );
    other.next("child: opened");
    thread::scope(|scope| {
        scope.spawn(|| (0..200).for_each(|_| append_one(&store)));
        other.say("200");
        other.next("child: appended");
    });
    let events = read_stream(&store, "a").unwrap();
    assert_eq!(events.len(), 401);
    assert_eq!(events.last().unwrap().version, Version(401));
    assert!(
        store
            .verify(|_| ControlFlow::Continue(()))
            .unwrap()
            .is_sound()
    );
}

#[test]
fn one_store_has_many_paths_and_is_opened_once() {
    let place = Place::new();
    let store = place.open("here");
    symlink(place.path("here"), place.path("link")).unwrap();
    let linked = place.open("link");
    append_one(&linked);
    // Hard links make two directories of one store.
    fs::create_dir(place.path("twin")).unwrap();
    for name in ["data.mdb", "lock.mdb"] {
        let (from, to) = (place.path("here").join(name), place.path("twin").join(name));
        fs::hard_link(from, to).unwrap();
    }
    let twin = place.open("twin");
    append_one(&twin);
    assert_eq!(read_stream(&store, "a").unwrap().len(), 2);
}

#[test]
fn files_of_two_stores_in_one_directory_are_refused() {
    let place = Place::new();
    let store = place.open("here");
    for name in ["data.mdb", "lock.mdb"] {
        let mixed = place.path(&format!("mixed-{name}"));
        fs::create_dir(&mixed).unwrap();
        fs::hard_link(place.path("here").join(name), mixed.join(name)).unwrap();
        let error = LmdbStore::open(&mixed).unwrap_err().to_string();
        assert_says(&error, "one of its files is also open in this process as");
    }
    append_one(&store);
}

#[test]
fn a_directory_that_is_removed_while_it_is_open_takes_no_more() {
    let place = Place::new();
    let store = place.open("here");
    append_one(&store);
    fs::remove_dir_all(place.path("here")).unwrap();
    // The very next one.
    let error = append(&store, "a", vec![event("lost")]).unwrap_err();
    assert_says(
        &error.to_string(),
        "its data.mdb was removed while it was open",
    );
    assert_reads_end(&store, "its data.mdb was removed while it was open");
    let error = LmdbStore::open(place.path("here")).unwrap_err();
    assert_says(&error.to_string(), "is still open in this process");
    assert!(!place.path("here/data.mdb").exists());
    drop(store);
    assert_eq!(read_log(&place.open("here")).unwrap(), []);
}

#[test]
fn a_lock_file_that_is_removed_or_replaced_is_noticed_before_the_next_append() {
    for replaced in [false, true] {
        let place = Place::new();
        let store = place.open("here");
        append_one(&store);
        let lock = place.path("here/lock.mdb");
        fs::remove_file(&lock).unwrap();
        if replaced {
            fs::write(&lock, []).unwrap();
        }
        assert_says(&refusal(&store), "its lock.mdb was removed or replaced");
        assert_reads_end(&store, "its lock.mdb was removed or replaced");
        drop(store);
        assert_eq!(read_stream(&place.open("here"), "a").unwrap().len(), 1);
    }
}

#[test]
fn a_lock_file_that_this_process_has_read_is_noticed_before_the_next_append() {
    for other_is_there in [false, true] {
        let place = Place::new();
        let store = place.open("here");
        append_one(&store);
        let other = other_is_there.then(|| {
            let other = Process::start(
                "moved_files::child_appends_when_told",
                &place.path("here"),
                &[],
            );
            other.next("child: opened");
            other
        });
        // As a program does that copies the directory. Closing the file gives up the locks.
        fs::read(place.path("here/lock.mdb")).unwrap();
        assert_says(&refusal(&store), "the locks on its lock.mdb were released");
        assert_reads_end(&store, "the locks on its lock.mdb were released");
        drop(other);
        drop(store);
        let store = place.open("here");
        append_one(&store);
        assert_eq!(read_stream(&store, "a").unwrap().len(), 2);
    }
}

#[test]
fn a_lock_that_is_lost_right_after_a_map_has_grown_is_noticed() {
    let place = Place::new();
    let open = LmdbStore::options().initial_map_size(1 << 20);
    let store = open.open(place.path("here")).unwrap();
    for _ in 0..50 {
        append(&store, "a", vec![event("x".repeat(100_000))]).unwrap();
    }
    fs::read(place.path("here/lock.mdb")).unwrap();
    assert_says(&refusal(&store), "the locks on its lock.mdb were released");
}

/// Not a test of its own: a further process that makes the map larger.
#[test]
fn child_appends_much() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open_unsynced(Path::new(&directory));
    for _ in 0..50 {
        append(&store, "b", vec![event("x".repeat(100_000))]).unwrap();
    }
}

#[test]
fn a_map_that_must_grow_never_takes_in_another_file() {
    let place = Place::new();
    let open_small = || {
        let small = LmdbStore::options().initial_map_size(1 << 20);
        let small = small.durability(Durability::NoSync);
        small.open(place.path("here")).unwrap()
    };
    let store = open_small();
    for _ in 0..7 {
        append_one(&store);
    }
    assert!(
        Process::start("moved_files::child_appends_much", &place.path("here"), &[])
            .end()
            .success()
    );
    place.rename("here", "away");
    fs::create_dir(place.path("here")).unwrap();
    // What it must read does not fit its map, and another store could be made at the path.
    let error = read_stream(&store, "b").unwrap_err();
    assert_says(
        &error.to_string(),
        "its files were moved away while it was open",
    );
    assert_eq!(fs::read_dir(place.path("here")).unwrap().count(), 0);
    fs::remove_dir(place.path("here")).unwrap();
    place.rename("away", "here");
    assert_eq!(read_stream(&store, "b").unwrap().len(), 50);
    append_one(&store);
    assert_eq!(read_stream(&store, "a").unwrap().len(), 8);
}

#[test]
fn who_waits_for_events_is_told_when_the_store_is_gone() {
    let place = Place::new();
    let store = place.open("here");
    let waiter = thread::spawn(move || block_on(store.wait_past(LogId::MAIN, Position::ZERO)));
    place.rename("here", "there");
    let error = waiter.join().unwrap().unwrap_err();
    assert_says(&error.to_string(), "its files were moved away");
}

#[test]
fn a_store_that_is_not_flushed_notices_within_a_second_or_so() {
    let place = Place::new();
    let store = open_unsynced(&place.path("here"));
    fs::remove_dir_all(place.path("here")).unwrap();
    let end = Instant::now() + LONG;
    let error = loop {
        if let Err(error) = append(&store, "a", vec![event("lost")]) {
            break error.to_string();
        }
        assert!(Instant::now() < end, "appends go on");
    };
    assert_says(&error, "its data.mdb was removed");
}

#[test]
fn nothing_was_appended_that_was_refused() {
    let place = Place::new();
    let store = place.open("here");
    append(&store, "a", vec![event("before")]).unwrap();
    place.rename("here", "there");
    refusal(&store);
    place.rename("there", "here");
    append(&store, "a", vec![event("after")]).unwrap();
    assert_eq!(
        payloads(&read_stream(&store, "a").unwrap()),
        ["before", "after"]
    );
    assert_eq!(
        block_on(store.stream_state(&stream("a"))).unwrap().last,
        Version(2)
    );
}
