//! The pages that a data file begins with, damaged: a sentence, and never the end of the process.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::process::{LONG, Process};
use crate::common::{
    append, child_directory, event, number_of, open_unsynced, read_log, read_stream,
};
use fastrand::Rng;
use midgard_store_lmdb::LmdbStore;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

const PAGE: usize = 4096;
const PAGE_SIZE: usize = 40;
const FREE: usize = 40;
const MAIN: usize = 88;
const LAST_PAGE: usize = 136;
const TRANSACTION: usize = 144;
/// What LMDB reads of a meta page.
const BEGINNING: usize = 152;
/// Where in what is said of a tree its numbers are.
const FLAGS: usize = 4;
const DEPTH: usize = 6;
const LEAVES: usize = 16;
const ENTRIES: usize = 32;
const ROOT: usize = 40;

/// Not a test of its own: opens a store, reads all of it and appends to it.
#[test]
fn child_opens_a_store() {
    let Some(directory) = child_directory() else {
        return;
    };
    let opened = LmdbStore::open(&directory).inspect_err(|error| println!("opening: {error}"));
    let Ok(store) = opened else {
        return println!("outcome refused");
    };
    let read = read_log(&store).and_then(|log| Ok((log, read_stream(&store, "a")?)));
    let appended = append(&store, "a", vec![event("1")]);
    match (read, appended) {
        (Ok((log, events)), Ok(_)) => println!("outcome {} {}", log.len(), events.len()),
        (read, appended) => println!("outcome failed {read:?} {appended:?}"),
    }
}

/// What becomes of a store, in a process of its own: nothing but its own end ends that.
fn open(directory: &Path) -> String {
    let mut process = Process::start_in(
        "exec 2>/dev/null;",
        "meta_pages::child_opens_a_store",
        directory,
        &[],
    );
    let status = process.end_within(LONG);
    let Some(status) = status else {
        return "hung".to_owned();
    };
    if let Some(signal) = status.signal() {
        return format!("signal {signal}");
    }
    let said = process.said("outcome ").pop();
    said.unwrap_or_else(|| format!("no outcome, {status}"))
}

/// A data file whose newer meta page is of this number, and how many events it has.
fn data_file(newer: usize) -> (Vec<u8>, usize) {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    for events in 1.. {
        append(&store, "a", vec![event("x".repeat(100 * events))]).unwrap();
        let bytes = fs::read(directory.path().join("data.mdb")).unwrap();
        let transaction = |page: usize| number(&bytes, page * PAGE + TRANSACTION);
        if events >= 40 && transaction(newer) > transaction(1 - newer) {
            drop(store);
            return (fs::read(directory.path().join("data.mdb")).unwrap(), events);
        }
    }
    unreachable!("transactions take turns");
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn write(directory: &Path, bytes: &[u8]) {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("data.mdb"), bytes).unwrap();
}

/// Fields of a meta page, and numbers that cannot stand there.
fn table() -> Vec<(&'static str, usize, Vec<u8>)> {
    let small = |number: u32| number.to_le_bytes().to_vec();
    let flags = |number: u16| number.to_le_bytes().to_vec();
    let long = |number: u64| number.to_le_bytes().to_vec();
    let mut table = Vec::new();
    for size in [
        0,
        1,
        2,
        16,
        256,
        4095,
        24_576,
        1 << 16,
        1 << 17,
        1 << 31,
        u32::MAX,
    ] {
        table.push(("page size", PAGE_SIZE, small(size)));
    }
    for number in [0, 1 << 40, 1 << 52, 1 << 63, u64::MAX - 1, u64::MAX] {
        table.push(("last page", LAST_PAGE, long(number)));
    }
    for number in [1 << 50, u64::MAX - 1, u64::MAX] {
        table.push(("transaction", TRANSACTION, long(number)));
    }
    for tree in [FREE, MAIN] {
        for number in [0, 1, 1 << 20, 1 << 63, u64::MAX - 1] {
            table.push(("root", tree + ROOT, long(number)));
        }
        // Keys with several values, and of other kinds.
        for number in [4, 4 | 16, 4 | 32, 2] {
            table.push(("flags", tree + FLAGS, flags(number)));
        }
        for number in [0, 33, u16::MAX] {
            table.push(("depth", tree + DEPTH, flags(number)));
        }
        for number in [1 << 40, u64::MAX] {
            table.push(("leaves", tree + LEAVES, long(number)));
            table.push(("entries", tree + ENTRIES, long(number)));
        }
    }
    table
}

#[test]
fn a_damaged_field_of_the_newer_meta_page_is_refused_and_of_the_older_one_not_met() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let files = [0, 1].map(data_file);
    for (newer, (bytes, events)) in files.iter().enumerate() {
        let sound = format!("{events} {events}");
        for (row, (field, at, damage)) in table().into_iter().enumerate() {
            for page in [0, 1] {
                let is_newer = page == newer;
                // LMDB finds the second page by what the first one says.
                if !is_newer && (at == TRANSACTION || at == PAGE_SIZE && page == 0) {
                    continue;
                }
                let damaged = directory.path().join(format!("{newer}-{row}-{page}"));
                let mut bytes = bytes.clone();
                let at = page * PAGE + at;
                bytes[at..at + damage.len()].copy_from_slice(&damage);
                write(&damaged, &bytes);
                let expected = if is_newer { "refused" } else { sound.as_str() };
                let outcome = open(&damaged);
                let about = format!("{field} {damage:?} of page {page}, the newer is {newer}");
                assert_eq!(outcome, expected, "{about}");
                fs::remove_dir_all(&damaged).unwrap();
            }
        }
    }
}

#[test]
fn the_sentence_says_what_is_wrong_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let (mut bytes, _) = data_file(0);
    bytes[PAGE_SIZE..PAGE_SIZE + 4].fill(0);
    write(directory.path(), &bytes);
    assert_eq!(
        LmdbStore::open(directory.path()).unwrap_err().to_string(),
        format!(
            "the store could not open its LMDB environment: {}: the page that data.mdb begins with is damaged: it says that \
             pages have 0 bytes; restore the store from a backup",
            directory.path().canonicalize().unwrap().display()
        )
    );
}

/// As systems make them whose pages are larger: with what LMDB has written, at other places.
#[test]
fn pages_of_all_sizes_that_systems_have_are_opened() {
    for size in [8192_usize, 16_384, 32_768] {
        let directory = tempfile::tempdir().unwrap();
        let mut bytes = vec![0; 2 * size];
        for number in 0..2 {
            let page = &mut bytes[number * size..];
            page[0] = number as u8;
            page[10] = 8;
            page[16..20].copy_from_slice(&0xbeef_c0de_u32.to_le_bytes());
            page[20] = 1;
            page[32..40].copy_from_slice(&(1_u64 << 20).to_le_bytes());
            page[PAGE_SIZE..PAGE_SIZE + 4].copy_from_slice(&(size as u32).to_le_bytes());
            page[FREE + FLAGS] = 8;
            page[FREE + ROOT..FREE + ROOT + 8].fill(0xff);
            page[MAIN + ROOT..MAIN + ROOT + 8].fill(0xff);
            page[LAST_PAGE] = 1;
        }
        write(directory.path(), &bytes);
        for events in 1..4 {
            let store = open_unsynced(directory.path());
            append(&store, "a", vec![event("x".repeat(10_000))]).unwrap();
            assert_eq!(read_log(&store).unwrap().len(), events);
        }
        let bytes = fs::read(directory.path().join("data.mdb")).unwrap();
        assert_eq!(number(&bytes, PAGE_SIZE) as u32, size as u32);
    }
}

/// `MIDGARD_TEST_DAMAGES` says how many, `MIDGARD_TEST_SEED` which one comes first.
#[test]
fn random_damage_of_the_meta_pages_ends_no_process() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let files = [0, 1].map(data_file);
    let mut outcomes = BTreeMap::<String, Vec<String>>::new();
    let first = number_of("MIDGARD_TEST_SEED", 0);
    for seed in first..first + number_of("MIDGARD_TEST_DAMAGES", 60) {
        let mut random = Rng::with_seed(seed);
        let mut bytes = files[random.usize(..2)].0.clone();
        let (page, at) = (random.usize(..2), random.usize(..BEGINNING));
        let change = match random.bool() {
            true => 1 << random.u8(..8),
            false => random.u8(1..),
        };
        bytes[page * PAGE + at] ^= change;
        let damaged = directory.path().join(seed.to_string());
        write(&damaged, &bytes);
        let outcome = open(&damaged);
        fs::remove_dir_all(&damaged).unwrap();
        let about = format!("seed {seed}: byte {at} of page {page} changed by {change:#04x}");
        let kind = outcome.split(' ').next().unwrap().to_owned();
        outcomes
            .entry(kind)
            .or_default()
            .push(format!("{about}: {outcome}"));
    }
    for (kind, all) in &outcomes {
        println!("{kind}: {}", all.len());
    }
    for bad in ["signal", "hung", "no"] {
        let all = outcomes.get(bad).map_or(&[][..], Vec::as_slice);
        assert!(all.is_empty(), "{}", all.join("\n"));
    }
}
