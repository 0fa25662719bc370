//! So many events that the index is merged, again and again: every stream is found all the time, by every process.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use crate::common::{Lines, child_directory, event, read_log, read_stream, start_child, stream};
use midgard::event::RecordedEvent;
use midgard::store::{Append, ExpectedVersion};
use midgard::{Store, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::collections::HashMap;
use std::path::Path;

const STREAMS: usize = 7_000;
/// How many events an append has, each for another stream.
const BATCH: usize = 500;

fn open(directory: &Path) -> LmdbStore {
    let options = LmdbStore::options().durability(Durability::NoSync);
    options.open(directory).unwrap()
}

fn name(number: usize) -> String {
    format!("stream-{}", number % STREAMS)
}

/// An append of one event to each of `BATCH` streams, from one that depends on `round`.
fn batch(round: usize, expected: ExpectedVersion) -> Append {
    let part = |number| (stream(&name(round * 337 + number)), expected, [event("{}")]);
    let (first, expected, events) = part(0);
    (1..BATCH).map(part).fold(
        Append::to(first, expected, events),
        |append, (stream, expected, events)| append.and(stream, expected, events),
    )
}

/// Events by their streams, as the log has them. Versions are dense.
fn by_stream(log: Vec<RecordedEvent>) -> HashMap<String, Vec<RecordedEvent>> {
    let mut streams: HashMap<_, Vec<_>> = HashMap::new();
    for event in log {
        let events = streams.entry(event.stream.to_string()).or_default();
        events.push(event);
        assert_eq!(events.len() as u64, events[events.len() - 1].version.get());
    }
    streams
}

#[test]
fn a_stream_is_found_however_much_was_merged_since() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let mut versions = vec![0; STREAMS];
    for round in 0..300 {
        block_on(store.append(batch(round, ExpectedVersion::Any))).unwrap();
        (0..BATCH).for_each(|number| versions[(round * 337 + number) % STREAMS] += 1);
        if round % 10 == 0 {
            for number in (round..STREAMS).step_by(97) {
                let state = block_on(store.stream_state(&stream(&name(number)))).unwrap();
                assert_eq!(state.last, Version(versions[number]), "{}", name(number));
            }
        }
        if round % 100 == 99 {
            drop(store);
            store = open(directory.path());
        }
    }
    let streams = by_stream(read_log(&store).unwrap());
    assert_eq!(streams.len(), STREAMS);
    for (name, events) in &streams {
        assert_eq!(read_stream(&store, name).unwrap(), *events);
    }
    assert!(read_stream(&store, "stream-7000").unwrap().is_empty());
}

/// Not a test of its own: another process that appends to the same streams.
#[test]
fn child_appends() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open(Path::new(&directory));
    println!("ready");
    for round in 0..150 {
        block_on(store.append(batch(round * 7, ExpectedVersion::Any))).unwrap();
    }
    println!("done");
}

#[test]
fn two_processes_append_and_merge_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut child = start_child("merging::child_appends", directory.path(), "");
    let mut lines = Lines::of(&mut child);
    lines.next("ready").unwrap();
    let mut seen = HashMap::new();
    for round in 0..150 {
        block_on(store.append(batch(round * 5, ExpectedVersion::Any))).unwrap();
        // What was once seen of a stream never goes away.
        for number in (round % 13..STREAMS).step_by(331) {
            let state = block_on(store.stream_state(&stream(&name(number)))).unwrap();
            let before = seen.insert(number, state.last).unwrap_or_default();
            assert!(before <= state.last, "{}", name(number));
        }
    }
    lines.next("done").unwrap();
    assert!(child.wait().unwrap().success());
    let streams = by_stream(read_log(&store).unwrap());
    assert_eq!(streams.values().map(Vec::len).sum::<usize>(), 300 * BATCH);
    for (name, events) in &streams {
        assert_eq!(read_stream(&store, name).unwrap(), *events);
    }
}
