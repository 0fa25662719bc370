//! A store with streams of all kinds, to be damaged.

use crate::common::stream;
use fastrand::Rng;
use midgard::event::{NewEvent, RecordedEvent};
use midgard::store::{Append, ExpectedVersion, ReadLog, StreamState};
use midgard::{EventId, Metadata, Store, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// What is in the store: its events in the order of the log, and what is known of each stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) log: Vec<RecordedEvent>,
    pub(crate) streams: BTreeMap<String, Stream>,
}

/// What is in one stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) state: StreamState,
    pub(crate) events: Vec<RecordedEvent>,
}

/// So many records after the last event say that something was removed.
pub(crate) const MARKS: u64 = 2;
/// So many events of one stream are all removed.
const EMPTIED: u64 = 34_040;

/// Opens without flushing: what is tested here is no crash.
pub(crate) fn open(directory: &Path) -> Result<LmdbStore, midgard::store::StoreError> {
    LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory)
}

/// Streams that are written to, and one that never was.
pub(crate) fn streams() -> Vec<String> {
    let named = ["long", "large", "truncated", "emptied", "ended", "never"];
    let short = (0..40).map(|number| format!("short-{number}"));
    named.map(str::to_owned).into_iter().chain(short).collect()
}

/// Writes the sample: so many events of one long stream in appends of many, among all others.
pub(crate) fn write(directory: &Path, long: usize) {
    let store = open(directory).unwrap();
    let mut random = Rng::with_seed(1);
    for number in 0..40 {
        append(&store, "long", long / 40, 8..60, &mut random);
        append(&store, "large", 1, 2_000..40_000, &mut random);
        append(&store, "truncated", 2, 10..600, &mut random);
        append(&store, "emptied", 1, 10..600, &mut random);
        append(&store, "ended", 1, 10..600, &mut random);
        for _ in 0..random.usize(1..6) {
            let other = format!("short-{}", random.usize(..40));
            append(&store, &other, random.usize(1..4), 10..900, &mut random);
        }
        // One append to two streams.
        let parts = [number, (number + 7) % 40].map(|short| stream(&format!("short-{short}")));
        let [first, second] = parts.map(|name| (name, [event(10..200, &mut random)]));
        let both = Append::to(first.0, ExpectedVersion::Any, first.1);
        block_on(store.append(both.and(second.0, ExpectedVersion::Any, second.1))).unwrap();
    }
    append(&store, "large", 1, 99_000..100_000, &mut random);
    block_on(store.truncate(&stream("truncated"), Version(41), ExpectedVersion::Any)).unwrap();
    // So many that what there is until here is merged into the index, also where that is done in small steps.
    for _ in 0..34 {
        append(&store, "emptied", 1_000, 10..11, &mut random);
    }
    for _ in 0..200 {
        append(&store, "short-0", 1, 10..11, &mut random);
    }
    let none = Version(EMPTIED + 1);
    block_on(store.truncate(&stream("emptied"), none, ExpectedVersion::Any)).unwrap();
    block_on(store.tombstone(&stream("ended"), ExpectedVersion::Any)).unwrap();
    let contents = read(&store);
    let last = |name| contents.streams[name].state.last.get();
    assert_eq!(
        [last("long"), last("large"), last("emptied")],
        [long as u64, 41, EMPTIED]
    );
}

/// Reads the sample from a store that is intact.
pub(crate) fn read(store: &LmdbStore) -> Contents {
    let mut log = Vec::new();
    block_on(store.read_log(&ReadLog::forward(), &mut |event| {
        log.push(event.to_owned());
        ControlFlow::Continue(())
    }))
    .unwrap();
    let one = |name: String| {
        let state = block_on(store.stream_state(&stream(&name))).unwrap();
        let of_stream = |event: &&RecordedEvent| event.stream.as_str() == name;
        let events = log.iter().filter(of_stream).cloned().collect();
        (name, Stream { state, events })
    };
    let streams = streams().into_iter().map(one).collect();
    Contents { log, streams }
}

fn append(
    store: &LmdbStore,
    name: &str,
    events: usize,
    payload: std::ops::Range<usize>,
    random: &mut Rng,
) {
    let events = (0..events).map(|_| event(payload.clone(), random));
    let events: Vec<_> = events.collect();
    let append = Append::to(stream(name), ExpectedVersion::Any, events);
    block_on(store.append(append)).unwrap();
}

fn event(payload: std::ops::Range<usize>, random: &mut Rng) -> NewEvent {
    let length = random.usize(payload);
    let payload = std::iter::repeat_with(|| random.u8(..)).take(length);
    let event = NewEvent::json("thing.happened", 1, payload.collect::<Vec<_>>());
    if random.u8(..4) > 0 {
        return event;
    }
    let metadata = Metadata::new()
        .with_correlation_id(EventId::new())
        .with_causation_id(EventId::new())
        .with_header("user", "jun");
    event.with_tag("kind", "sample").with_metadata(metadata)
}
