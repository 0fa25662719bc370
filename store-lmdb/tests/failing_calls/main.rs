//! Each call on the data file fails once, or a few times, or from then on, and then the power is cut: what was acknowledged is
//! there, what was refused is not, and the store is sound.
//!
//! The disk is a model, in `disk.c`: it stands between a child process and its C library, and keeps what was flushed.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;
mod disk;
mod stories;

use common::process::Process;
use common::{
    append, assert_sound, child_directory, event, number_of, payloads, read_entries, read_log,
    verify,
};
use disk::Bench;
use midgard::store::{Append, AppendError, ExpectedVersion, StoreError};
use midgard::store::{EntryWrite, ReadEntries};
use midgard::{Store, StreamName, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const FAULTS: &str = "MIDGARD_TEST_FAULTS";
const SEED: &str = "MIDGARD_TEST_SEED";
const DURABILITY: &str = "MIDGARD_TEST_DURABILITY";
/// So many appends each child makes.
const APPENDS: usize = 14;
const EIO: u32 = 5;
const ENOSPC: u32 = 28;

/// What became of an append, as the child was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// With the position that it was told.
    Acknowledged(u64),
    Refused,
    Unknown,
}

/// Not a test of its own: appends, and says what it is told. What fails it tries again, mostly.
#[test]
fn child_appends_while_calls_fail() {
    let Some(directory) = child_directory() else {
        return;
    };
    let directory = Path::new(&directory);
    let seed = number_of(SEED, 1);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut store = open(directory);
    for number in 0..APPENDS {
        let length = *random.choice(&[5, 50, 700, 5_000, 30_000]).unwrap();
        let payload = format!("{number} {}", "x".repeat(length));
        let stream = StreamName::new(format!("of-{}", number % 3)).unwrap();
        let entries = EntryWrite::new().put(number.to_string().as_bytes(), &vec![1; length / 2]);
        // One of before is removed, so that there are free pages.
        let entries = match number {
            0..2 => entries,
            _ => entries.remove((number - 2).to_string().as_bytes()),
        };
        let work = Append::to(stream, ExpectedVersion::Any, [event(payload)]).with_entries(entries);
        let mut fate = Fate::Refused;
        for _ in 0..random.usize(1..4) {
            let Some(opened) = &store else { break };
            match block_on(opened.append(work.clone())) {
                Ok(appended) => {
                    fate = Fate::Acknowledged(appended.position.unwrap().get());
                    break;
                }
                Err(AppendError::Store(StoreError::OutcomeUnknown { .. })) => fate = Fate::Unknown,
                Err(error) if error.to_string().contains("open it again") => {
                    drop(store.take());
                    store = open(directory);
                }
                Err(_) => {}
            }
        }
        match fate {
            Fate::Acknowledged(position) => println!("acknowledged {number} {position}"),
            Fate::Refused => println!("refused {number}"),
            Fate::Unknown => println!("unknown {number}"),
        }
    }
    println!("done");
    match random.bool() {
        true => drop(store),
        // The power is cut while it is open.
        false => std::process::exit(0),
    }
}

/// The store may not be opened at once, when a call fails meanwhile.
fn open(directory: &Path) -> Option<LmdbStore> {
    let durability = match number_of(DURABILITY, 0) {
        0 => Durability::Sync,
        _ => Durability::NoMetaSync,
    };
    let open = || LmdbStore::options().durability(durability).open(directory);
    open().or_else(|_| open()).ok()
}

/// Not a test of its own: says what is in a store, which may be damaged so that LMDB ends the process.
#[test]
fn child_reads() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::open(directory).unwrap();
    assert_sound(&verify(&store));
    let log = read_log(&store).unwrap();
    for (event, payload) in log.iter().zip(payloads(&log)) {
        let (number, _) = payload.split_once(' ').unwrap();
        println!("stored {} {number}", event.position);
    }
    for (key, _) in read_entries(&store, &ReadEntries::prefix(b"")) {
        println!("entry {}", String::from_utf8(key).unwrap());
    }
    append(&store, "more", vec![event("more")]).unwrap();
    assert_sound(&verify(&store));
    println!("sound");
}

/// Which calls fail, and how.
#[derive(Debug, Clone, Copy)]
struct Fault {
    /// The first one, from 1.
    at: usize,
    many: usize,
    late: u8,
    error: u32,
    seed: u64,
    durability: u64,
}

/// What came of it.
struct Outcome {
    calls: usize,
    fates: [usize; 3],
}

/// Lets a child append while calls fail, and looks at what is there when the power was cut.
fn run(bench: &Bench, fault: Fault) -> Outcome {
    let numbers = [
        ("FAULT_AT", fault.at as u64),
        ("FAULT_MANY", fault.many as u64),
        ("FAULT_LATE", u64::from(fault.late)),
        ("FAULT_ERROR", u64::from(fault.error)),
        ("FAULT_SEED", fault.seed),
        (SEED, fault.seed),
        (DURABILITY, fault.durability),
    ];
    let disk = bench.disk();
    let mut child = disk.start("child_appends_while_calls_fail", &numbers);
    let ended = child.end_within(Duration::from_secs(60));
    assert!(ended.is_some(), "{fault:?} never ends");
    assert_eq!(child.said("done").len(), 1, "{fault:?}");
    let fates = fates(&child);
    let mut reader = Process::start("child_reads", &disk.after_the_power_cut(), &[]);
    reader.end();
    let is_sound = reader.said("sound").len() == 1;
    assert!(
        is_sound,
        "{fault:?} left a store that is damaged; {fates:?}"
    );
    compare(&fates, &reader, fault);
    Outcome {
        calls: disk.calls(),
        fates: [
            count(&fates, |fate| matches!(fate, Fate::Acknowledged(_))),
            count(&fates, |fate| fate == Fate::Refused),
            count(&fates, |fate| fate == Fate::Unknown),
        ],
    }
}

fn count(fates: &BTreeMap<usize, Fate>, is: impl Fn(Fate) -> bool) -> usize {
    fates.values().filter(|fate| is(**fate)).count()
}

fn fates(child: &Process) -> BTreeMap<usize, Fate> {
    let acknowledged = child.said("acknowledged ").into_iter().map(|words| {
        let (number, position) = words.split_once(' ').unwrap();
        (
            number.parse().unwrap(),
            Fate::Acknowledged(position.parse().unwrap()),
        )
    });
    let others = [("refused ", Fate::Refused), ("unknown ", Fate::Unknown)];
    let others = others.into_iter().flat_map(|(word, fate)| {
        let numbers = child.said(word).into_iter();
        numbers.map(move |number| (number.parse().unwrap(), fate))
    });
    let fates: BTreeMap<_, _> = acknowledged.chain(others).collect();
    assert_eq!(fates.len(), APPENDS);
    fates
}

/// Compares what the child was told with what is there after the power was cut.
fn compare(fates: &BTreeMap<usize, Fate>, reader: &Process, fault: Fault) {
    let stored = reader.said("stored ");
    let stored = stored.iter().map(|words| words.split_once(' ').unwrap());
    let stored: Vec<(u64, usize)> = stored
        .map(|(position, number)| (position.parse().unwrap(), number.parse().unwrap()))
        // The one that was there before.
        .filter(|(position, _)| *position > 1)
        .collect();
    for (number, fate) in fates {
        let found: Vec<_> = stored
            .iter()
            .filter(|(_, stored)| stored == number)
            .collect();
        let story =
            || format!("{fault:?}: {number} was {fate:?}, and there is {stored:?}; all: {fates:?}");
        match fate {
            Fate::Acknowledged(position) if fault.durability == 0 => {
                assert_eq!(found, [&(*position, *number)], "{}", story());
            }
            Fate::Refused => assert!(found.is_empty(), "{}", story()),
            // The last ones may be gone without the flush of each.
            Fate::Acknowledged(_) | Fate::Unknown => assert!(found.len() <= 1, "{}", story()),
        }
    }
    // Entries came with the events, or not.
    let mut entries = BTreeSet::new();
    for (_, number) in &stored {
        entries.insert(number.to_string());
        if let Some(gone) = number.checked_sub(2) {
            entries.remove(&gone.to_string());
        }
    }
    let found = reader.said("entry ").into_iter().collect();
    assert_eq!(entries, found, "{fault:?}: {fates:?}");
}

#[test]
fn whichever_call_fails_what_was_acknowledged_is_there_and_what_was_refused_is_not() {
    if child_directory().is_some() {
        return;
    }
    let Some(bench) = Bench::new() else { return };
    let sound = Fault {
        at: 0,
        many: 0,
        late: 0,
        error: EIO,
        seed: 1,
        durability: 0,
    };
    let Outcome { calls, fates } = run(&bench, sound);
    assert_eq!(fates, [APPENDS, 0, 0]);
    println!("{calls} calls on the data file");

    let (faults, first) = (number_of(FAULTS, 100), number_of(SEED, 1));
    let began = Instant::now();
    let fates: Vec<_> = thread::scope(|scope| {
        let threads = (0..4).map(|thread| {
            let bench = &bench;
            scope.spawn(move || {
                let seeds = (first..first + faults).filter(|seed| seed % 4 == thread);
                let outcomes = seeds.map(|seed| run(bench, fault(seed, calls)).fates);
                outcomes.collect::<Vec<_>>()
            })
        });
        let threads: Vec<_> = threads.collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let sum = |fate: usize| fates.iter().map(|fates| fates[fate]).sum::<usize>();
    println!(
        "{faults} faults in {:?}: {} appends were acknowledged, {} refused, {} of unknown outcome",
        began.elapsed(),
        sum(0),
        sum(1),
        sum(2)
    );
    assert!(sum(0) > 0 && sum(1) > 0 && sum(2) > 0);
}

/// One call after the other fails, each in one of the ways.
fn fault(seed: u64, calls: usize) -> Fault {
    let mut random = fastrand::Rng::with_seed(seed);
    Fault {
        at: 1 + random.usize(..calls),
        many: *random.choice(&[1, 1, 1, 2, 3, 5, 1_000_000]).unwrap(),
        late: random.u8(..3),
        error: *random.choice(&[EIO, ENOSPC]).unwrap(),
        seed,
        durability: u64::from(random.u8(..5) == 0),
    }
}
