//! The cost of loading a stream with raw LMDB in stores of two sizes, with known positions of its events.

use super::grown::{EVENTS, Grown, TURN, name};
use crate::Outcome;
use crate::contest::for_about;
use crate::raw::{Entry, Raw};
use crate::workload::sum;
use midgard::store::ReadStream;
use midgard::{Store, block_on};
use midgard_store_lmdb::LmdbStore;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;

/// How many records are written in one commit.
const AT_ONCE: usize = 10_000;
/// How many streams have known positions: about as many as are loaded in a turn.
const KNOWN: usize = 32_768;

/// Records of a store, raw, and the positions of some of its streams.
pub(super) struct GrownRaw {
    store: LmdbStore,
    raw: Raw,
    streams: Vec<(usize, [u64; EVENTS])>,
    /// The next stream of each contestant.
    next: [usize; 2],
}

impl GrownRaw {
    /// As many records as the store has, each of this size. Their bytes differ from the store's, but not their
    /// positions.
    pub(super) fn of(grown: &mut Grown<'_>, size: usize, directory: &Path) -> Outcome<Self> {
        let store = grown.store()?;
        let mut streams = Vec::with_capacity(KNOWN);
        for _ in 0..KNOWN {
            let stream = grown.any_stream();
            let mut positions = [0; EVENTS];
            let mut places = positions.iter_mut();
            let read = ReadStream::forward(name(stream)?);
            block_on(store.read_stream(&read, &mut |event| {
                if let Some(place) = places.next() {
                    *place = event.position.get();
                }
                ControlFlow::Continue(())
            }))?;
            streams.push((stream, positions));
        }
        let mut raw = Raw::open(directory)?;
        let (record, mut left) = (vec![b'1'; size], grown.events());
        while left > 0 {
            let count = left.min(AT_ONCE);
            let entry = Entry {
                record: &record,
                stream: "",
                number: 0,
                version: 0,
            };
            raw.commit_log(std::iter::repeat_n(entry, count))?;
            left -= count;
        }
        Ok(GrownRaw {
            store,
            raw,
            streams,
            next: [0; 2],
        })
    }

    fn next(&mut self, contestant: usize) -> (usize, [u64; EVENTS]) {
        let next = &mut self.next[contestant];
        *next = (*next + 1) % self.streams.len();
        self.streams[*next]
    }

    /// Returns how many streams are loaded per second. Every byte of their payloads is added up, as for raw LMDB.
    pub(super) fn ours(&mut self) -> Outcome<f64> {
        for_about(TURN, || {
            let read = ReadStream::forward(name(self.next(0).0)?);
            let mut events = 0;
            block_on(self.store.read_stream(&read, &mut |event| {
                black_box(sum(event.payload));
                events += 1;
                ControlFlow::Continue(())
            }))?;
            match events {
                EVENTS => Ok(1),
                _ => Err("a stream has another number of events".into()),
            }
        })
    }

    /// The same for raw `get`s.
    pub(super) fn raw(&mut self) -> Outcome<f64> {
        for_about(TURN, || {
            let (_, positions) = self.next(1);
            let transaction = self.raw.env.read_txn()?;
            for position in positions {
                let record = self.raw.log.get(&transaction, &position)?;
                black_box(sum(record.ok_or("a record is missing")?));
            }
            Ok(1)
        })
    }

    pub(super) fn close(self) {
        self.raw.close();
    }
}
