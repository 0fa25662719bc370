//! What a process does until it is killed: 64 producers append in all ways, and note what they are told.

use crate::common::process::told;
use crate::common::{event, stream};
use crate::journal::{Journal, Line};
use fastrand::Rng;
use midgard::{Append, ExpectedVersion, NewEvent, Store, Version, block_on};
use midgard_store_lmdb::LmdbStore;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// The variable with the number of the process, which no other has.
pub(crate) const NUMBER: &str = "MIDGARD_TEST_WRITER";

const PRODUCERS: u64 = 64;
/// Streams that the producers of all processes append to.
const SHARED: u64 = 8;

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
        let mut parts = vec![(name, expected, events(count))];
        if let Some((name, count)) = other {
            parts.push((name, ExpectedVersion::Any, events(count)));
        }
        let mut append: Option<Append> = None;
        for (name, expected, events) in parts.clone() {
            append = Some(match append {
                None => Append::to(stream(name), expected, events),
                Some(append) => append.and(stream(name), expected, events),
            });
        }
        let appended =
            block_on(self.store.append(append.unwrap())).unwrap_or_else(|error| fail(&error));
        let mut lines = Vec::new();
        for ((name, _, events), last) in parts.iter().zip(&appended.versions) {
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
        self.journal.write(&lines);
        appended.versions[0]
    }

    fn truncate(&self, name: &str, before: Version) {
        let name = name.to_owned();
        let about = Line::Truncating {
            stream: name.clone(),
            before,
        };
        self.journal.write(&[about]);
        block_on(
            self.store
                .truncate(&stream(&name), before, ExpectedVersion::Any),
        )
        .unwrap_or_else(|error| fail(&error));
        self.journal.write(&[Line::Truncated {
            stream: name,
            before,
        }]);
    }
}

/// Nothing that a producer does may fail.
fn fail(error: &dyn std::error::Error) -> ! {
    println!("failed {error:?}");
    std::process::exit(1)
}

struct Producer<'p> {
    process: &'p Process,
    random: Rng,
    /// The stream that nobody else appends to, and its version.
    own: (String, Version),
    /// The stream that loses its first events again and again, and its version.
    rolling: (String, Version),
}

impl<'p> Producer<'p> {
    fn new(process: &'p Process, producer: u64) -> Self {
        let number = process.number;
        Producer {
            process,
            random: Rng::with_seed(number << 32 | producer),
            own: (format!("own-{number}-{producer}"), Version::ZERO),
            rolling: (format!("rolling-{number}-{producer}"), Version::ZERO),
        }
    }

    fn run(mut self) {
        loop {
            self.step();
        }
    }

    fn step(&mut self) {
        let (process, random) = (self.process, &mut self.random);
        match random.u8(..10) {
            0 => {
                let (name, version) = &mut self.rolling;
                let expected = ExpectedVersion::Exact(*version);
                *version = process.append(name, expected, 1, None);
            }
            1 if self.rolling.1 > Version::FIRST => {
                let (name, version) = &self.rolling;
                let before = Version(random.u64(1..=version.get() + 1));
                process.truncate(name, before);
            }
            2 | 3 => {
                let once = format!("{}-{}", self.own.0, random.u32(..));
                process.append(&once, ExpectedVersion::Any, random.usize(1..3), None);
            }
            4 | 5 => {
                let shared = format!("shared-{}", random.u64(..SHARED));
                process.append(&shared, ExpectedVersion::Any, random.usize(1..4), None);
            }
            _ => {
                let shared = format!("shared-{}", random.u64(..SHARED));
                let other = random.bool().then(|| (shared.as_str(), random.usize(1..3)));
                let (name, version) = &mut self.own;
                let expected = ExpectedVersion::Exact(*version);
                *version = process.append(name, expected, random.usize(1..9), other);
            }
        }
    }
}
