mod filters;
mod versions;

use super::*;
use crate::LmdbStore;
use crate::databases::Databases;
use crate::environment::Environment;
use crate::levels::{Leveled, RUNS};
use crate::options::{Durability, LmdbOptions};
use midgard::event::{NewEvent, RecordedEventRef};
use midgard::store::{Append, ReadStream};
use midgard::{Store, StreamName, Version, block_on};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

fn environment(directory: &Path) -> Environment {
    let options = LmdbOptions::default().durability(Durability::NoSync);
    Environment::open(directory, options).unwrap()
}

/// Returns a record at a position. The version of one in seven is unknown.
fn record(position: Position) -> LastRecord {
    let version = Version(position.get() % 7 * 1_000 + position.get() / 7);
    LastRecord::of_event(
        position,
        Version(1 + u64::from(version < Version(1_000))),
        version,
    )
}

/// The last merged record of each stream, to compare with the index.
struct Scene {
    environment: Environment,
    expected: HashMap<StreamKey, Position>,
    /// Kept all the time, as the writer keeps them.
    filters: RefCell<Filters>,
    /// Whether what is written has versions.
    has_versions: bool,
    last: u64,
    random: u64,
}

impl Scene {
    fn new(directory: &Path) -> Self {
        Scene {
            environment: environment(directory),
            expected: HashMap::new(),
            filters: RefCell::default(),
            has_versions: true,
            last: 0,
            random: 7,
        }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.random >> 33) % end
    }

    fn write<T>(&self, write: impl FnOnce(&Databases, &mut heed::RwTxn<'_>) -> T) -> T {
        let guard = self.environment.access().unwrap();
        let open = guard.get().unwrap();
        let mut transaction = open.env.write_txn().unwrap();
        let mut databases = open.databases;
        if !self.has_versions {
            databases.index.versions = None;
        }
        let done = write(&databases, &mut transaction);
        transaction.commit().unwrap();
        done
    }

    /// Merges new records of `records` of this many streams.
    fn flush(&mut self, records: u64, streams: u64) {
        let mut tail = HashMap::new();
        for _ in 0..records {
            self.last += 1;
            let stream = self.below(streams);
            let key = self.environment.key(&format!("stream-{stream}"));
            tail.insert(key, Position(self.last));
        }
        self.expected.extend(&tail);
        let entries = tail.into_iter();
        let entries = entries.map(|(key, position)| IndexEntry {
            key,
            record: record(position),
        });
        let entries = entries.collect();
        let last = Position(self.last);
        self.write(|databases, transaction| {
            flush(databases.index, databases.about, transaction, entries, last).unwrap();
        });
    }

    /// Merges at most this many slices of runs; returns whether nothing is due any more.
    fn step(&self, slices: usize) -> bool {
        self.write(|databases, transaction| {
            (0..slices).any(|_| {
                let merged = step(databases.index, databases.about, transaction);
                merged.unwrap().is_none()
            })
        })
    }

    fn find(&self, key: StreamKey) -> Result<Option<Position>, StoreError> {
        self.environment.read(|databases, snapshot| {
            let manifest = databases.about.manifest(snapshot)?;
            databases.index.find(snapshot, &manifest, key)
        })
    }

    fn check(&self) {
        let others = (0..1000).map(|other| (self.other(other), None));
        let there = self.expected.iter();
        let there = there.map(|(key, position)| (*key, Some(*position)));
        let mut filters = self.filters.borrow_mut();
        filters.begin();
        let checked = self.environment.read(|databases, snapshot| {
            let Databases { index, about, .. } = databases;
            let manifest = about.manifest(snapshot)?;
            for (key, expected) in there.clone().chain(others.clone()) {
                assert_eq!(index.find(snapshot, &manifest, key)?, expected);
                let found = index.find_filtered(snapshot, *about, key, &mut filters)?;
                assert_eq!(found, expected.map(record));
            }
            Ok(())
        });
        checked.unwrap();
    }

    /// Returns the key of a stream that is not in the index.
    fn other(&self, number: u64) -> StreamKey {
        self.environment.key(&format!("other-{number}"))
    }

    fn runs(&self) -> Vec<Run> {
        let runs = self
            .environment
            .read(|databases, snapshot| Ok(databases.about.manifest(snapshot)?.runs().collect()));
        runs.unwrap()
    }

    /// How many parts there are in the database.
    fn parts(&self) -> u64 {
        let parts = self
            .environment
            .read(|databases, snapshot| Ok(databases.index.entries.len(snapshot).unwrap()));
        parts.unwrap()
    }
}

#[test]
fn the_last_record_of_each_stream_is_found_at_any_stage_of_merging() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    for round in 0..24 {
        scene.flush(3_000, 40_000);
        scene.step(round % 5);
        if round % 4 == 3 {
            scene.check();
        }
    }
    while !scene.step(1) {}
    scene.check();
    let runs = scene.runs();
    assert!(runs.iter().all(Run::is_done));
    let parts: u64 = runs.iter().map(|run| u64::from(run.parts())).sum();
    assert_eq!(scene.parts(), parts, "no part is left behind");
}

#[test]
fn an_old_run_of_few_parts_never_hides_what_was_taken_from_newer_ones() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    // One part, and after it runs of several, with newer records of the same streams.
    scene.flush(1_000, 500);
    for _ in 1..RUNS {
        scene.flush(20_000, 20_000);
    }
    let parts: Vec<_> = scene.runs().iter().map(Run::parts).collect();
    assert!(parts.first() > parts.last(), "{parts:?}");
    while !scene.step(1) {
        scene.check();
    }
}

#[test]
fn another_process_goes_on_with_what_one_has_begun() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    for _ in 0..9 {
        scene.flush(6_000, 1_000_000);
        scene.step(1);
        // All that it has in memory is gone.
        scene.environment.reopen().unwrap();
    }
    assert!(scene.runs().iter().any(|run| !run.is_done()));
    scene.check();
    while !scene.step(1) {}
    scene.check();
}

#[test]
fn few_streams_never_make_many_levels() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    for _ in 0..100 {
        scene.flush(500, 300);
        while !scene.step(1) {}
    }
    scene.check();
    let runs = scene.runs();
    assert!(runs.len() <= 2 * RUNS, "{runs:?}");
    let entries: u64 = runs.iter().map(|run| run.entries).sum();
    assert!(entries <= 300 * runs.len() as u64);
}

#[test]
fn levels_grow_with_the_number_of_streams_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    for _ in 0..64 {
        scene.flush(200, u64::MAX);
        while !scene.step(1) {}
    }
    let levels = scene.runs().iter().map(|run| run.level).max();
    assert_eq!(levels, Some(3), "64 runs, four of which become one");
    scene.check();
}

#[test]
fn a_damaged_block_is_an_error_and_never_another_position() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    scene.flush(50, 1_000_000);
    let number = scene.runs()[0].number;
    let part = scene.environment.read(|databases, snapshot| {
        Ok(databases
            .index
            .entries
            .get(snapshot, &part_key(number, 0))
            .unwrap()
            .unwrap()
            .to_vec())
    });
    let part = part.unwrap();
    for byte in 0..part.len() {
        let mut damaged = part.clone();
        damaged[byte] ^= 0x04;
        scene.write(|databases, transaction| {
            let put = databases
                .index
                .entries
                .put(transaction, &part_key(number, 0), &damaged);
            put.unwrap();
        });
        let mut errors = 0;
        for (key, position) in &scene.expected {
            match scene.find(*key) {
                Ok(found) => assert_eq!(found, Some(*position)),
                Err(error) => {
                    errors += 1;
                    assert!(error.to_string().contains("index of streams"), "{error}");
                }
            }
        }
        assert!(errors > 0, "byte {byte} was changed");
    }
}

#[test]
fn a_part_that_is_not_in_order_or_of_another_range_is_found_to_be_so() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    scene.flush(5_000, u64::MAX);
    let run = scene.runs()[0];
    assert!(run.parts() > 1);
    let check = || {
        let checked = scene.environment.read(|databases, snapshot| {
            let manifest = databases.about.manifest(snapshot)?;
            databases.index.check_next(snapshot, &manifest, None)
        });
        checked.unwrap().unwrap()
    };
    let sound = check();
    assert_eq!(sound.faults, [""; 0]);
    let put = |entries: &[IndexEntry]| {
        let bytes = block::encode(run.number, 0, entries);
        scene.write(|databases, transaction| {
            let key = part_key(run.number, 0);
            databases
                .index
                .entries
                .put(transaction, &key, &bytes)
                .unwrap();
            databases
                .index
                .versions
                .unwrap()
                .delete(transaction, &key)
                .unwrap();
        });
    };
    let mut entries = sound.entries.clone();
    entries.swap(3, 30);
    put(&entries);
    let faults = check().faults;
    assert_eq!(faults.len(), 1);
    assert!(faults[0].contains("part 0 of run 1 is not in the order of its keys"));
    let mut entries = sound.entries;
    entries.push(IndexEntry {
        key: StreamKey(u128::MAX),
        record: LastRecord::at(Position(1)),
    });
    put(&entries);
    let faults = check().faults;
    assert_eq!(faults.len(), 1);
    assert!(faults[0].contains("part 0 of run 1 has keys of another part"));
}

/// The streams in the fixture that get an event in each round, and those that a round makes.
const STREAMS: usize = 300;
const ROUNDS: usize = 8;

fn name(kind: &str, number: usize) -> StreamName {
    StreamName::new(format!("{kind}-{number}")).unwrap()
}

/// Not a test of its own: writes a store whose index has runs of two levels, and one that is half done.
#[test]
fn child_writes_the_fixture_of_an_index() {
    let Ok(directory) = std::env::var("MIDGARD_TEST_CHILD") else {
        return;
    };
    for round in 0..ROUNDS {
        let store = LmdbStore::open(&directory).unwrap();
        for stream in 0..STREAMS {
            let event = || NewEvent::json("thing.happened", 1, round.to_string().into_bytes());
            let append = Append::to(name("stream", stream), Version(round as u64), [event()]).and(
                name(&format!("of-{round}"), stream),
                Version::ZERO,
                [event()],
            );
            block_on(store.append(append)).unwrap();
        }
        drop(store);
        let scene = Scene::new(Path::new(&directory));
        let last = scene
            .environment
            .read(|databases, snapshot| databases.log.last_position(snapshot))
            .unwrap();
        let entries = scene.environment.tail().entries(last).unwrap();
        scene.write(|databases, transaction| {
            flush(databases.index, databases.about, transaction, entries, last).unwrap();
        });
        scene.step(1);
    }
}

#[test]
fn an_index_of_format_2_is_read_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-2-index/data.mdb");
    std::fs::copy(fixture, directory.path().join("data.mdb")).unwrap();
    let runs = Scene::new(directory.path()).runs();
    assert!(runs.iter().any(|run| run.level == 1), "{runs:?}");
    assert!(runs.iter().any(|run| !run.is_done()), "{runs:?}");
    let store = LmdbStore::open(directory.path()).unwrap();
    let payloads = |name: StreamName| {
        let mut payloads = Vec::new();
        let read = ReadStream::forward(name);
        let visit = &mut |event: RecordedEventRef<'_>| {
            payloads.push(String::from_utf8(event.payload.to_vec()).unwrap());
            ControlFlow::Continue(())
        };
        block_on(store.read_stream(&read, visit)).unwrap();
        payloads
    };
    let all: Vec<_> = (0..ROUNDS).map(|round| round.to_string()).collect();
    for stream in 0..STREAMS {
        assert_eq!(payloads(name("stream", stream)), all);
        for round in 0..ROUNDS {
            let name = name(&format!("of-{round}"), stream);
            assert_eq!(payloads(name), [round.to_string()]);
        }
        let event = NewEvent::json("thing.happened", 1, b"{}".to_vec());
        let append = Append::to(name("stream", stream), Version(ROUNDS as u64), [event]);
        let appended = block_on(store.append(append)).unwrap();
        assert_eq!(appended.version(), Version(ROUNDS as u64 + 1));
    }
}
