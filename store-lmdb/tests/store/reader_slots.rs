//! Few slots for readers, taken by several processes: reads without one say how many there are, writes go on,
//! and reads go through again when slots are given back, also by a kill.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::While;
use crate::common::process::{Process, end_when_left_alone};
use crate::common::{append, child_directory, event, read_log, read_stream, stream};
use midgard::store::{Full, ReadStream, StoreError};
use midgard::{LogId, Store, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const SLOTS: u32 = 4;

fn open(directory: impl AsRef<Path>) -> LmdbStore {
    LmdbStore::options()
        .max_readers(SLOTS)
        .durability(Durability::NoSync)
        .open(directory)
        .unwrap()
}

/// Holds so many slots while it calls `held`.
fn hold(store: &LmdbStore, slots: u32, held: &mut (dyn FnMut() + Send)) {
    if slots == 0 {
        return held();
    }
    let read = ReadStream::forward(stream("a"));
    block_on(store.read_stream(&read, &mut |_| {
        hold(store, slots - 1, held);
        ControlFlow::Break(())
    }))
    .unwrap();
}

fn assert_full(error: &StoreError) {
    let text = "all 4 slots for readers are taken; let some reads end and try again; what was \
        acknowledged before is kept";
    assert!(
        matches!(error, StoreError::Full(Full::Readers { slots: SLOTS })),
        "{error:?}"
    );
    assert_eq!(error.to_string(), text);
}

/// Not a test of its own: holds three slots until it is killed.
#[test]
fn child_holds_three_slots() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open(directory);
    end_when_left_alone();
    hold(&store, 3, &mut || {
        append(&store, "a", vec![event("of the child")]).unwrap();
        println!("holding");
        loop {
            thread::park();
        }
    });
}

#[test]
fn slots_that_two_processes_hold_are_counted_together_and_come_back_by_a_kill() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    append(&store, "a", vec![event("1")]).unwrap();
    let mut child = Process::start(
        "reader_slots::child_holds_three_slots",
        directory.path(),
        &[],
    );
    child.next("holding");
    assert_eq!(read_log(&store).unwrap().len(), 2, "there is one slot left");
    hold(&store, 1, &mut || {
        assert_full(&read_log(&store).unwrap_err());
        assert_full(&read_stream(&store, "a").unwrap_err());
        assert_full(&block_on(store.stream_state(&stream("a"))).unwrap_err());
        assert_full(&block_on(store.last_position(LogId::MAIN)).unwrap_err());
        for _ in 0..100 {
            append(&store, "b", vec![event("x")]).unwrap();
        }
        child.kill();
        assert_eq!(
            read_log(&store).unwrap().len(),
            102,
            "the killed process has none"
        );
    });
    hold(&store, SLOTS, &mut || {
        append(&store, "b", vec![event("x")]).unwrap();
    });
    assert_eq!(read_stream(&store, "b").unwrap().len(), 101);
}

/// Not a test of its own: opens the store and appends.
#[test]
fn child_appends_once() {
    if let Some(directory) = child_directory() {
        append(&open(directory), "b", vec![event("x")]).unwrap();
        println!("appended");
    }
}

#[test]
fn a_store_whose_slots_are_all_taken_can_be_opened_and_written() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    append(&store, "a", vec![event("1")]).unwrap();
    hold(&store, SLOTS, &mut || {
        let child = Process::start("reader_slots::child_appends_once", directory.path(), &[]);
        child.next("appended");
    });
    assert_eq!(read_log(&store).unwrap().len(), 2);
}

#[test]
fn many_readers_with_few_slots_fail_one_by_one_and_no_append_does() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    append(&store, "a", vec![event("1")]).unwrap();
    let writing = While::new();
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        let end = writing.until_dropped();
        for _ in 0..16 {
            scope.spawn(|| {
                while writing.holds() {
                    match read_stream(&store, "a") {
                        Ok(events) => {
                            assert_eq!(events.len(), 1);
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => assert_full(&error),
                    }
                }
            });
        }
        let producers = (0..64).map(|producer| {
            let (store, name) = (&store, format!("of-{producer}"));
            scope.spawn(move || {
                for _ in 0..20 {
                    append(store, &name, vec![event("x")]).unwrap();
                }
            })
        });
        for producer in producers.collect::<Vec<_>>() {
            producer.join().unwrap();
        }
        drop(end);
    });
    assert!(answered.into_inner() > 0);
    assert_eq!(read_log(&store).unwrap().len(), 1 + 64 * 20);
}
