//! Readers that take their time while 20,000 commits go on: none keeps more of the old pages than one bounded
//! batch of reading does, so the file grows as it does without a reader.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::{append, event, number_of};
use futures_util::StreamExt;
use midgard::store::{ReadLog, ReadStream};
use midgard::{Store, StreamName, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::OnceLock;

/// So many are there to be read.
const EVENTS: u64 = 20_000;
const PAYLOAD: usize = 500;
/// What a commit of one small event writes anew, at most.
const PAGES_PER_COMMIT: f64 = 16.0;

fn commits() -> u64 {
    number_of("MIDGARD_TEST_COMMITS", 20_000)
}

struct Growing {
    store: LmdbStore,
    directory: tempfile::TempDir,
    committed: u64,
}

impl Growing {
    /// A store with many events in the stream `a`.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = LmdbStore::options()
            .durability(Durability::NoSync)
            .open(directory.path())
            .unwrap();
        for _ in 0..EVENTS / 1_000 {
            let events = (0..1_000).map(|_| event("x".repeat(PAYLOAD)));
            append(&store, "a", events.collect()).unwrap();
        }
        Growing {
            store,
            directory,
            committed: 0,
        }
    }

    /// Commits one event to one of many streams.
    fn commit(&mut self) {
        let name = format!("b-{}", self.committed % 100);
        append(&self.store, &name, vec![event("x".repeat(PAYLOAD))]).unwrap();
        self.committed += 1;
    }

    fn size(&self) -> u64 {
        let file: &Path = &self.directory.path().join("data.mdb");
        std::fs::metadata(file).unwrap().len()
    }
}

/// The bytes that the file grows by for each byte that is written, while `read` does so many commits.
fn growth(read: impl FnOnce(&mut Growing)) -> f64 {
    let mut growing = Growing::new();
    let before = growing.size();
    read(&mut growing);
    assert_eq!(growing.committed, commits());
    let grown = growing.size() - before;
    grown as f64 / (growing.committed * PAYLOAD as u64) as f64
}

/// The same without a reader.
fn growth_alone() -> f64 {
    static GROWTH: OnceLock<f64> = OnceLock::new();
    *GROWTH.get_or_init(|| {
        growth(|growing| {
            for _ in 0..commits() {
                growing.commit();
            }
        })
    })
}

#[test]
fn streams_of_events_that_are_held_keep_no_old_pages() {
    let alone = growth_alone();
    let held = growth(|growing| {
        let store = growing.store.clone();
        let name = StreamName::new("a").unwrap();
        let mut log = store.events(ReadLog::forward());
        let mut stream = store.stream_events(ReadStream::backward(name));
        block_on(log.next()).unwrap().unwrap();
        block_on(stream.next()).unwrap().unwrap();
        for _ in 0..commits() {
            growing.commit();
        }
        assert_eq!(block_on(stream.count()) as u64, EVENTS - 1);
        assert_eq!(block_on(log.count()) as u64, EVENTS - 1 + commits());
    });
    println!(
        "{alone:.2} bytes for each byte of payload alone, {held:.2} with two streams that are held"
    );
    assert!(
        held < alone * 1.1 + 0.1,
        "{held} bytes were taken for each, and {alone} alone"
    );
}

#[test]
fn a_visitor_that_takes_its_time_keeps_the_old_pages_of_one_batch() {
    let alone = growth_alone();
    let per_event = commits().div_ceil(EVENTS);
    let held = growth(|growing| {
        let store = growing.store.clone();
        block_on(store.read_log(&ReadLog::forward(), &mut |_| {
            for _ in 0..per_event {
                if growing.committed < commits() {
                    growing.commit();
                }
            }
            ControlFlow::Continue(())
        }))
        .unwrap();
    });
    println!("{alone:.2} bytes for each byte of payload alone, {held:.2} with a slow visitor");
    // A batch is 1,024 records: so many commits pass until its pages may be used again.
    let batches = 1_024.0 * per_event as f64 / commits() as f64;
    let bound = alone + batches * PAGES_PER_COMMIT * 4096.0 / PAYLOAD as f64;
    assert!(
        held < bound,
        "{held} bytes were taken for each, {alone} alone, at most {bound} are due"
    );
}
