//! As many stores in one process as there are tenants.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::process::Process;
use crate::common::{append, child_directory, event, number_of, open_unsynced, read_log};
use midgard::store::EmbeddedStore;
use midgard::{LogId, Position, Store, block_on};
use midgard_store_lmdb::LmdbStore;
use std::fs;
use std::path::Path;
use std::thread;

/// How many stores there are, for those who want 10,000, which take a minute.
const COUNT: &str = "MIDGARD_TEST_STORES";

fn open(directory: &Path, number: u64) -> LmdbStore {
    open_unsynced(&directory.join(number.to_string()))
}

fn append_one(store: &LmdbStore, bytes: usize) {
    append(store, "a", vec![event("x".repeat(bytes))]).unwrap();
}

/// Not a test of its own: a process that may have few files open.
#[test]
fn child_opens_many() {
    let Some(directory) = child_directory() else {
        return;
    };
    let directory = Path::new(&directory);
    let stores = number_of(COUNT, 0);
    let opened: Vec<_> = (0..stores).map(|number| open(directory, number)).collect();
    for store in &opened {
        append_one(store, 10);
    }
    // There is address space left, and there are threads.
    let large = vec![1_u8; 256 << 20];
    let middle = thread::spawn(move || large[large.len() / 2]);
    assert_eq!(middle.join().unwrap(), 1);
    // One after the other, and all over the place.
    thread::scope(|scope| {
        for offset in 0..4 {
            let opened = &opened;
            scope.spawn(move || {
                for store in opened.iter().skip(offset).step_by(4) {
                    append_one(store, 10_000);
                    assert_eq!(read_log(store).unwrap().len(), 2);
                }
            });
        }
    });
    println!("opened {}", opened.len());
    drop(opened);
    for number in [0, stores / 2, stores - 1] {
        assert_eq!(read_log(&open(directory, number)).unwrap().len(), 2);
    }
}

fn assert_opens(stores: u64, limit: &str) {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let variables = [(COUNT, &*stores.to_string())];
    let mut child = Process::start_in(
        limit,
        "many_stores::child_opens_many",
        directory.path(),
        &variables,
    );
    assert!(child.end().success());
    assert_eq!(child.said("opened "), [stores.to_string()]);
}

#[test]
fn a_process_that_may_have_few_files_has_as_many_stores_as_it_likes() {
    let stores = number_of(COUNT, 1_000);
    assert_opens(stores, &format!("ulimit -n {};", (stores / 2).max(256)));
}

#[test]
fn a_process_that_has_little_address_space_has_many_stores() {
    assert_opens(300, "ulimit -v 6000000;");
}

/// Not a test of its own: uses some stores while many others are opened and used.
#[test]
fn child_uses_stores_that_rest() {
    let Some(directory) = child_directory() else {
        return;
    };
    let directory = Path::new(&directory);
    let all: Vec<_> = (0..200).map(|number| open(directory, number)).collect();
    let first = &all[0];
    append_one(first, 10);
    // A snapshot holds its store open, and one that waits is told.
    let snapshot = first.snapshot().unwrap();
    let waiting = thread::spawn({
        let waiting = all[1].clone();
        move || block_on(waiting.wait_past(LogId::MAIN, Position(1))).unwrap()
    });
    for round in 0..3 {
        all.iter().for_each(|store| append_one(store, round));
    }
    waiting.join().unwrap();
    assert!(snapshot.get(b"key").unwrap().is_none());
    drop(snapshot);

    // What was moved while it rested is not taken for what it was, nor what was put there.
    let path = |name: &str| directory.join(name);
    fs::rename(path("0"), path("away")).unwrap();
    all.iter().skip(1).for_each(|store| append_one(store, 1));
    let error = append(first, "a", vec![event("x")])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("its files were moved away or removed"),
        "{error}"
    );
    fs::create_dir(path("0")).unwrap();
    for name in ["data.mdb", "lock.mdb"] {
        fs::copy(path("away").join(name), path("0").join(name)).unwrap();
    }
    let error = append(first, "a", vec![event("x")])
        .unwrap_err()
        .to_string();
    assert!(error.contains("its data.mdb was replaced"), "{error}");
    fs::remove_dir_all(path("0")).unwrap();
    fs::rename(path("away"), path("0")).unwrap();
    append_one(first, 1);
    assert_eq!(read_log(first).unwrap().len(), 5);
    println!("used");
}

#[test]
fn a_store_that_rests_is_as_if_it_were_open() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let few = "ulimit -n 128;";
    let mut child = Process::start_in(
        few,
        "many_stores::child_uses_stores_that_rest",
        directory.path(),
        &[],
    );
    assert!(child.end().success());
    assert_eq!(child.said("used").len(), 1);
}
