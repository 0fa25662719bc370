//! What a process does until it is killed: 64 producers append in all ways, and note what they are told.

use crate::common::journal::Journal;
use crate::common::process::told;
use crate::common::{event, stream};
use crate::journal::Line;
use fastrand::Rng;
use midgard::event::NewEvent;
use midgard::store::{Append, Appended, ExpectedVersion};
use midgard::{Store, Version, block_on};
use midgard_store_lmdb::LmdbStore;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// The variable with the number of the process, which no other has.
pub(crate) const NUMBER: &str = "MIDGARD_TEST_WRITER";

const PRODUCERS: u64 = 64;
/// Streams that the producers of all processes append to.
const SHARED: u64 = 8;
/// Streams that there were before.
pub(crate) const STREAMS_BEFORE: usize = 2_003;

pub(crate) fn run(directory: &Path) {
    let number = std::env::var(NUMBER).unwrap();
    let journal = directory.join("journals");
    let process = Process {
        store: open(&directory.join("store"), &number),
        journal: Journal::create(&journal.join(&number)),
        number: number.parse().unwrap(),
        batches: AtomicU64::new(0),
    };
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let process = &process;
            scope.spawn(move || Producer::new(process, producer).run());
        }
        // Shows from outside that a further append gets through.
        while told().is_some() {
            let name = format!("asked-{number}");
            process.append(&name, ExpectedVersion::Any, 1, None);
            println!("appended");
        }
        std::process::exit(1);
    });
}

/// Some processes have maps that they outgrow.
fn open(directory: &Path, number: &str) -> LmdbStore {
    let options = LmdbStore::options();
    let options = match number.ends_with(['0', '3', '6']) {
        true => options.initial_map_size(1 << 20),
        false => options,
    };
    options.open(directory).unwrap_or_else(|error| fail(&error))
}

struct Process {
    store: LmdbStore,
    journal: Journal,
    number: u64,
    /// How many appends were begun.
    batches: AtomicU64,
}

impl Process {
    /// Appends so many events to a stream, and to another one. Each event says of which append it is, and of
    /// how many events that is.
    fn append(
        &self,
        name: &str,
        expected: ExpectedVersion,
        count: usize,
        other: Option<(&str, usize)>,
    ) -> Version {
        let batch = self.batches.fetch_add(1, Ordering::Relaxed);
        let of = count + other.map_or(0, |(_, count)| count);
        let events = |count: usize| -> Vec<NewEvent> {
            let payload = format!("{}-{batch}/{of}", self.number);
            (0..count).map(|_| event(payload.clone())).collect()
        };
        let mut parts = vec![(name, events(count))];
        let mut append = Append::to(stream(name), expected, parts[0].1.clone());
        if let Some((name, count)) = other {
            let events = events(count);
            append = append.and(stream(name), ExpectedVersion::Any, events.clone());
            parts.push((name, events));
        }
        let appended = self.try_append(append.clone());
        // What somebody removed meanwhile would not be known any more.
        if batch.is_multiple_of(16) && !name.starts_with("rolling-") {
            // A retry is told the same.
            let again = self.try_append(append);
            if again != appended {
                fail(&format!(
                    "{appended:?}, and when it was tried again {again:?}"
                ));
            }
        }
        let mut lines = Vec::new();
        for ((name, events), last) in parts.iter().zip(&appended.versions) {
            let before = last.get() - events.len() as u64;
            lines.extend(
                events
                    .iter()
                    .zip(before + 1..)
                    .map(|(event, version)| Line::Appended {
                        stream: (*name).to_owned(),
                        version: Version(version),
                        id: event.id,
                    }),
            );
        }
        self.note(&lines);
        appended.versions[0]
    }

    fn try_append(&self, append: Append) -> Appended {
        block_on(self.store.append(append)).unwrap_or_else(|error| fail(&error))
    }

    fn note(&self, lines: &[Line]) {
        let mut text = String::new();
        lines.iter().for_each(|line| line.write(&mut text));
        self.journal.write(&text);
    }

    /// Removes what is before a version.
    fn truncate(&self, name: &str, before: Version) {
        let (stream, name) = (stream(name), name.to_owned());
        self.note(&[Line::Truncating {
            stream: name.clone(),
            before,
        }]);
        block_on(self.store.truncate(&stream, before, ExpectedVersion::Any))
            .unwrap_or_else(|error| fail(&error));
        self.note(&[Line::Truncated {
            stream: name,
            before,
        }]);
    }

    fn tombstone(&self, name: &str) {
        let (stream, name) = (stream(name), name.to_owned());
        self.note(&[Line::Truncating {
            stream: name.clone(),
            before: Version::MAX,
        }]);
        block_on(self.store.tombstone(&stream, ExpectedVersion::Any))
            .unwrap_or_else(|error| fail(&error));
        self.note(&[Line::Tombstoned { stream: name }]);
    }
}

/// Nothing that a producer does may fail.
fn fail(error: &dyn std::fmt::Debug) -> ! {
    println!("failed {error:?}");
    std::process::exit(1)
}

struct Producer<'p> {
    process: &'p Process,
    random: Rng,
    /// The stream that nobody else appends to, and its version.
    own: (String, Version),
}

impl<'p> Producer<'p> {
    fn new(process: &'p Process, producer: u64) -> Self {
        let number = process.number;
        Producer {
            process,
            random: Rng::with_seed(number << 32 | producer),
            own: (format!("own-{number}-{producer}"), Version::ZERO),
        }
    }

    fn run(mut self) {
        loop {
            self.step();
        }
    }

    fn step(&mut self) {
        let any = ExpectedVersion::Any;
        let (process, random) = (self.process, &mut self.random);
        let shared = format!("shared-{}", random.u64(..SHARED));
        match random.u8(..10) {
            0 => {
                let rolling = format!("rolling-{}", random.u64(..SHARED));
                process.append(&rolling, any, 1, None);
                if random.bool() {
                    let state = block_on(process.store.stream_state(&stream(&rolling)));
                    let last = state.unwrap_or_else(|error| fail(&error)).last.get();
                    let kept = random.u64(..10);
                    process.truncate(&rolling, Version(last.saturating_sub(kept) + 1));
                }
            }
            1 => {
                let once = format!("once-{}-{}", self.own.0, random.u32(..));
                process.append(&once, any, 1, None);
                if random.u8(..4) == 0 {
                    process.tombstone(&once);
                }
            }
            2 | 3 => {
                let before = format!("before-{}", random.usize(..STREAMS_BEFORE));
                process.append(&before, any, random.usize(1..3), None);
            }
            4 | 5 => {
                process.append(&shared, any, random.usize(1..4), None);
            }
            _ => {
                // Some are long, so that there is more of the index than a commit or two can write.
                let count = match random.u8(..16) {
                    0 => random.usize(100..300),
                    _ => random.usize(1..9),
                };
                let other = random.bool().then(|| (shared.as_str(), random.usize(1..3)));
                let (name, version) = &mut self.own;
                *version = process.append(name, ExpectedVersion::Exact(*version), count, other);
            }
        }
    }
}
