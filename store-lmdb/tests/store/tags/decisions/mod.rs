//! Every event stores the condition of its append, and a replay of the log decides again, while several processes append,
//! truncate and end streams, and are killed at random moments.
//!
//! `MIDGARD_TEST_CYCLES` says how often something is killed; `MIDGARD_TEST_SEED` repeats the choices of a run, though not
//! its moments.

mod attempt;
mod line;
mod replay;
mod writer;

use super::*;
use crate::common::process::{LONG, Process};
use crate::common::{child_directory, number_of, verify};
use attempt::Attempt;
use replay::Replay;
use std::thread;
use std::time::Duration;

/// Processes that write at once.
const WRITERS: usize = 3;
/// Events that are there before: some are in runs of the index, and some are not.
const BEFORE: u64 = 36_000;

/// A process that writes, with a number of its own.
struct Writer {
    process: Process,
    number: u64,
}

impl Writer {
    fn start(directory: &Path, number: u64, seed: u64, replay: &mut Replay) -> Self {
        replay.begin(number);
        let (number_of_writer, seed) = (number.to_string(), seed.to_string());
        let variables = [
            (writer::NUMBER, number_of_writer.as_str()),
            (writer::SEED, seed.as_str()),
        ];
        let name = "tags::decisions::child_decides_until_killed";
        Writer {
            process: Process::start(name, directory, &variables),
            number,
        }
    }

    /// Waits for some answers that it gets.
    fn goes_on(&self) {
        if self.process.next_within("answered ", LONG).is_none() {
            let failed = self.process.said("failed ");
            panic!("writer {} does not go on: {failed:?}", self.number);
        }
    }

    fn kill(&mut self, replay: &mut Replay) {
        self.process.kill();
        replay.end(self.number);
        let failed = self.process.said("failed ");
        assert!(failed.is_empty(), "writer {}: {failed:?}", self.number);
    }
}

/// Not a test of its own: decides until it is killed.
#[test]
fn child_decides_until_killed() {
    if let Some(directory) = child_directory() {
        writer::run(directory.as_ref());
    }
}

#[test]
fn a_replay_decides_as_the_store_has_though_processes_are_killed() {
    if child_directory().is_some() {
        return;
    }
    let cycles = number_of("MIDGARD_TEST_CYCLES", 6);
    let seed = number_of("MIDGARD_TEST_SEED", u64::from(std::process::id()));
    println!("MIDGARD_TEST_SEED={seed}");
    let random = &mut Random::new(seed);
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let mut replay = Replay::new(directory);
    fill_with_attempts(&replay.store(), random);
    let mut numbers = 1..;
    let mut start =
        |replay: &mut Replay| Writer::start(directory, numbers.next().unwrap(), seed, replay);
    let mut writers: Vec<_> = (0..WRITERS).map(|_| start(&mut replay)).collect();
    for cycle in 0..cycles {
        for writer in &mut writers {
            (0..=random.below(3)).for_each(|_| writer.goes_on());
        }
        // Spread over the phases of commits.
        thread::sleep(Duration::from_micros(random.0.u64(..20_000)));
        let kills = match random.below(6) {
            0 => WRITERS,
            1 => 2,
            _ => 1,
        };
        let first = random.below(WRITERS);
        for victim in 0..kills {
            writers[(first + victim) % WRITERS].kill(&mut replay);
        }
        if random.below(3) == 0 {
            // The check is by a process that has the store open, or that opens it after a kill.
            replay.close();
        }
        replay.check();
        if kills == WRITERS {
            // Nobody writes, so that every query has one answer.
            replay.check_all();
            check(&replay.store(), random, 2);
            println!("cycle {cycle}: {replay}");
        }
        for writer in &mut writers {
            if writer.process.has_ended() {
                *writer = start(&mut replay);
            }
        }
    }
    for writer in &mut writers {
        writer.goes_on();
        writer.kill(&mut replay);
    }
    replay.check_all();
    println!("{cycles} cycles, {replay}");
    let store = replay.store();
    check(&store, random, 4);
    let verification = verify(&store);
    assert!(verification.is_sound(), "{verification:?}");
    assert!(verification.tag_entries > 0, "the index was used");
    let counts = replay.counts();
    let few = cycles * 10;
    assert!(
        counts.decisions > few && counts.appended > few,
        "{counts:?}"
    );
    assert!(counts.refused > few && counts.ended > 0, "{counts:?}");
    assert!(
        counts.refused_for_removed * 5 < counts.refused,
        "{counts:?}"
    );
}

/// Appends without conditions.
fn fill_with_attempts(store: &LmdbStore, random: &mut Random) {
    const BATCH: u64 = 1_000;
    for number in 0..BEFORE / BATCH {
        let attempt = Attempt {
            number,
            parts: vec![(format!("before-{}", number % 7), BATCH as usize)],
            condition: None,
        };
        block_on(store.append(attempt.append(random, None))).unwrap();
    }
}
