//! What no flipped byte can do, as a checksum would tell: records and an index that are intact, and do not fit together.

mod format_1;
mod index;
mod links;
mod log;

use super::*;
use crate::index::{IndexEntry, LastRecord, flush};
use crate::log::Pending;
use crate::options::{Durability, LmdbOptions};
use crate::record::{self, Kind, Recording};
use heed::RwTxn;
use midgard::event::NewEvent;
use midgard::{Timestamp, Version};
use std::path::Path;
use tempfile::TempDir;

/// A store whose records are written as a test says.
struct Scene {
    _directory: TempDir,
    environment: Environment,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let environment = open(directory.path());
        Scene {
            _directory: directory,
            environment,
        }
    }

    /// The store of format 1 that a release has written.
    fn of_format_1() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fixture =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1/data.mdb");
        std::fs::copy(fixture, directory.path().join("data.mdb")).unwrap();
        let environment = open(directory.path());
        Scene {
            _directory: directory,
            environment,
        }
    }

    fn write<T>(&self, write: impl FnOnce(&Databases, &mut RwTxn<'_>) -> T) -> T {
        let guard = self.environment.access().unwrap();
        let open = guard.get().unwrap();
        let mut transaction = open.env.write_txn().unwrap();
        let done = write(&open.databases, &mut transaction);
        transaction.commit().unwrap();
        done
    }

    fn put(&self, record: &Record) -> &Self {
        self.write(|databases, transaction| {
            let last = databases.log.last_position(transaction).unwrap();
            record.write(last.next(), databases, transaction);
        });
        self
    }

    /// Puts the events of a stream, linked as they should be, and gives their positions.
    fn put_stream(&self, name: &'static str, versions: u64) -> Vec<u64> {
        let mut positions: Vec<u64> = Vec::new();
        for version in 1..=versions {
            let mut skips = Vec::new();
            let mut step = record::SKIP;
            for _ in 0..record::skip_levels(Version(version)) {
                let target = version.checked_sub(step + 1);
                skips.push(target.map_or(0, |target| positions[target as usize]));
                step *= record::SKIP;
            }
            let back = positions.last().copied().unwrap_or_default();
            self.put(&event(name, version).back(back).skips(skips));
            positions.push(self.last());
        }
        positions
    }

    fn remove(&self, position: u64, is_noted: bool) {
        self.write(|databases, transaction| {
            let position = Position(position);
            databases.log.remove(transaction, &[position]).unwrap();
            if is_noted {
                databases.removed.add(transaction, position).unwrap();
            }
        });
    }

    /// Merges entries into the index, for streams by name.
    fn merge(&self, merged: u64, entries: &[(&str, u64)]) {
        let records = entries
            .iter()
            .map(|(name, at)| (*name, LastRecord::at(Position(*at))));
        self.merge_records(merged, &records.collect::<Vec<_>>());
    }

    fn merge_records(&self, merged: u64, entries: &[(&str, LastRecord)]) {
        let entry = |(name, record): &(&str, LastRecord)| IndexEntry {
            key: self.environment.key(name),
            record: *record,
        };
        let entries = entries.iter().map(entry).collect();
        self.write(|databases, transaction| {
            let (index, about) = (databases.index, databases.about);
            flush(index, about, transaction, entries, Position(merged)).unwrap();
        });
    }

    fn last(&self) -> u64 {
        let last = self
            .environment
            .read(|databases, snapshot| databases.log.last_position(snapshot));
        last.unwrap().get()
    }

    fn verify(&self, remembered: usize) -> Verification {
        verify_with(&self.environment, remembered, |_| ControlFlow::Continue(())).unwrap()
    }

    /// What is found. When nothing is remembered from one record to the next, there is something too.
    fn problems(&self) -> Vec<String> {
        let problems = listed(&self.verify(REMEMBERED));
        let forgetful = self.verify(0);
        assert_eq!(problems.is_empty(), forgetful.is_sound(), "{forgetful:?}");
        problems
    }
}

fn listed(verification: &Verification) -> Vec<String> {
    let problems = verification.problems.iter();
    problems.map(ToString::to_string).collect()
}

fn open(directory: &Path) -> Environment {
    let options = LmdbOptions::default().durability(Durability::NoSync);
    Environment::open(directory, options).unwrap()
}

/// A record to be written.
struct Record {
    kind: Kind,
    stream: &'static str,
    version: u64,
    first: u64,
    back: u64,
    skips: Vec<u64>,
    payload: usize,
}

fn event(stream: &'static str, version: u64) -> Record {
    Record {
        kind: Kind::Event,
        stream,
        version,
        first: 1,
        back: 0,
        skips: vec![0; record::skip_levels(Version(version)) as usize],
        payload: 2,
    }
}

fn mark(kind: Kind, stream: &'static str, version: u64) -> Record {
    Record {
        kind,
        skips: Vec::new(),
        ..event(stream, version)
    }
}

impl Record {
    fn back(self, back: u64) -> Self {
        Record { back, ..self }
    }

    fn first(self, first: u64) -> Self {
        Record { first, ..self }
    }

    fn skips(self, skips: Vec<u64>) -> Self {
        Record { skips, ..self }
    }

    fn payload(self, payload: usize) -> Self {
        Record { payload, ..self }
    }

    fn encode(&self, position: Position) -> Vec<u8> {
        let skips: Vec<_> = self.skips.iter().map(|skip| Position(*skip)).collect();
        let recording = Recording {
            position,
            stream: self.stream,
            version: Version(self.version),
            time: Timestamp::from_micros(1_000_000),
            links: record::Links {
                back: Position(self.back),
                skips: &skips,
                first: Version(self.first),
            },
        };
        let mut bytes = Vec::new();
        match self.kind {
            Kind::Event => {
                let payload = vec![b'1'; self.payload];
                let event = NewEvent::json("thing.happened", 1, payload);
                record::encode(&mut bytes, recording, &event);
            }
            kind => record::encode_mark(&mut bytes, kind, recording),
        }
        bytes
    }

    fn write(&self, position: Position, databases: &Databases, transaction: &mut RwTxn<'_>) {
        let mut records = Pending::default();
        records.begin(position.previous());
        records.push(&self.encode(position));
        databases.log.append(transaction, &records).unwrap();
    }
}
