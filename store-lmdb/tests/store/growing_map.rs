//! Small maps that two processes with 64 producers each outgrow, their own and each other's, while others read:
//! no append and no read fails.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::While;
use crate::common::process::Process;
use crate::common::{append, child_directory, event, number_of, payloads, read_log, read_stream};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::path::Path;
use std::thread;

const PRODUCERS: usize = 64;
const PROCESSES: usize = 2;
const WRITER: &str = "MIDGARD_TEST_WRITER";

fn open(directory: impl AsRef<Path>) -> LmdbStore {
    LmdbStore::options()
        .initial_map_size(1 << 16)
        .durability(Durability::NoSync)
        .open(directory)
        .unwrap()
}

fn appends() -> u64 {
    number_of("MIDGARD_TEST_APPENDS", 30)
}

/// The first ones are small, so that the map grows in small steps too.
fn payload(number: u64) -> String {
    format!("{number} {}", "x".repeat(100 * number as usize))
}

/// Not a test of its own: a process with many producers, that begins when it is told to.
#[test]
fn child_outgrows_its_map() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open(directory);
    println!("ready");
    crate::common::process::told().unwrap();
    let writer = std::env::var(WRITER).unwrap();
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (store, name) = (&store, format!("{writer}-{producer}"));
            scope.spawn(move || {
                for number in 1..=appends() {
                    append(store, &name, vec![event(payload(number))]).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..appends() {
                assert_eq!(payloads(&read_stream(&store, "first").unwrap()), ["kept"]);
            }
        });
    });
    assert_eq!(read_stream(&store, "first").unwrap().len(), 1);
    println!("done");
}

#[test]
fn two_processes_with_many_producers_outgrow_each_others_maps() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    append(&store, "first", vec![event("kept")]).unwrap();
    let start = |writer: usize| {
        let variables = [(WRITER, &*writer.to_string())];
        Process::start(
            "growing_map::child_outgrows_its_map",
            directory.path(),
            &variables,
        )
    };
    let mut children: Vec<_> = (0..PROCESSES).map(start).collect();
    for child in &mut children {
        child.next("ready");
    }
    for child in &mut children {
        child.say("go");
    }
    let writing = While::new();
    thread::scope(|scope| {
        let end = writing.until_dropped();
        for _ in 0..2 {
            scope.spawn(|| {
                while writing.holds() {
                    assert_eq!(payloads(&read_stream(&store, "first").unwrap()), ["kept"]);
                    let log = read_log(&store).unwrap();
                    assert!(
                        log.iter()
                            .map(|event| event.position.get())
                            .eq(1..=log.len() as u64)
                    );
                }
            });
        }
        for child in &mut children {
            child.next("done");
            assert!(child.end().success());
        }
        drop(end);
    });
    let expected: Vec<_> = (1..=appends()).map(payload).collect();
    for writer in 0..PROCESSES {
        for producer in 0..PRODUCERS {
            let events = read_stream(&store, &format!("{writer}-{producer}")).unwrap();
            assert!(
                payloads(&events) == expected,
                "producer {producer} of {writer}"
            );
        }
    }
    let size = std::fs::metadata(directory.path().join("data.mdb"))
        .unwrap()
        .len();
    assert!(size > 1 << 21, "the maps were never outgrown");
}
