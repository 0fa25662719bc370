//! What no flipped byte can do, as a checksum would tell: records and an index that are intact, and do not fit together.

use super::*;
use crate::index::{Entry, flush};
use crate::options::{Durability, LmdbOptions};
use crate::record::{self, Kind, Place};
use heed::RwTxn;
use midgard::{NewEvent, Timestamp, Version};
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

    fn put(&self, record: Record) -> &Self {
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
            self.put(event(name, version).back(back).skips(skips));
            positions.push(self.last());
        }
        positions
    }

    fn remove(&self, position: u64, is_noted: bool) {
        self.write(|databases, transaction| {
            let position = Position(position);
            databases.log.remove(transaction, position).unwrap();
            if is_noted {
                databases.removed.add(transaction, position).unwrap();
            }
        });
    }

    /// Merges entries into the index, for streams by name.
    fn merge(&self, merged: u64, entries: &[(&str, u64)]) {
        let entry = |(name, position): &(&str, u64)| Entry {
            key: self.environment.key(name),
            position: Position(*position),
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

    fn write(&self, position: Position, databases: &Databases, transaction: &mut RwTxn<'_>) {
        let skips: Vec<_> = self.skips.iter().map(|skip| Position(*skip)).collect();
        let place = Place {
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
                record::encode(&mut bytes, place, &event);
            }
            kind => record::encode_mark(&mut bytes, kind, place),
        }
        databases
            .log
            .append(transaction, position, &mut bytes)
            .unwrap();
    }
}

#[test]
fn streams_that_are_linked_as_they_should_be_are_sound() {
    let scene = Scene::new();
    let long = scene.put_stream("long", 600);
    scene.put_stream("short", 3);
    assert_eq!(scene.problems(), [""; 0]);
    // Truncated before version 300.
    for position in &long[..299] {
        scene.remove(*position, true);
    }
    scene.put(mark(Kind::Truncated, "long", 600).back(600).first(300));
    assert_eq!(scene.problems(), [""; 0]);
    scene.merge(604, &[("long", 604), ("short", 603)]);
    assert_eq!(scene.problems(), [""; 0]);
    // The entry of the index now leads to what is gone.
    for position in 601..=603 {
        scene.remove(position, true);
    }
    scene.put(mark(Kind::Tombstoned, "short", 3));
    assert_eq!(scene.problems(), [""; 0]);
}

#[test]
fn a_link_that_leads_elsewhere_is_found() {
    let scene = Scene::new();
    scene
        .put(event("a", 1))
        .put(event("b", 1))
        .put(event("a", 2).back(2))
        .put(event("b", 2).back(0))
        .put(event("a", 3).back(1))
        .put(event("c", 1).back(5));
    assert_eq!(
        scene.problems(),
        [
            "position 3 (stream \"a\"): its link to version 1 of its stream leads to position 2, but a record of the stream was expected, found one of stream \"b\"",
            "position 4 (stream \"b\"): it does not say where version 1 of its stream is",
            "position 5 (stream \"a\"): its link to version 2 of its stream leads to position 1, but version 2 of the stream was expected, found version 1",
            "position 6 (stream \"c\"): it is the first version of its stream, and has a link to one before",
        ]
    );
}

#[test]
fn a_skip_that_leads_elsewhere_is_found() {
    let scene = Scene::new();
    let positions = scene.put_stream("a", 31);
    scene.put(
        event("a", 32)
            .back(positions[30])
            .skips(vec![positions[14]]),
    );
    assert_eq!(
        scene.problems(),
        [
            "position 32 (stream \"a\"): its link to version 16 of its stream leads to position 15, but version 16 of the stream was expected, found version 15"
        ]
    );
}

#[test]
fn a_version_that_is_there_twice_is_found_whichever_of_them_the_next_one_follows() {
    for followed in [2, 4] {
        let scene = Scene::new();
        scene
            .put(event("a", 1))
            .put(event("a", 2).back(1))
            .put(event("b", 1))
            .put(event("a", 2).back(1))
            .put(event("c", 1))
            .put(event("a", 3).back(followed));
        let problems = listed(&scene.verify(REMEMBERED));
        let twice = "position 4 (stream \"a\"): version 2 of its stream is at position 2 too";
        assert_eq!(problems[0], twice);
        // As in a store that has too many streams to remember all of them.
        let beside = 6 - followed;
        assert_eq!(
            listed(&scene.verify(0)),
            [format!(
                "position {beside} (stream \"a\"): version 2 of its stream is found at position {followed}, and not here"
            )]
        );
    }
}

#[test]
fn a_last_version_that_is_there_twice_is_found() {
    let scene = Scene::new();
    scene.put(event("a", 1)).put(event("a", 1));
    assert_eq!(
        scene.problems(),
        ["position 1 (stream \"a\"): version 1 of its stream is found at position 2, and not here"]
    );
}

#[test]
fn a_version_that_was_passed_over_is_found() {
    let scene = Scene::new();
    scene.put(event("a", 1)).put(event("a", 3).back(1));
    assert_eq!(
        scene.problems(),
        [
            "position 2 (stream \"a\"): its link to version 2 of its stream leads to position 1, but version 2 of the stream was expected, found version 1"
        ]
    );
}

#[test]
fn an_end_that_goes_back_is_found() {
    let scene = Scene::new();
    scene
        .put(event("a", 1))
        .put(event("a", 2).back(1))
        .put(event("a", 3).back(2).first(3))
        .put(event("a", 2).back(1));
    assert_eq!(
        scene.problems(),
        [
            "position 2 (stream \"a\"): version 2 of its stream is found at position 4, and not here",
            "position 3 (stream \"a\"): it is version 3, and its stream ends with version 2 at position 4",
        ]
    );
}

#[test]
fn events_that_should_have_been_removed_are_found() {
    let scene = Scene::new();
    scene.put_stream("truncated", 3);
    scene.put(mark(Kind::Truncated, "truncated", 3).back(3).first(3));
    scene.put_stream("tombstoned", 1);
    scene.put(mark(Kind::Tombstoned, "tombstoned", 1));
    assert_eq!(
        scene.problems(),
        [
            "position 1 (stream \"truncated\"): it is version 1, and its stream was truncated before version 3",
            "position 2 (stream \"truncated\"): it is version 2, and its stream was truncated before version 3",
            "position 5 (stream \"tombstoned\"): it is there, and its stream was tombstoned",
        ]
    );
}

#[test]
fn a_mark_that_does_not_lead_to_the_last_event_is_found() {
    let scene = Scene::new();
    scene.put_stream("a", 3);
    scene.remove(1, true);
    scene.put(mark(Kind::Truncated, "a", 3).back(2).first(2));
    assert_eq!(
        scene.problems(),
        [
            "position 3 (stream \"a\"): version 3 of its stream is found at position 2, and not here",
            "position 4 (stream \"a\"): its link to version 3 of its stream leads to position 2, but version 3 of the stream was expected, found version 2",
        ]
    );
}

#[test]
fn a_stream_that_goes_on_after_its_tombstone_is_found() {
    let scene = Scene::new();
    scene
        .put(mark(Kind::Tombstoned, "a", 1))
        .put(event("a", 2).first(2));
    scene.put(mark(Kind::Truncated, "b", 1).first(2));
    scene.put(event("b", 2).first(1));
    assert_eq!(
        scene.problems(),
        [
            "position 1 (stream \"a\"): its stream was tombstoned here, and has later records",
            "position 3 (stream \"b\"): it says that its stream begins with version 2, and the last record of that says version 1",
            "position 4 (stream \"b\"): it does not say where version 1 of its stream is",
        ]
    );
}

#[test]
fn what_is_missing_is_told_from_what_was_removed() {
    let scene = Scene::new();
    scene.put_stream("a", 6);
    scene.put(mark(Kind::Truncated, "a", 6).back(6).first(5));
    scene.remove(1, true);
    scene.remove(2, false);
    scene.remove(3, true);
    scene.remove(4, false);
    assert_eq!(
        scene.problems(),
        [
            "position 2: it is missing, and was not removed",
            "position 4: it is missing, and was not removed",
        ]
    );
}

#[test]
fn a_missing_event_is_told_of_by_the_one_that_follows_it() {
    let scene = Scene::new();
    scene.put_stream("a", 3);
    scene.remove(2, false);
    assert_eq!(
        scene.problems(),
        [
            "position 2: it is missing, and was not removed",
            "position 3 (stream \"a\"): its link to version 2 of its stream leads to position 2, but it is missing",
        ]
    );
}

#[test]
fn notes_of_what_was_removed_that_cannot_be_are_found() {
    let scene = Scene::new();
    scene.put_stream("a", 4);
    scene.write(|databases, transaction| {
        for (first, last) in [(2, 2), (3, 9)] {
            databases.removed.0.put(transaction, &first, &last).unwrap();
        }
    });
    assert_eq!(
        scene.problems(),
        [
            "position 2: it is there, and noted as removed",
            "position 3: it is noted that positions 3 to 9 were removed, which cannot be: 2 was the last before, and the log ends at 4",
        ]
    );
}

#[test]
fn pieces_that_are_missing_or_too_many_are_found() {
    let scene = Scene::new();
    scene.put(event("a", 1).payload(2500));
    scene.put(event("b", 1).payload(2500));
    scene.put(event("c", 1).payload(2500));
    scene.put(event("d", 1));
    let key = |position: u8, piece: &[u8]| [&[0, 0, 0, 0, 0, 0, 0, position][..], piece].concat();
    scene.write(|databases, transaction| {
        let log = databases.log.0;
        for lost in [key(1, &[2]), key(2, &[3]), key(3, &[])] {
            assert!(log.delete(transaction, &lost).unwrap());
        }
        log.put(transaction, &key(4, &[1]), b"more").unwrap();
    });
    let verification = scene.verify(REMEMBERED);
    assert_eq!(
        listed(&verification)[1..],
        [
            "position 1: piece 2 of it is missing",
            "position 2: its fields do not fit its length",
            "position 3: there is a piece of it without its beginning",
            "position 4: there is a piece behind it that it does not have",
        ]
    );
    assert_eq!(verification.records, 4);
}

#[test]
fn entries_of_the_index_that_lead_elsewhere_are_found() {
    let scene = Scene::new();
    scene.put_stream("a", 2);
    scene.put_stream("b", 2);
    scene.put_stream("c", 1);
    scene.put(event("d", 1));
    scene.put(event("e", 1));
    scene.merge(6, &[("a", 1), ("b", 2), ("c", 7), ("d", 9)]);
    let mut problems = scene.problems();
    problems.sort();
    assert_eq!(
        problems,
        [
            "position 2 (stream \"a\"): its stream is found to end before it, at position 1",
            "position 2 (stream \"a\"): the index of streams leads to it for another stream",
            "position 2 (stream \"b\"): its stream is found to end here, but a record of the stream was expected, found one of stream \"a\"",
            "position 7 (stream \"c\"): its stream is found to end here, but a record of the stream was expected, found one of stream \"e\"",
            "position 7 (stream \"e\"): the index of streams leads to it for another stream",
            "position 7: it is in the index of streams, which ends at position 6",
            "position 9 (stream \"d\"): its stream is found to end here, but it is missing",
            "position 9: it is in the index of streams, which ends at position 6",
            "position 9: the index of streams leads to it, and it is missing",
        ]
    );
}

#[test]
fn a_stream_that_the_index_does_not_have_is_found() {
    let scene = Scene::new();
    scene.put_stream("a", 2);
    scene.merge(2, &[]);
    assert_eq!(
        scene.problems(),
        ["position 1 (stream \"a\"): its stream is not in the index"]
    );
}

/// The key of a part of the index, and what is in it.
type Part = (Vec<u8>, Vec<u8>);

impl Scene {
    /// Changes the first part of the index.
    fn change_part(&self, change: impl FnOnce(&mut Part)) {
        self.write(|databases, transaction| {
            let index = databases.index.0;
            let (key, bytes) = index.first(transaction).unwrap().unwrap();
            let mut part = (key.to_vec(), bytes.to_vec());
            index.delete(transaction, &part.0).unwrap();
            change(&mut part);
            index.put(transaction, &part.0, &part.1).unwrap();
        });
    }

    fn merged() -> Self {
        let scene = Scene::new();
        scene.put_stream("a", 1);
        scene.put_stream("b", 1);
        scene.merge(2, &[("a", 1), ("b", 2)]);
        assert_eq!(scene.problems(), [""; 0]);
        scene
    }
}

#[test]
fn a_damaged_block_of_the_index_is_told_of_once() {
    let scene = Scene::merged();
    scene.change_part(|(_, bytes)| bytes[20] ^= 1);
    assert_eq!(
        scene.problems(),
        [
            "the store could not read the index of streams: it is damaged (block 0 of part 0 of run 1); restore the store from a backup"
        ]
    );
}

#[test]
fn a_part_of_the_index_that_is_elsewhere_is_missed() {
    let scene = Scene::merged();
    scene.change_part(|(key, _)| key[7] += 1);
    assert_eq!(
        scene.problems(),
        [
            "the store could not read the index of streams: it is damaged (part 0 of run 1 is missing); restore the store from a backup",
        ]
    );
}

#[test]
fn a_part_that_is_in_no_run_is_found() {
    let scene = Scene::merged();
    scene.write(|databases, transaction| {
        let key = [0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0];
        databases.index.0.put(transaction, &key, b"").unwrap();
    });
    assert_eq!(
        scene.problems(),
        ["the index of streams has 1 parts that are in no run"]
    );
}

#[test]
fn a_damaged_manifest_is_told_of_once_and_records_are_looked_at_all_the_same() {
    let scene = Scene::merged();
    scene.write(|databases, transaction| {
        databases.about.set_manifest(transaction, &[1; 12]).unwrap();
    });
    let verification = scene.verify(REMEMBERED);
    assert_eq!((verification.records, verification.problem_count), (2, 1));
    assert_eq!(
        verification.problems[0].to_string(),
        "the store could not read the index of streams: it is damaged (its manifest); restore the store from a backup"
    );
}

#[test]
fn a_log_that_ends_before_what_the_index_has_is_found() {
    let scene = Scene::merged();
    scene.merge(40, &[]);
    let problems = scene.problems();
    assert_eq!(
        problems,
        ["position 2: the log ends here, and the index of streams has positions up to 40"]
    );
}

#[test]
fn what_stores_of_format_1_kept_of_streams_is_checked() {
    let scene = Scene::of_format_1();
    assert_eq!(scene.problems(), [""; 0]);
    let number_1 = |version: u64| 1 << 64 | u128::from(version);
    scene.write(|databases, transaction| {
        let versions = databases.format_1.unwrap().versions;
        versions.delete(transaction, &number_1(1)).unwrap();
        versions.put(transaction, &number_1(3), &6).unwrap();
    });
    assert_eq!(
        scene.problems(),
        [
            "position 2 (stream \"user-ann\"): it does not say where version 1 of its stream is",
            "position 11 (stream \"user-ann\"): version 3 of its stream is found at position 6, and not here",
            "position 6 (stream \"user-ann\"): its last event is to be here, but a record of the stream was expected, found one of stream \"truncated\"",
        ]
    );
}

#[test]
fn only_so_many_problems_are_listed_and_all_are_counted() {
    let scene = Scene::new();
    scene.write(|databases, transaction| {
        for position in 1..=1500 {
            event("a", 0).write(Position(position), databases, transaction);
        }
    });
    let found = scene.verify(REMEMBERED);
    assert_eq!((found.problems.len(), found.problem_count), (1000, 1500));
    assert!(!found.is_sound());
}
