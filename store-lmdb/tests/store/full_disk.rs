//! A small disk that 64 producers fill: each append is acknowledged or says that the disk is full, what was
//! acknowledged stays, also for a store that is opened while there is no room, and appends go through again
//! once there is.
//!
//! The disk is a file system in memory that only the child process sees; Linux lets everybody make one.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::process::Process;
use crate::common::user::{SMALL_DISK, can_mount};
use crate::common::{append, child_directory, event, number_of, read_log, read_stream};
use midgard::Version;
use midgard::store::{AppendError, Full, StoreError};
use midgard_store_lmdb::LmdbStore;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

const MEBIBYTE: usize = 1 << 20;
const DISK: usize = 8 * MEBIBYTE;
/// What is removed to make room.
const BALLAST: usize = 2 * MEBIBYTE;
const PRODUCERS: usize = 64;
/// How long the disk may take to be full: with some 40,000 small events, seconds where nothing else runs.
const PATIENCE: Duration = Duration::from_secs(150);
const PAYLOAD: &str = "MIDGARD_TEST_PAYLOAD";

/// Not a test of its own: fills the disk, and goes on when there is room again.
#[test]
fn child_fills_a_small_disk() {
    let Some(directory) = child_directory() else {
        return;
    };
    let directory = Path::new(&directory);
    let payload = number_of(PAYLOAD, 0) as usize;
    fs::write(directory.join("ballast"), vec![1; BALLAST]).unwrap();
    let data = directory.join("store");
    let store = LmdbStore::open(&data).unwrap();
    let versions = fill(&store, payload);
    check(&store, &versions);
    println!("full {}", total(&versions));

    // Whoever opens the store meanwhile can read it.
    drop(store);
    let store = LmdbStore::open(&data).unwrap();
    check(&store, &versions);
    fill(&store, payload);
    let mut versions = versions_of(&store);
    println!("full again {}", total(&versions));

    fs::remove_file(directory.join("ballast")).unwrap();
    // As many as fit for certain: how much of the file is free already depends on the last commit that failed.
    let fitting = BALLAST / 2 / payload;
    for (producer, version) in versions.iter_mut().enumerate().take(fitting) {
        append(&store, &name(producer), vec![event("x".repeat(payload))]).unwrap();
        *version = version.next();
    }
    check(&store, &versions);
    fill(&store, payload);
    let versions = versions_of(&store);
    drop(store);
    check(&LmdbStore::open(&data).unwrap(), &versions);
    println!("full with more room {}", total(&versions));
}

fn name(producer: usize) -> String {
    format!("of-{producer}")
}

/// Appends to each stream until it fails; gives the last versions that were acknowledged.
fn fill(store: &LmdbStore, payload: usize) -> Vec<Version> {
    thread::scope(|scope| {
        let producers = (0..PRODUCERS).map(|producer| {
            scope.spawn(move || {
                let mut last = Version::ZERO;
                let error = loop {
                    let event = event("x".repeat(payload));
                    match append(store, &name(producer), vec![event]) {
                        Ok(appended) => last = appended.version(),
                        Err(error) => break error,
                    }
                };
                let is_full = matches!(error, AppendError::Store(StoreError::Full(Full::Disk)));
                assert!(is_full, "{error:?}");
                last
            })
        });
        let producers: Vec<_> = producers.collect();
        let last = producers.into_iter().map(thread::ScopedJoinHandle::join);
        last.map(Result::unwrap).collect()
    })
}

fn versions_of(store: &LmdbStore) -> Vec<Version> {
    let last = |producer| {
        let events = read_stream(store, &name(producer)).unwrap();
        Version(events.len() as u64)
    };
    (0..PRODUCERS).map(last).collect()
}

fn check(store: &LmdbStore, acknowledged: &[Version]) {
    assert_eq!(versions_of(store), acknowledged);
    assert_eq!(read_log(store).unwrap().len() as u64, total(acknowledged));
}

fn total(versions: &[Version]) -> u64 {
    versions.iter().map(|version| version.get()).sum()
}

#[test]
fn a_disk_that_many_fill_loses_nothing_and_takes_more_once_there_is_room() {
    if child_directory().is_some() || !can_mount() {
        return;
    }
    // Payloads beside others on a page, on pages of their own, and on many: of these, a commit that fails is much of the disk.
    for (payload, least) in [(100, 0.1), (3_000, 0.5), (60_000, 0.25)] {
        let directory = tempfile::tempdir().unwrap();
        let variables = [(PAYLOAD, &*payload.to_string())];
        let mut child = Process::start_in(
            SMALL_DISK,
            "full_disk::child_fills_a_small_disk",
            directory.path(),
            &variables,
        );
        let events = |words| {
            let said = child.next_within(words, PATIENCE);
            let said = said.unwrap_or_else(|| panic!("the process never said \"{words}\""));
            said.parse::<f64>().unwrap()
        };
        let full = events("full ");
        let again = events("full again ");
        let more = events("full with more room ");
        println!(
            "payloads of {payload} bytes: {full} events, {again} after opening, {more} with more room"
        );
        let room = (DISK - BALLAST) as f64;
        assert!(
            full * f64::from(payload) > room * least,
            "{full} events with payloads of {payload} bytes filled the disk"
        );
        assert!(again >= full && more > again);
        assert!(child.end().success());
    }
}
