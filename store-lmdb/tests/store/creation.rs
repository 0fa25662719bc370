//! Stores whose making was cut off, by a crash or a power cut, and stores that many make at once.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::process::{Process, told};
use crate::common::{append, child_directory, event, open_unsynced, read_log};
use midgard_store_lmdb::{LmdbStore, open_raw};
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const PAGE: usize = 4096;

/// What LMDB writes first.
fn meta_pages() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    drop(open_raw(directory.path()).unwrap());
    let bytes = fs::read(directory.path().join("data.mdb")).unwrap();
    assert_eq!(bytes.len(), 2 * PAGE);
    bytes
}

#[track_caller]
fn assert_is_a_new_store(directory: &Path) {
    for events in 0..2 {
        let store = LmdbStore::open(directory).unwrap();
        assert_eq!(read_log(&store).unwrap().len(), events);
        append(&store, "a", vec![event("x")]).unwrap();
        crate::common::assert_sound(&crate::common::verify(&store));
    }
}

#[test]
fn a_store_whose_making_was_cut_off_is_made() {
    let metas = meta_pages();
    let with_zeros = |at: usize| {
        let mut bytes = metas.clone();
        bytes[at..at + PAGE].fill(0);
        bytes
    };
    let begun = [
        vec![],
        vec![0; 1],
        vec![0; PAGE],
        vec![0; 2 * PAGE],
        vec![0; 7 * PAGE],
        metas[..100].to_vec(),
        metas[..PAGE].to_vec(),
        metas[..PAGE + 100].to_vec(),
        with_zeros(0),
        with_zeros(PAGE),
        metas.clone(),
    ];
    for data in begun {
        for lock in [None, Some(vec![]), Some(vec![0; PAGE]), Some(vec![1; 100])] {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join("data.mdb"), &data).unwrap();
            if let Some(lock) = lock {
                fs::write(directory.path().join("lock.mdb"), lock).unwrap();
            }
            assert_is_a_new_store(directory.path());
        }
    }
}

#[test]
fn a_store_that_was_made_and_is_damaged_is_never_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store, "a", vec![event("x")]).unwrap();
    drop(store);
    let file = directory.path().join("data.mdb");
    let whole = fs::read(&file).unwrap();
    let with_zeros = |pages: std::ops::Range<usize>| {
        let mut bytes = whole.clone();
        bytes[pages.start * PAGE..pages.end * PAGE].fill(0);
        bytes
    };
    for damaged in [
        with_zeros(0..1),
        with_zeros(1..2),
        vec![0; 1 << 20],
        whole[..PAGE].to_vec(),
        b"something else".repeat(1000),
    ] {
        fs::write(&file, &damaged).unwrap();
        let error = LmdbStore::open(directory.path()).unwrap_err().to_string();
        assert!(
            error.contains(&directory.path().display().to_string()),
            "{error}"
        );
        assert!(fs::read(&file).unwrap() == damaged, "{error}");
    }
}

/// Not a test of its own: opens the store that it is told, appends, and closes it.
#[test]
fn child_makes_stores() {
    let Some(directory) = child_directory() else {
        return;
    };
    println!("child: ready");
    while let Some(name) = told() {
        let store = LmdbStore::open(Path::new(&directory).join(name)).unwrap();
        append(&store, "a", vec![event("x")]).unwrap();
        println!("child: appended");
    }
}

#[test]
fn processes_that_make_one_store_at_once_make_one() {
    const PROCESSES: usize = 4;
    let directory = tempfile::tempdir().unwrap();
    let mut children: Vec<_> = (0..PROCESSES)
        .map(|_| Process::start("creation::child_makes_stores", directory.path(), &[]))
        .collect();
    children
        .iter()
        .for_each(|child| drop(child.next("child: ready")));
    for round in 0..20 {
        let name = format!("store-{round}/in/directories");
        children.iter_mut().for_each(|child| child.say(&name));
        children
            .iter()
            .for_each(|child| drop(child.next("child: appended")));
        let store = LmdbStore::open(directory.path().join(&name)).unwrap();
        assert_eq!(read_log(&store).unwrap().len(), PROCESSES);
    }
}

#[test]
fn a_process_that_is_killed_while_it_makes_a_store_leaves_one_that_can_be_opened() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    for round in 0..30 {
        let mut child = Process::start("creation::child_makes_stores", directory.path(), &[]);
        child.next("child: ready");
        let name = format!("store-{round}");
        child.say(&name);
        // Somewhere between the first file and the first append.
        let began = std::time::Instant::now();
        let until = Duration::from_micros(random.u64(0..4_000));
        while began.elapsed() < until {
            thread::yield_now();
        }
        child.kill();
        let appended = child.said("child: appended").len();
        let store = LmdbStore::open(directory.path().join(&name)).unwrap();
        assert!(read_log(&store).unwrap().len() >= appended);
        append(&store, "a", vec![event("x")]).unwrap();
    }
}

/// Not a test of its own: has LMDB's lock for writing, as a process has that was stopped in a commit.
#[test]
fn child_holds_the_lock() {
    let Some(directory) = child_directory() else {
        return;
    };
    let env = open_raw(Path::new(&directory)).unwrap();
    let _transaction = env.write_txn().unwrap();
    println!("child: holds it");
    told();
}

#[test]
fn a_store_that_cannot_be_opened_now_keeps_no_other_from_being_opened_or_closed() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    drop(LmdbStore::open(path("held")).unwrap());
    let open = LmdbStore::open(path("open")).unwrap();
    let mut child = Process::start("creation::child_holds_the_lock", &path("held"), &[]);
    child.next("child: holds it");
    let (opened, events) = mpsc::channel();
    let held = path("held");
    let waiting = thread::spawn(move || {
        opened.send("begun").unwrap();
        drop(LmdbStore::open(&held).unwrap());
        opened.send("opened").unwrap();
    });
    assert_eq!(events.recv().unwrap(), "begun");
    for round in 0..20 {
        let other = LmdbStore::open(path(&format!("other-{round}"))).unwrap();
        append(&other, "a", vec![event("x")]).unwrap();
    }
    drop(open);
    drop(LmdbStore::open(path("open")).unwrap());
    assert!(events.try_recv().is_err());
    child.say("enough");
    assert_eq!(events.recv().unwrap(), "opened");
    waiting.join().unwrap();
}

#[test]
fn a_map_may_begin_as_small_as_one_likes() {
    for bytes in [
        0,
        1,
        PAGE,
        2 * PAGE,
        3 * PAGE,
        4 * PAGE,
        5 * PAGE + 1,
        1 << 20,
    ] {
        let directory = tempfile::tempdir().unwrap();
        let open = || {
            let options = LmdbStore::options().initial_map_size(bytes);
            options.open(directory.path()).unwrap()
        };
        for number in 0..20 {
            let payload = "x".repeat(number * 10_000);
            append(&open(), "a", vec![event(payload)]).unwrap();
        }
        assert_eq!(read_log(&open()).unwrap().len(), 20);
    }
    // Larger than any address space.
    let directory = tempfile::tempdir().unwrap();
    let options = LmdbStore::options().initial_map_size(usize::MAX);
    append(
        &options.open(directory.path()).unwrap(),
        "a",
        vec![event("x")],
    )
    .unwrap();
    drop(open_unsynced(directory.path()));
}
