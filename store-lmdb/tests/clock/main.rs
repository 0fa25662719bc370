//! A clock that is set back while a store is in use: recorded times never go back, ids stay unique and in order,
//! and nothing else depends on the time of day.
//!
//! A process of its own has the clock, by a library that is loaded before the system's.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

use common::process::{Process, told};
use common::{append, child_directory, event, payloads, read_log, read_stream};
use midgard::{EventId, Timestamp, Version};
use midgard_store_lmdb::LmdbStore;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const HOUR: i64 = 3_600;

/// Compiles the clock; LMDB needs the same compiler.
fn library(directory: &Path) -> PathBuf {
    let library = directory.join("clock.so");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let status = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clock/clock.c"))
        .status()
        .unwrap();
    assert!(status.success());
    library
}

/// A process whose clock can be set.
struct Clocked {
    process: Process,
    clock: PathBuf,
}

impl Clocked {
    fn start(directory: &Path, library: &Path, hours: i64) -> Self {
        let clock = directory.with_file_name("clock");
        fs::write(&clock, (hours * HOUR).to_string()).unwrap();
        let name = "child_appends_when_it_is_told";
        let variables = [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("MIDGARD_TEST_CLOCK", clock.to_str().unwrap()),
        ];
        Clocked {
            process: Process::start(name, directory, &variables),
            clock,
        }
    }

    /// Sets the clock so many hours after the real time.
    fn set(&self, hours: i64) {
        fs::write(&self.clock, (hours * HOUR).to_string()).unwrap();
    }

    /// Lets it append; gives the time on its clock.
    fn append(&mut self) -> Timestamp {
        self.process.say("append");
        Timestamp::from_micros(self.process.next("appended at ").parse().unwrap())
    }
}

/// Not a test of its own: appends one event each time that it is told to.
#[test]
fn child_appends_when_it_is_told() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::open(directory).unwrap();
    while told().is_some() {
        let now = Timestamp::now().as_micros();
        append(&store, "of-the-child", vec![event("1"), event("2")]).unwrap();
        println!("appended at {now}");
    }
}

fn hours_from_now(time: Timestamp) -> i64 {
    let micros = time.as_micros().cast_signed() - Timestamp::now().as_micros().cast_signed();
    (micros as f64 / 1e6 / HOUR as f64).round() as i64
}

#[test]
fn a_clock_that_is_set_back_never_makes_recorded_times_go_back() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let library = library(directory.path());
    let data = directory.path().join("store");
    let store = LmdbStore::open(&data).unwrap();
    append(&store, "before", vec![event("1")]).unwrap();

    let mut child = Clocked::start(&data, &library, 5);
    assert_eq!(hours_from_now(child.append()), 5);
    child.set(-30);
    assert_eq!(hours_from_now(child.append()), -30);
    // This process has a clock that is five hours behind what is recorded.
    append(&store, "here", vec![event("1")]).unwrap();
    child.set(6);
    child.append();
    child.process.kill();
    // And one that is opened anew, by a process that believes to be in another year.
    let mut child = Clocked::start(&data, &library, -10_000);
    assert_eq!(hours_from_now(child.append()), -10_000);
    append(&store, "here", vec![event("2")]).unwrap();

    let log = read_log(&store).unwrap();
    let hours: Vec<_> = log.iter().map(|event| hours_from_now(event.time)).collect();
    assert_eq!(hours, [0, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6]);
    assert!(log.windows(2).all(|pair| pair[0].time <= pair[1].time));
    assert!(
        log.iter()
            .map(|event| event.position.get())
            .eq(1..=log.len() as u64)
    );
    let versions = |name| {
        let events = read_stream(&store, name).unwrap();
        events.iter().map(|event| event.version).collect::<Vec<_>>()
    };
    assert_eq!(
        versions("of-the-child"),
        (1..=8).map(Version).collect::<Vec<_>>()
    );
    assert_eq!(payloads(&read_stream(&store, "here").unwrap()), ["1", "2"]);
    let ids: BTreeSet<_> = log.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), log.len());
    // Those that one process made are in the order in which it made them.
    let of_one_process: Vec<EventId> = read_stream(&store, "of-the-child").unwrap()[..6]
        .iter()
        .map(|event| event.id)
        .collect();
    assert!(of_one_process.is_sorted());
}
