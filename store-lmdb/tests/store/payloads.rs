//! Payloads of all sizes: read back as they were, and never at much more than their size.
#![allow(clippy::unwrap_used)]

use crate::common::{read_log, read_stream, stream};
use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion, ReadLog};
use midgard::{Store, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

/// Around everything at which the layout of a record changes.
const SIZES: [usize; 22] = [
    0,
    1,
    200,
    590,
    731,
    983,
    1_300,
    1_950,
    2_030,
    2_100,
    3_100,
    4_020,
    4_100,
    6_200,
    8_200,
    9_400,
    12_300,
    16_400,
    65_500,
    100_000,
    1 << 20,
    16 << 20,
];

fn open(directory: &Path) -> LmdbStore {
    let options = LmdbStore::options().durability(Durability::NoSync);
    options.open(directory).unwrap()
}

/// Bytes that no two events have in common, and cannot be compressed.
fn payload(size: usize, seed: u64) -> Vec<u8> {
    let mut payload = vec![0; size];
    fastrand::Rng::with_seed(seed).fill(&mut payload);
    payload
}

fn event(size: usize, seed: u64) -> NewEvent {
    NewEvent::json("file.uploaded", 1, payload(size, seed))
}

#[test]
fn payloads_of_all_sizes_come_back_from_all_sides() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let sizes = SIZES.into_iter().chain(SIZES.into_iter().rev());
    let sizes: Vec<_> = sizes.collect();
    // The first half each by itself, the second with a small one before and after it.
    for (version, size) in (0..).zip(&sizes) {
        let event = event(*size, version);
        let append = match version {
            ..22 => Append::to(stream("a"), Version(version), [event]),
            _ => Append::to(stream("b"), Version(2 * version - 44), [self::event(5, 0)])
                .and(stream("a"), Version(version), [event])
                .and(stream("b"), Version(2 * version - 43), [self::event(5, 0)]),
        };
        block_on(store.append(append)).unwrap();
    }
    drop(store);
    let store = open(directory.path());
    let events = read_stream(&store, "a").unwrap();
    for (version, (event, size)) in (0..).zip(events.iter().zip(&sizes)) {
        assert!(event.payload == payload(*size, version), "{size} bytes");
    }
    assert_eq!(events.len(), sizes.len());
    let log = read_log(&store).unwrap();
    let mut backward = Vec::new();
    block_on(store.read_log(&ReadLog::backward(), &mut |event| {
        backward.push(event.to_owned());
        ControlFlow::Continue(())
    }))
    .unwrap();
    backward.reverse();
    assert!(log == backward);

    // What is split is removed with all of its pieces: there is nothing left of it.
    let name = stream("a");
    block_on(store.truncate(&name, Version(44), ExpectedVersion::Any)).unwrap();
    assert_eq!(read_log(&store).unwrap().len(), 1 + 44);
}

#[test]
fn a_payload_over_the_limit_is_refused_with_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let append = Append::to(stream("a"), Version(0), [event((16 << 20) + 1, 0)]);
    let error = block_on(store.append(append)).unwrap_err();
    assert!(error.to_string().contains("16777216"), "{error}");
}

#[test]
fn no_size_takes_much_more_of_the_file_than_its_bytes() {
    for size in SIZES
        .into_iter()
        .filter(|size| (128..=100_000).contains(size))
    {
        for at_once in [1, 50] {
            let directory = tempfile::tempdir().unwrap();
            let store = open(directory.path());
            let events = (4 << 20) / size;
            for last in (0..events).step_by(at_once) {
                let count = at_once.min(events - last);
                let new = (0..count).map(|n| event(size, n as u64));
                let append = Append::to(stream("a"), Version(last as u64), new);
                block_on(store.append(append)).unwrap();
            }
            drop(store);
            let file = fs::metadata(directory.path().join("data.mdb"))
                .unwrap()
                .len();
            // Beside the events there are some hundred pages: what the last commits have left, and the tree.
            let each = (file as f64 - 400.0 * 1024.0) / events as f64;
            let most = 1.3 * size as f64 + 64.0;
            assert!(each <= most, "{size} bytes, {at_once} at once, take {each}");
        }
    }
}
