//! What `verify` finds in a store, and that it finds nothing where nothing is wrong.
#![allow(clippy::unwrap_used)]

use crate::common::{
    append, assert_sound, copy_format_1, event, fill, open_unsynced, patch, problems, read_log,
    stream, verify,
};
use midgard::event::NewEvent;
use midgard::store::ExpectedVersion;
use midgard::{Position, Store, Version, block_on};
use midgard_store_lmdb::{LmdbStore, Progress};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

fn truncate(store: &LmdbStore, name: &str, before: u64) {
    block_on(store.truncate(&stream(name), Version(before), ExpectedVersion::Any)).unwrap();
}

fn tombstone(store: &LmdbStore, name: &str) {
    block_on(store.tombstone(&stream(name), ExpectedVersion::Any)).unwrap();
}

#[test]
fn a_store_that_has_seen_everything_is_sound() {
    let directory = tempfile::tempdir().unwrap();
    copy_format_1(directory.path());
    let store = open_unsynced(directory.path());
    assert_sound(&verify(&store));

    // More than are merged at once, four times.
    fill(&store, "short", 35_000, 2);
    let numbers = |range: std::ops::Range<u64>| range.map(|number| event(number.to_string()));
    for thousand in 0..30 {
        let events = numbers(thousand * 1000..(thousand + 1) * 1000).collect();
        append(&store, "long", events).unwrap();
    }
    for length in [600, 700, 2_000, 2_100, 5_000, 100_000, 5_000_000] {
        append(&store, "large", vec![event("x".repeat(length))]).unwrap();
    }
    let sound = verify(&store);
    assert_sound(&sound);
    assert!(sound.events > 100_000);
    assert_eq!(sound.events, read_log(&store).unwrap().len() as u64);
    assert!(sound.index_entries > 30_000, "{sound}");

    truncate(&store, "long", 29_000);
    truncate(&store, "large", 6);
    truncate(&store, "user-ann", 2);
    for number in 0..200 {
        tombstone(&store, &format!("short-{number}"));
        truncate(&store, &format!("short-{}", 1000 + number), 2);
        truncate(&store, &format!("short-{}", 2000 + number), 3);
        append(
            &store,
            &format!("short-{}", 2100 + number),
            vec![event("more")],
        )
        .unwrap();
    }
    append(&store, "truncated", vec![event("more")]).unwrap();
    tombstone(&store, "user-ann");
    let sound = verify(&store);
    assert_sound(&sound);
    assert_eq!(sound.events, read_log(&store).unwrap().len() as u64);

    fill(&store, "short-again", 5_000, 1);
    drop(store);
    assert_sound(&verify(&open_unsynced(directory.path())));
}

#[test]
fn stores_that_earlier_releases_have_written_are_sound() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for fixture in fs::read_dir(fixtures).unwrap() {
        let directory = tempfile::tempdir().unwrap();
        let data = fixture.unwrap().path().join("data.mdb");
        fs::copy(&data, directory.path().join("data.mdb")).unwrap();
        let verification = verify(&open_unsynced(directory.path()));
        assert!(verification.records > 0, "{}", data.display());
        assert_sound(&verification);
    }
}

/// A store of three streams, of which one has a large event that is in pieces.
fn three_streams(directory: &Path) {
    let store = open_unsynced(directory);
    for name in ["a", "b"] {
        let event = |what: &str| {
            let payload = format!("\"payload-of-{name}-{what}\"").into_bytes();
            NewEvent::json(format!("{name}.{what}"), 1, payload)
        };
        append(
            &store,
            name,
            vec![event("one"), event("two"), event("three")],
        )
        .unwrap();
    }
    let large = format!("{}PIECE-TWO{}", "x".repeat(900), "y".repeat(1_300));
    append(&store, "large", vec![event(large), event("last")]).unwrap();
    assert_sound(&verify(&store));
}

fn problems_with(directory: &Path, old: &[u8], new: &[u8]) -> Vec<String> {
    patch(directory, old, new);
    let found = problems(&verify(&open_unsynced(directory)));
    patch(directory, new, old);
    assert_sound(&verify(&open_unsynced(directory)));
    found
}

#[test]
fn a_flipped_byte_is_found_with_its_position_and_stream() {
    let directory = tempfile::tempdir().unwrap();
    three_streams(directory.path());
    let problems =
        |old: &str, new: &str| problems_with(directory.path(), old.as_bytes(), new.as_bytes());
    assert_eq!(
        problems("payload-of-a-two", "payload-of-a-tvo"),
        ["position 2 (stream \"a\"): the checksum of its payload does not match"]
    );
    // Whose the record is cannot be told from it, but from the next of its stream.
    assert_eq!(
        problems("b.two", "b.tvo"),
        [
            "position 5: the checksum of its header does not match",
            "position 6 (stream \"b\"): its link to version 2 of its stream leads to position 5, but the checksum of its header does not match",
        ]
    );
    assert_eq!(
        problems("PIECE-TWO", "PIECE-TOO"),
        ["position 7 (stream \"large\"): the checksum of its payload does not match"]
    );
}

#[test]
fn a_damaged_last_record_is_no_reason_to_doubt_the_others() {
    let directory = tempfile::tempdir().unwrap();
    three_streams(directory.path());
    let problems = problems_with(directory.path(), b"b.three", b"b.thrxe");
    assert_eq!(
        problems,
        ["position 6: the checksum of its header does not match"]
    );
}

#[test]
fn a_record_that_stands_elsewhere_is_missing_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    three_streams(directory.path());
    // The key of the last record, and how long LMDB says it is.
    let key = |position: u8| [8, 0, 0, 0, 0, 0, 0, 0, 0, position];
    assert_eq!(
        problems_with(directory.path(), &key(8), &key(9)),
        [
            "position 8: it is missing, and was not removed",
            "position 9: the checksum of its header does not match",
        ]
    );
}

#[test]
fn a_flipped_byte_in_the_index_is_found_and_no_record_is_blamed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    fill(&store, "s", 1, 1);
    let append = |name: &str, count: usize| {
        let events = (0..count).map(|_| event("1")).collect();
        append(&store, name, events).unwrap();
    };
    for _ in 0..7 {
        append("one", 4_681);
    }
    // Which merges those before it.
    append("s-0", 1);
    let sound = verify(&store);
    assert_sound(&sound);
    assert_eq!(sound.index_entries, 2);
    drop(store);

    // The entry of stream "one" is where its position stands and is no key of the log, which is 8 bytes long.
    let file = directory.path().join("data.mdb");
    let mut bytes = fs::read(&file).unwrap();
    let position = 32_768_u64.to_be_bytes();
    let places: Vec<_> = (2..bytes.len() - 8)
        .filter(|at| bytes[*at..].starts_with(&position) && bytes[at - 2..*at] != [8, 0])
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at + 7] ^= 1;
    }
    fs::write(&file, bytes).unwrap();
    assert_eq!(
        problems(&verify(&open_unsynced(directory.path()))),
        [
            "the store could not read the index of streams: it is damaged (block 0 of part 0 of run 1); restore the store from a backup"
        ]
    );
}

#[test]
fn a_damaged_record_of_format_1_is_found() {
    let directory = tempfile::tempdir().unwrap();
    copy_format_1(directory.path());
    drop(open_unsynced(directory.path()));
    assert_eq!(
        problems_with(directory.path(), "Tromsø".as_bytes(), "Tromsö".as_bytes()),
        [
            "position 2: its checksum does not match",
            "position 11 (stream \"user-ann\"): its link to version 2 of its stream leads to position 2, but its checksum does not match",
        ]
    );
}

#[test]
fn it_tells_how_far_it_is_and_can_be_ended() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    fill(&store, "s", 2_000, 2);
    for number in (0..2_000).step_by(20) {
        truncate(&store, &format!("s-{number}"), 2);
    }
    let mut told: Vec<Progress> = Vec::new();
    let whole = store.verify(|progress| {
        told.push(progress);
        ControlFlow::Continue(())
    });
    assert_sound(&whole.unwrap());
    assert!(told.is_sorted_by_key(|progress| progress.done));
    assert!(
        told.iter()
            .all(|progress| progress.done <= progress.expected)
    );
    let last = told.last().unwrap();
    assert_eq!(last.done, last.expected);
    assert!(told.len() > 3, "{told:?}");

    let part = store.verify(|_| ControlFlow::Break(())).unwrap();
    assert!(!part.is_complete && !part.is_sound());
    assert_eq!(part.problem_count, 0);
    assert!(part.records > 0 && part.records < 4_000, "{part}");
    assert_eq!(part.until, Position(4_100));
}

#[test]
fn nothing_that_is_written_meanwhile_is_taken_for_damage() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    // Near the first merge, so that there are some while it is looked at.
    fill(&store, "old", 3_000, 10);
    let is_over = AtomicBool::new(false);
    let appended = AtomicU64::new(0);
    let mut rounds = 0;
    thread::scope(|scope| {
        for producer in 0..4 {
            let (store, is_over, appended) = (&store, &is_over, &appended);
            scope.spawn(move || {
                let own = format!("own-{producer}");
                for round in 1_u64.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let events = (0..200).map(|number| event(format!("{number}"))).collect();
                    append(store, &own, events).unwrap();
                    appended.fetch_add(200, Ordering::Relaxed);
                    let old = |number| format!("old-{}", (4 * number + producer) % 3_000);
                    append(store, &old(round), vec![event("x".repeat(3_000))]).unwrap();
                    fill(store, &format!("new-{producer}-{round}"), 20, 1);
                    truncate(store, &old(7 * round), 2 + round % 10);
                    truncate(store, &own, 100 * round);
                    if round % 5 == 0 {
                        let name = format!("new-{producer}-{}-0", round - 1);
                        tombstone(store, &name);
                    }
                }
            });
        }
        // Until there were merges meanwhile.
        while rounds < 3 || appended.load(Ordering::Relaxed) < 40_000 {
            let verification = verify(&store);
            rounds += 1;
            if !verification.is_sound() {
                is_over.store(true, Ordering::Relaxed);
            }
            assert_sound(&verification);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let verification = verify(&store);
    assert_sound(&verification);
    assert!(verification.index_entries > 0);
}
