//! Data files whose last pages are lost: zeros, as file systems leave them, or cut off. What they had is never missing without
//! a word. LMDB, where it is built with its own checks as in debug builds, ends the process at a page of zeros that it comes to from
//! another one; that is counted.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::process::{LONG, Process};
use crate::common::{
    append, child_directory, number_of, open_unsynced, problems, read_entries, read_log, stream,
};
use fastrand::Rng;
use midgard::store::ExpectedVersion;
use midgard::store::{EntryWrite, ReadEntries};
use midgard::{Store, Version, block_on};
use midgard_store_lmdb::LmdbStore;
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

const PAGE: usize = 4096;

/// Not a test of its own: looks whether a store is sound, and what is in it.
#[test]
fn child_verifies_a_store() {
    let Some(directory) = child_directory() else {
        return;
    };
    let verified = LmdbStore::open(&directory).and_then(|store| {
        let verification = store.verify(|_| ControlFlow::Continue(()))?;
        Ok((store, verification))
    });
    match verified {
        Err(error) => println!("outcome refused {error}"),
        Ok((store, found)) if found.is_sound() => println!("outcome sound {}", contents(&store)),
        Ok((_, found)) => println!("outcome damaged {}", problems(&found).join("; ")),
    }
}

/// How much is in a store.
fn contents(store: &LmdbStore) -> String {
    let events = read_log(store).unwrap().len();
    let entries = read_entries(store, &ReadEntries::prefix(b"entry")).len();
    format!("{events} events and {entries} entries")
}

fn look_at(directory: &Path) -> String {
    let name = "lost_pages::child_verifies_a_store";
    let mut process = Process::start_in("exec 2>/dev/null;", name, directory, &[]);
    let Some(status) = process.end_within(LONG) else {
        return "hung".to_owned();
    };
    match status.signal() {
        Some(signal) => format!("ended by signal {signal}"),
        None => process.said("outcome ").concat(),
    }
}

/// Writes a store of its own for each seed, and gives what is in it.
fn write(directory: &Path, random: &mut Rng) -> String {
    let store = open_unsynced(directory);
    for round in 0..random.usize(20..60) {
        let name = format!("stream-{}", random.usize(..12));
        let most = [20, 300, 3_000, 20_000][random.usize(..4)];
        let events = match random.u8(..4) {
            0 => random.usize(1..300),
            _ => random.usize(1..6),
        };
        let payload = "x".repeat(random.usize(10..=most));
        append(
            &store,
            &name,
            crate::common::events(events.min(60_000 / most + 1), payload),
        )
        .unwrap();
        let mut write = EntryWrite::new();
        for number in 0..random.usize(..80) {
            let key = format!("entry-{round}-{number}");
            write = write.put(key.as_bytes(), &vec![7; random.usize(..200)]);
        }
        block_on(store.write_entries(write)).unwrap();
        if random.u8(..6) == 0 {
            let first = Version(random.u64(2..20));
            block_on(store.truncate(&stream(&name), first, ExpectedVersion::Any)).unwrap();
        }
    }
    contents(&store)
}

/// Up to where LMDB uses the file, in pages.
fn used(bytes: &[u8]) -> usize {
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let newer = usize::from(number(PAGE + 144) > number(144));
    number(newer * PAGE + 136) as usize + 1
}

/// `MIDGARD_TEST_DAMAGES` says how many, `MIDGARD_TEST_SEED` which one comes first.
#[test]
fn lost_pages_at_the_end_are_found_where_anything_was_in_them() {
    if child_directory().is_some() {
        return;
    }
    let first = number_of("MIDGARD_TEST_SEED", 0);
    let mut outcomes = BTreeMap::<String, u64>::new();
    for seed in first..first + number_of("MIDGARD_TEST_DAMAGES", 50) {
        let directory = tempfile::tempdir().unwrap();
        let mut random = Rng::with_seed(seed);
        let written = write(directory.path(), &mut random);
        let file = directory.path().join("data.mdb");
        let mut bytes = fs::read(&file).unwrap();
        let end = used(&bytes) * PAGE;
        let begin = end - random.usize(1..=3) * PAGE;
        match random.bool() {
            true => bytes.truncate(begin),
            false => bytes[begin..].fill(0),
        }
        fs::write(&file, bytes).unwrap();
        let outcome = look_at(directory.path());
        println!("seed {seed}: {outcome}");
        let kind = outcome.split(' ').next().unwrap_or_default().to_owned();
        if kind == "sound" {
            assert_eq!(outcome, format!("sound {written}"), "seed {seed}");
        }
        *outcomes.entry(kind).or_default() += 1;
    }
    println!("{outcomes:?}");
    assert!(!outcomes.contains_key("hung") && !outcomes.contains_key(""));
}
