//! The tail of the log: the streams of its newest records, which are not in the index yet.
//!
//! It is kept in memory, by each process for itself, and can be rebuilt from the log at any time. A stream is looked
//! up here *before* a snapshot is taken: everything here was committed before, so the snapshot has it, and everything
//! that has since moved from here to the index is in the snapshot's index. Records of the snapshot beyond the tail
//! are taken in when they are met.

use crate::databases::Databases;
use crate::error::is_damaged_page;
use crate::index::{IndexEntry, LastRecord, StreamKey};
use crate::log;
use heed::RoTxn;
use midgard::Position;
use midgard::store::StoreError;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The number of records at which the tail is merged into the index.
pub(crate) const MERGED_AT: u64 = 32_768;

/// A map by keys of streams, which are hashes already.
pub(crate) type ByStream<T> = HashMap<StreamKey, T, BuildHasherDefault<KeyHasher>>;

/// The last records of streams.
pub(crate) struct Tail(RwLock<State>);

struct State {
    /// How far the log was read.
    seen: Position,
    /// Records up to here are in the index, and may be missing here.
    dropped: Position,
    records: ByStream<LastRecord>,
    /// Records whose streams are unknown.
    damaged: Vec<Position>,
    /// Whether the note of removed records cannot be read.
    is_removed_damaged: bool,
}

/// What the tail knows of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// Its last record, if that is in the tail.
    pub(crate) position: Option<Position>,
    /// A damaged record after that, which may belong to the stream.
    pub(crate) damaged: Option<Position>,
    /// How far the log was read.
    pub(crate) seen: Position,
}

impl Known {
    /// Returns the stream's last record: the one of the tail, or else the one that the index has.
    pub(crate) fn last_record(
        self,
        in_index: impl FnOnce() -> Result<Option<LastRecord>, StoreError>,
    ) -> Result<Option<LastRecord>, StoreError> {
        match self.position {
            Some(position) => Ok(Some(LastRecord::at(position))),
            None => in_index(),
        }
    }
}

impl Tail {
    pub(crate) fn new() -> Self {
        Tail(RwLock::new(State {
            seen: Position::ZERO,
            dropped: Position::ZERO,
            records: HashMap::default(),
            damaged: Vec::new(),
            is_removed_damaged: false,
        }))
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is known of a stream. To be called before the snapshot in which the stream is read is taken.
    pub(crate) fn look_up(&self, key: StreamKey) -> Known {
        self.state().known(key)
    }

    /// As [`look_up`](Tail::look_up), within a snapshot that may have more of the log: that part is taken in first.
    /// Returns `None` when the tail is beyond the snapshot, which is too old then.
    pub(crate) fn look_up_in(
        &self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        key: StreamKey,
    ) -> Result<Option<Known>, StoreError> {
        let mut state = self.change();
        let caught_up = state.catch_up(databases, snapshot)?;
        Ok(caught_up.then(|| state.known(key)))
    }

    /// Takes in the snapshot's records beyond the tail, if any. `last` is where its log ends.
    pub(crate) fn catch_up(
        &self,
        last: Position,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
    ) -> Result<(), StoreError> {
        if self.state().seen == last {
            return Ok(());
        }
        self.change().catch_up(databases, snapshot).map(drop)
    }

    /// Takes in committed records: those up to `last`, behind everything up to `before`.
    pub(crate) fn extend(&self, before: Position, last: Position, entries: &[IndexEntry]) {
        let mut state = self.change();
        // Otherwise a read has taken it in already, or will.
        if state.seen == before {
            state.insert(last, entries);
        }
    }

    /// As [`extend`](Tail::extend), when everything up to `before` was merged in the same commit.
    pub(crate) fn replace(&self, before: Position, last: Position, entries: &[IndexEntry]) {
        let mut state = self.change();
        if state.seen == before {
            state.records.clear();
            state.dropped = before;
            state.insert(last, entries);
        }
    }

    /// Returns all streams that it knows of, in the order of their keys.
    pub(crate) fn streams(&self) -> Vec<StreamKey> {
        let mut keys: Vec<_> = self.state().records.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    /// Returns all of it, to be merged, when it has the log up to `until` and knows the streams of all of that.
    pub(crate) fn entries(&self, until: Position) -> Option<Vec<IndexEntry>> {
        let state = self.state();
        let complete = state.seen == until && state.damaged.is_empty();
        complete.then(|| {
            let records = state.records.iter();
            let entry = |(key, record): (&StreamKey, &LastRecord)| IndexEntry {
                key: *key,
                record: *record,
            };
            records.map(entry).collect()
        })
    }
}

impl State {
    fn known(&self, key: StreamKey) -> Known {
        let position = self.records.get(&key).map(|record| record.position);
        let damaged = self.damaged.last().copied();
        Known {
            position,
            damaged: damaged.filter(|damaged| position.is_none_or(|position| position < *damaged)),
            seen: self.seen,
        }
    }

    /// Returns whether it has just what the snapshot has.
    fn catch_up(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
    ) -> Result<bool, StoreError> {
        let merged = databases.about.manifest(snapshot)?.merged;
        let last = databases.log.last_position(snapshot)?;
        if self.seen > last || self.dropped > merged {
            return Ok(false);
        }
        self.drop_until(merged);
        let mut expected = self.seen.next();
        for found in databases.log.walk(snapshot, expected..=last)? {
            let (position, record) = found?;
            if !self.nothing_missing(databases, snapshot, expected, position)? {
                self.damaged.push(position.previous());
            }
            expected = position.next();
            let bytes = record.as_deref().unwrap_or_default();
            match log::header(position, bytes) {
                Ok(header) => {
                    let key = databases.keys.of(header.stream);
                    self.records.insert(key, LastRecord::of(&header));
                }
                Err(_) => self.damaged.push(position),
            }
        }
        // If keys are damaged, a read may end too early.
        if !self.nothing_missing(databases, snapshot, expected, last.next())? {
            self.damaged.push(last);
        }
        self.seen = last;
        Ok(true)
    }

    /// As [`Databases::nothing_missing`]. If a damaged page hides which records were removed, a gap may be a loss:
    /// that is an error once, as LMDB reads no more in a transaction that has met a damaged page.
    fn nothing_missing(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        expected: Position,
        found: Position,
    ) -> Result<bool, StoreError> {
        if self.is_removed_damaged {
            return Ok(databases.adjoins(expected, found));
        }
        let answer = databases.nothing_missing(snapshot, expected, found);
        answer.inspect_err(|error| self.is_removed_damaged = is_damaged_page(error))
    }

    fn insert(&mut self, last: Position, entries: &[IndexEntry]) {
        self.records
            .extend(entries.iter().map(|entry| (entry.key, entry.record)));
        self.seen = last;
    }

    /// Forgets records that are in the index, when that pays.
    fn drop_until(&mut self, merged: Position) {
        if self.seen < merged {
            self.records.clear();
            self.seen = merged;
        } else if self.records.len() as u64 > 2 * MERGED_AT {
            self.records.retain(|_, record| record.position > merged);
        } else {
            return;
        }
        self.dropped = merged;
        self.damaged.retain(|position| *position > merged);
    }
}

/// Uses keys of streams, tags and names as the hashes that they are.
#[derive(Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}
