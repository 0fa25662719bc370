//! Kill -9 at random moments of one of two processes, or of both, with 64 producers each on one store: what is
//! in a journal outside the store is in the store, nothing is torn, and the other process goes on.
//!
//! `MIDGARD_TEST_CYCLES` says how often something is killed; `MIDGARD_TEST_SEED` repeats the choices of a run,
//! though not its moments.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;
mod journal;
mod ledger;
mod producers;

use common::process::{LONG, Process};
use common::{child_directory, event, number_of, stream};
use fastrand::Rng;
use ledger::Ledger;
use midgard::store::{Append, ExpectedVersion};
use midgard::{Store, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Events that are there before: enough for what a store keeps of its older events to be in many places.
const BEFORE: usize = 120_000;
/// After so many cycles everything is read from the start.
const CYCLES_PER_FULL_CHECK: u64 = 25;

/// A process that writes, with a name of its own.
struct Writer {
    process: Process,
    number: u64,
}

impl Writer {
    fn start(directory: &Path, number: u64, ledger: &mut Ledger) -> Self {
        ledger.begin(number);
        let name = "child_appends_with_64_producers";
        let number_of_writer = number.to_string();
        let variables = [(producers::NUMBER, number_of_writer.as_str())];
        Writer {
            process: Process::start(name, directory, &variables),
            number,
        }
    }

    /// Waits until something was appended that was asked for now.
    fn goes_on(&mut self) {
        self.process.say("append");
        if self.process.next_within("appended", LONG).is_none() {
            let failed = self.process.said("failed ");
            panic!("writer {} does not go on: {failed:?}", self.number);
        }
    }

    fn kill(&mut self, ledger: &mut Ledger) {
        self.process.kill();
        ledger.end(self.number);
        let failed = self.process.said("failed ");
        assert!(failed.is_empty(), "writer {}: {failed:?}", self.number);
    }
}

#[test]
fn child_appends_with_64_producers() {
    if let Some(directory) = child_directory() {
        producers::run(directory.as_ref());
    }
}

#[test]
fn kills_of_two_processes_that_write_lose_nothing_and_tear_nothing() {
    if child_directory().is_some() {
        return;
    }
    let cycles = number_of("MIDGARD_TEST_CYCLES", 12);
    let seed = number_of("MIDGARD_TEST_SEED", u64::from(std::process::id()));
    println!("MIDGARD_TEST_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    fill(&directory.join("store"));
    let mut ledger = Ledger::new(directory);
    let mut numbers = 0..;
    let mut start = |ledger: &mut Ledger| {
        let number = numbers.next().unwrap();
        Writer::start(directory, number, ledger)
    };
    let mut writers = [start(&mut ledger), start(&mut ledger)];
    for cycle in 0..cycles {
        let victim = (cycle % 2) as usize;
        for writer in &mut writers {
            writer.goes_on();
        }
        // Spread over the phases of commits.
        thread::sleep(Duration::from_micros(random.u64(..40_000)));
        writers[victim].kill(&mut ledger);
        if random.u8(..4) == 0 {
            writers[1 - victim].kill(&mut ledger);
        } else {
            writers[1 - victim].goes_on();
        }
        if random.u8(..3) == 0 {
            // What checks is one of those who have the store open, or opens it after a kill.
            ledger.close();
        }
        ledger.check_new(cycle);
        if (cycle + 1) % CYCLES_PER_FULL_CHECK == 0 {
            ledger.check_all(cycle);
        }
        if random.u8(..4) == 0 {
            // One that is killed while it opens the store.
            let mut early = start(&mut ledger);
            thread::sleep(Duration::from_micros(random.u64(..30_000)));
            early.kill(&mut ledger);
        }
        for writer in &mut writers {
            if writer.process.has_ended() {
                *writer = start(&mut ledger);
            }
        }
    }
    for writer in &mut writers {
        writer.goes_on();
        writer.kill(&mut ledger);
    }
    ledger.check_new(cycles);
    ledger.check_all(cycles);
    println!("{cycles} cycles, {ledger}");
    assert!(ledger.acknowledged() > cycles * 64);
}

/// Writes events of many streams, without waiting for the disk.
fn fill(directory: &Path) {
    let store = LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory)
        .unwrap();
    for batch in 0..BEFORE / 1_000 {
        let one = |number: usize| {
            let name = stream(&format!(
                "before-{}",
                (batch * 1_000 + number * 7) % producers::STREAMS_BEFORE
            ));
            (name, [event("before/1")])
        };
        let (name, events) = one(0);
        let first = Append::to(name, ExpectedVersion::Any, events);
        let append = (1..1_000).map(one).fold(first, |append, (name, events)| {
            append.and(name, ExpectedVersion::Any, events)
        });
        block_on(store.append(append)).unwrap();
    }
}
