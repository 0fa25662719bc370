//! What a process does until it is killed: some producers append on conditions, and note what they are told.

use super::super::Random;
use super::attempt::{Attempt, Condition, query, request};
use super::line::Line;
use crate::common::journal::Journal;
use crate::common::process::end_when_left_alone;
use crate::common::stream;
use midgard::store::{
    AppendError, Appended, ExpectedVersion, Query, QueryItem, ReadLog, StoreError,
};
use midgard::{LogId, Position, Store, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// The variables with the number of the process, which no other has, and with the seed of the run.
pub(super) const NUMBER: &str = "MIDGARD_TEST_WRITER";
pub(super) const SEED: &str = "MIDGARD_TEST_SEED";
/// After so many answers a process says so.
const ANSWERS: u64 = 20;
const PRODUCERS: u64 = 8;

pub(super) fn run(directory: &Path) {
    end_when_left_alone();
    let variable = |name: &str| -> u64 { std::env::var(name).unwrap().parse().unwrap() };
    let number = variable(NUMBER);
    // Some wait for the disk, which gives others time between their reads and their appends.
    let durability = match number.is_multiple_of(3) {
        true => Durability::default(),
        false => Durability::NoSync,
    };
    let options = LmdbStore::options().durability(durability);
    let store = options.open(directory.join("store"));
    let process = Process {
        store: store.unwrap_or_else(|error| fail(&error)),
        journal: Journal::create(&directory.join("journals").join(number.to_string())),
        number,
        attempts: AtomicU64::new(0),
        answers: AtomicU64::new(0),
    };
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let seed =
                variable(SEED) ^ (number << 32 | producer).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let (process, mut random) = (&process, Random::new(seed));
            scope.spawn(move || {
                loop {
                    process.step(&mut random);
                }
            });
        }
    });
}

/// Nothing that a producer does may fail.
fn fail(error: &dyn std::fmt::Debug) -> ! {
    println!("failed {error:?}");
    std::process::exit(1)
}

struct Process {
    store: LmdbStore,
    journal: Journal,
    number: u64,
    attempts: AtomicU64,
    answers: AtomicU64,
}

impl Process {
    fn step(&self, random: &mut Random) {
        match random.below(60) {
            0 | 1 => self.truncate(&format!("rolling-{}", random.below(6)), random),
            2 => self.tombstone(&format!("ended-{}", random.below(200))),
            _ => self.attempt(random),
        }
        let answers = self.answers.fetch_add(1, Ordering::Relaxed) + 1;
        if answers.is_multiple_of(ANSWERS) {
            println!("answered {answers}");
        }
    }

    fn note(&self, line: &Line) {
        self.journal.write(&line.text());
    }

    fn attempt(&self, random: &mut Random) {
        let once = (random.below(6) == 0).then(|| request(random));
        let condition = match &once {
            Some(tag) => Some(Condition::new(
                &QueryItem::new().tag(tag).into(),
                Position::ZERO,
            )),
            None => (random.below(10) > 0).then(|| self.condition(random)),
        };
        let attempt = Attempt {
            number: self.number << 32 | self.attempts.fetch_add(1, Ordering::Relaxed),
            parts: parts(random),
            condition,
        };
        let append = attempt.append(random, once.as_deref());
        let number = attempt.number;
        match block_on(self.store.append(append)) {
            Ok(appended) => self.note(&appended_line(&attempt, &appended)),
            Err(AppendError::ConditionFailed { after, place }) => {
                let Some(condition) = attempt.condition else {
                    fail(&"an append without a condition was refused");
                };
                if after.position.get() != condition.after {
                    fail(&(after, condition));
                }
                self.note(&Line::Refused {
                    number,
                    condition,
                    position: place.position.get(),
                });
            }
            Err(AppendError::Tombstoned { stream, .. }) => self.note(&Line::Ended {
                number,
                stream: stream.as_str().to_owned(),
            }),
            Err(error) => fail(&error),
        }
    }

    /// A random query, after a position that was read now, is recent, is old, or is none.
    fn condition(&self, random: &mut Random) -> Condition {
        let query = query(random);
        let after = match random.below(10) {
            0 => Position::ZERO,
            1..=5 => self.last_of(&query),
            6..=8 => Position(self.end().get().saturating_sub(random.below(60) as u64)),
            _ => Position(random.below(self.end().get() as usize + 1) as u64),
        };
        Condition::new(&query, after)
    }

    fn end(&self) -> Position {
        self.or_fail(block_on(self.store.last_position(LogId::MAIN)))
    }

    /// The position of the last event that matches, as a decision reads it.
    fn last_of(&self, query: &Query) -> Position {
        let read = ReadLog::backward().matching(query.clone()).limit(1);
        let mut last = Position::ZERO;
        self.or_fail(block_on(self.store.read_log(&read, &mut |event| {
            last = event.position;
            ControlFlow::Continue(())
        })));
        last
    }

    fn or_fail<T>(&self, answer: Result<T, StoreError>) -> T {
        answer.unwrap_or_else(|error| fail(&error))
    }

    fn truncate(&self, name: &str, random: &mut Random) {
        let state = self.or_fail(block_on(self.store.stream_state(&stream(name))));
        let kept = random.below(20) as u64;
        let before = Version(state.last.get().saturating_sub(kept) + 1);
        self.removing(name, before);
        let name = stream(name);
        let truncated = self.store.truncate(&name, before, ExpectedVersion::Any);
        block_on(truncated).unwrap_or_else(|error| fail(&error));
    }

    fn tombstone(&self, name: &str) {
        self.removing(name, Version::MAX);
        match block_on(self.store.tombstone(&stream(name), ExpectedVersion::Any)) {
            Ok(()) | Err(AppendError::Tombstoned { .. }) => {}
            Err(error) => fail(&error),
        }
    }

    fn removing(&self, name: &str, before: Version) {
        self.note(&Line::Removing {
            stream: name.to_owned(),
            before: before.get(),
        });
    }
}

fn appended_line(attempt: &Attempt, appended: &Appended) -> Line {
    let parts = attempt.parts.iter().zip(&appended.versions);
    let events = parts.flat_map(|((name, count), last)| {
        let before = last.get() - *count as u64;
        (before + 1..=last.get()).map(|version| (name.clone(), version))
    });
    Line::Appended {
        number: attempt.number,
        events: events.collect(),
        last: appended.position.unwrap().get(),
    }
}

/// Streams, and how many events each gets. Some streams are truncated now and then, and some are ended.
fn parts(random: &mut Random) -> Vec<(String, usize)> {
    let streams = match random.below(4) {
        0 => 2 + random.below(3),
        _ => 1,
    };
    let mut names: Vec<_> = (0..streams)
        .map(|_| match random.below(12) {
            0 => format!("ended-{}", random.below(200)),
            1..=3 => format!("rolling-{}", random.below(6)),
            _ => format!("kept-{}", random.below(30)),
        })
        .collect();
    names.sort();
    names.dedup();
    let part = |name| {
        let count = match random.below(100) {
            0 => 200 + random.below(400),
            1..=12 => 2 + random.below(12),
            _ => 1,
        };
        (name, count)
    };
    names.into_iter().map(part).collect()
}
