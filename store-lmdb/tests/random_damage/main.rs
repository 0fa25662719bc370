//! Bytes that are changed and files that are cut at random places: each answer is an error or the right one,
//! never a wrong event, never a panic, never a hang. A process of its own looks at each damaged store.
//!
//! LMDB has no checksums for its own pages, so damage there can make it crash the process. That is counted by
//! what the damaged byte was for, and printed. To show less than what was stored is as wrong as to show more.
//!
//! `MIDGARD_TEST_DAMAGES` says how many stores are damaged, `MIDGARD_TEST_SEED` which one comes first, and
//! `MIDGARD_TEST_EVENTS` how many events the long stream has.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;
mod pages;
mod sample;
mod verdict;

use common::process::{LONG, Process};
use common::{child_directory, number_of};
use fastrand::Rng;
use pages::{Pages, Place};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use verdict::{Judge, Verdict};

/// So many processes look at damaged stores at once.
const WORKERS: usize = 2;

/// Not a test of its own: looks at one damaged store.
#[test]
fn child_looks_at_a_damaged_store() {
    let Some(directory) = child_directory() else {
        return;
    };
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        println!("panicked {panic}");
        usual(panic);
    }));
    let directory = Path::new(&directory);
    let intact = sample::open(&directory.with_file_name("intact")).unwrap();
    let contents = sample::read(&intact);
    let mut judge = Judge::new(&contents);
    judge.try_all(directory);
    println!(
        "verdict {:?} {}",
        judge.worst,
        judge.about.replace('\n', " ")
    );
}

/// What was done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Damage {
    Changed { at: usize },
    Zeroed { at: usize },
    Cut { at: usize },
}

/// A device writes so many bytes or none.
const SECTOR: usize = 512;

impl Damage {
    /// Does something to the bytes of a file, at a place that depends on the seed alone.
    fn of(seed: u64, intact: &[u8], places: &BTreeMap<Place, Vec<usize>>) -> (Self, Vec<u8>) {
        let mut random = Rng::with_seed(seed);
        let mut bytes = intact.to_vec();
        let damage = match random.u8(..10) {
            0 => Damage::Cut {
                at: random.usize(..bytes.len()),
            },
            1 => Damage::Zeroed {
                at: random.usize(..bytes.len()) / SECTOR * SECTOR,
            },
            // Most bytes are payloads, or for nothing: most places are chosen by what they are for.
            2..4 => Damage::Changed {
                at: random.usize(..bytes.len()),
            },
            _ => {
                let of = random.usize(..places.len());
                let places = places.values().nth(of).unwrap();
                Damage::Changed {
                    at: places[random.usize(..places.len())],
                }
            }
        };
        match damage {
            Damage::Cut { at } => bytes.truncate(at),
            Damage::Zeroed { at } => bytes[at..at + SECTOR].fill(0),
            Damage::Changed { at } => bytes[at] ^= random.u8(1..),
        }
        (damage, bytes)
    }
}

/// What became of a process that looked at a damaged store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Judged(Verdict),
    Crashed,
    Panicked,
    Hung,
}

impl Outcome {
    const ALL: [Outcome; 7] = [
        Outcome::Judged(Verdict::Right),
        Outcome::Judged(Verdict::Error),
        Outcome::Judged(Verdict::Incomplete),
        Outcome::Judged(Verdict::Wrong),
        Outcome::Crashed,
        Outcome::Panicked,
        Outcome::Hung,
    ];

    /// What is never right, wherever the damage is.
    fn is_never_right(self) -> bool {
        use Outcome::{Hung, Judged, Panicked};
        matches!(
            self,
            Judged(Verdict::Incomplete | Verdict::Wrong) | Panicked | Hung
        )
    }

    fn is_right_or_error(self) -> bool {
        matches!(self, Outcome::Judged(Verdict::Right | Verdict::Error))
    }
}

/// Lets a process look at a store. Gives what it says, too.
fn look_at(directory: &Path) -> (Outcome, String) {
    let name = "child_looks_at_a_damaged_store";
    let mut process = Process::start_in("exec 2>/dev/null;", name, directory, &[]);
    let status = process.end_within(LONG);
    let panic = process.said("panicked ").pop();
    let Some(status) = status else {
        return (Outcome::Hung, process.said("verdict ").concat());
    };
    if let Some(signal) = status.signal() {
        let when = match process.said("appending").len() {
            0 => "reading",
            _ => "appending",
        };
        // Where LMDB gives what cannot be, a build with checks panics in a place that cannot unwind.
        let panic = panic.unwrap_or_default();
        return (Outcome::Crashed, format!("signal {signal}, {when} {panic}"));
    }
    if let Some(panic) = panic {
        return (Outcome::Panicked, panic);
    }
    let said = process.said("verdict ").pop();
    let said = said.unwrap_or_else(|| panic!("the process ended with {status}"));
    let mut verdicts = Verdict::ALL.into_iter();
    let verdict = verdicts.find(|verdict| said.starts_with(&format!("{verdict:?}")));
    (Outcome::Judged(verdict.unwrap()), said)
}

#[test]
fn damage_at_random_places_never_shows_a_wrong_event() {
    if child_directory().is_some() {
        return;
    }
    let damages = number_of("MIDGARD_TEST_DAMAGES", 100);
    let first = number_of("MIDGARD_TEST_SEED", 0);
    let directory = tempfile::tempdir().unwrap();
    let intact = directory.path().join("intact");
    sample::write(&intact, number_of("MIDGARD_TEST_EVENTS", 4_000) as usize);
    let bytes = fs::read(intact.join("data.mdb")).unwrap();
    let pages = Pages::of(&bytes);
    let places = pages.by_place();
    let next = AtomicU64::new(first);
    let counts = Mutex::new(BTreeMap::<String, BTreeMap<Outcome, u64>>::new());
    let bad = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + damages {
                        return;
                    }
                    let (damage, bytes) = Damage::of(seed, &bytes, &places);
                    let damaged = directory.path().join(seed.to_string());
                    fs::create_dir(&damaged).unwrap();
                    fs::write(damaged.join("data.mdb"), bytes).unwrap();
                    let (outcome, said) = look_at(&damaged);
                    fs::remove_dir_all(&damaged).unwrap();
                    let (of, is_bad) = match damage {
                        Damage::Cut { .. } => ("Cut".to_owned(), false),
                        Damage::Zeroed { .. } => ("Zeroed".to_owned(), false),
                        Damage::Changed { at } => {
                            let place = pages.of_byte(at);
                            let of = place.1;
                            let is_bad = of.is_value() && !outcome.is_right_or_error();
                            let is_right = outcome == Outcome::Judged(Verdict::Right);
                            (pages.name(place), is_bad || of.is_idle() && !is_right)
                        }
                    };
                    if !outcome.is_right_or_error() || is_bad {
                        let about = format!("seed {seed}, {damage:?} {of}: {outcome:?} {said}");
                        println!("{about}");
                        if is_bad || outcome.is_never_right() {
                            bad.lock().unwrap().push(about);
                        }
                    }
                    let mut counts = counts.lock().unwrap();
                    *counts.entry(of).or_default().entry(outcome).or_default() += 1;
                }
            });
        }
    });
    print(&counts.into_inner().unwrap());
    let bad = bad.into_inner().unwrap();
    assert!(
        bad.is_empty(),
        "{} of {damages}:\n{}",
        bad.len(),
        bad.join("\n")
    );
}

fn print(counts: &BTreeMap<String, BTreeMap<Outcome, u64>>) {
    let mut line = format!("\n{:20}", "damaged");
    for outcome in Outcome::ALL {
        let name = match outcome {
            Outcome::Judged(verdict) => format!("{verdict:?}"),
            outcome => format!("{outcome:?}"),
        };
        line += &format!("{name:>11}");
    }
    println!("{line}");
    for (of, outcomes) in counts {
        let mut line = format!("{of:20}");
        for outcome in Outcome::ALL {
            let count = outcomes.get(&outcome).copied().unwrap_or(0);
            line += &format!("{count:>11}");
        }
        println!("{line}");
    }
}
