//! The index of tags and names of a store that was written without one: it is made from the log, from its beginning,
//! some records at a time, while the writer has nothing else to do, and after each of its commits.

use super::tag_merging::MOST_ENTRIES;
use crate::databases::Databases;
use crate::environment::Environment;
use crate::error::{corrupt, is_damaged_page};
use crate::log;
use crate::tags::{self, Postings, Span, TagKey, TagTail};
use crate::tail::MERGED_AT;
use heed::RoTxn;
use midgard::Position;
use midgard::store::StoreError;

/// How many records are read at once: an append waits for them.
const CHUNK: u64 = 2048;

/// About how many bytes of them.
const CHUNK_BYTES: usize = 4 << 20;

/// What was read for the next run.
#[derive(Debug, Default)]
pub(super) struct Backfill {
    /// The run begins behind this position, where the runs end.
    base: Position,
    /// How far the log was read.
    read: Position,
    postings: Postings,
    /// Whether that is enough for a run.
    is_ready: bool,
    /// Whether it goes no further: a record is damaged.
    is_stopped: bool,
    /// Whether it waits for the next opportunity: it has failed several times.
    is_resting: bool,
    /// Whether the run is written by a commit of its own only: one of records has failed.
    is_left_to_own: bool,
}

impl Backfill {
    /// Returns whether there is something to read or to write.
    pub(super) fn is_due(&self, tail: &TagTail) -> bool {
        !self.is_stopped && !self.is_resting && tail.gap().is_some()
    }

    pub(super) const fn is_ready(&self) -> bool {
        self.is_ready && !self.is_stopped && !self.is_resting
    }

    /// Goes no further until it is resumed.
    pub(super) const fn rest(&mut self) {
        self.is_resting = true;
        self.leave_to_own();
    }

    /// Leaves the run that was begun to a commit of its own: what is appended does not depend on it.
    pub(super) const fn leave_to_own(&mut self) {
        self.is_left_to_own = true;
    }

    /// Goes on after a failure, which may have passed.
    pub(super) const fn resume(&mut self) {
        self.is_resting = false;
    }

    /// Reads some more records. Returns whether that has failed, for a reason that may pass.
    pub(super) fn read_some(&mut self, environment: &Environment) -> bool {
        let tail = environment.tag_tail();
        if self.is_ready && tail.gap().is_none() {
            // It was written, by this process or another.
            self.begin(tail.merged());
        }
        let is_to_be_written = self.is_ready && self.base == tail.merged();
        if is_to_be_written || !self.is_due(tail) {
            return false;
        }
        let read = environment.read(|databases, snapshot| self.read(databases, snapshot, tail));
        let Err(error) = read else {
            return false;
        };
        if tags::is_damage(&error) {
            tail.distrust_runs();
            return false;
        }
        self.is_stopped = matches!(error, StoreError::Corrupt { .. }) || is_damaged_page(&error);
        match self.is_stopped {
            true => {
                tracing::warn!(%error, "the index of tags of older records cannot be made; they are scanned");
            }
            false => {
                tracing::debug!(%error, "the index of tags of older records is made later");
            }
        }
        !self.is_stopped
    }

    fn read(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        tail: &TagTail,
    ) -> Result<(), StoreError> {
        let merged = databases.about.tag_manifest(snapshot)?.merged;
        tail.set_merged(merged);
        let Some(end) = tail.gap() else {
            return Ok(());
        };
        if self.base != merged {
            self.begin(merged);
        }
        let end = end.min(Position(merged.get().saturating_add(MERGED_AT)));
        let mut until = end.min(Position(self.read.get().saturating_add(CHUNK)));
        let (mut expected, mut bytes) = (self.read.next(), 0);
        for found in databases.log.walk(snapshot, expected..=until)? {
            let (position, record) = found?;
            let record = record.map_err(|reason| corrupt(position, None, reason))?;
            databases.expect(snapshot, expected, position)?;
            expected = position.next();
            let header = log::header(position, &record)?;
            databases.tag_keys.each_of(&header, |key| {
                self.postings.insert(key, Span::of(position));
            });
            bytes += record.len();
            if bytes >= CHUNK_BYTES {
                until = position;
                break;
            }
        }
        databases.expect(snapshot, expected, until.next())?;
        self.read = until;
        self.is_ready = until == end || self.postings.spans() >= MOST_ENTRIES;
        Ok(())
    }

    fn begin(&mut self, base: Position) {
        self.postings.clear();
        (self.base, self.read, self.is_ready) = (base, base, false);
        self.is_left_to_own = false;
    }

    /// Returns the entries of the next run behind `merged`, in the order of keys, and how far they go. A run that
    /// could not be written is written by a commit of its own: what is appended does not depend on it.
    pub(super) fn entries(
        &self,
        merged: Position,
        is_own: bool,
    ) -> Option<(Vec<(TagKey, Span)>, Position)> {
        let is_next = self.is_ready() && self.base == merged && (is_own || !self.is_left_to_own);
        is_next.then(|| {
            let entries = self.postings.sorted(&(merged.next()..=self.read));
            (entries, self.read)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LmdbStore;
    use crate::options::{Durability, LmdbOptions};
    use crate::tags::Added;
    use midgard::event::NewEvent;
    use midgard::store::{Append, ExpectedVersion};
    use midgard::{Store, StreamName, block_on};
    use std::path::Path;

    const SLOTS: u32 = 2;

    /// Opens a store with so many events of this size, which are neither in its runs nor in its tail.
    fn with_old_events(directory: &Path, count: u64, bytes: usize) -> Environment {
        let options = || {
            let options = LmdbOptions::default().durability(Durability::NoSync);
            options.max_readers(SLOTS)
        };
        let store = LmdbStore::open_with(directory, options()).unwrap();
        for _ in 0..count {
            let event = NewEvent::json("thing.happened", 1, vec![b'1'; bytes]);
            let name = StreamName::new("stream").unwrap();
            let append = Append::to(name, ExpectedVersion::Any, [event]);
            block_on(store.append(append)).unwrap();
        }
        drop(store);
        let environment = Environment::open(directory, options()).unwrap();
        let (tail, added, last) = (environment.tag_tail(), Added::default(), Position(count));
        tail.extend(Position::ZERO, last, &added, false);
        tail.extend(last, last, &added, true);
        tail.set_merged(Position::ZERO);
        assert_eq!(tail.gap(), Some(last));
        environment
    }

    #[test]
    fn few_large_records_are_read_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let environment = with_old_events(directory.path(), 10, 1 << 20);
        let mut backfill = Backfill::default();
        for read in [4, 8, 10] {
            assert!(!backfill.is_ready());
            assert!(!backfill.read_some(&environment));
            assert_eq!(backfill.read, Position(read));
        }
        let (entries, until) = backfill.entries(Position::ZERO, false).unwrap();
        assert_eq!((entries.len(), until), (1, Position(10)));
    }

    #[test]
    fn a_failure_that_passes_ends_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let environment = with_old_events(directory.path(), 10, 10);
        let (mut backfill, tail) = (Backfill::default(), environment.tag_tail());
        let slots: Vec<_> = (0..SLOTS)
            .map(|_| environment.snapshot().unwrap())
            .collect();
        assert!(backfill.read_some(&environment), "no slot is left");
        assert!(backfill.is_due(tail));
        backfill.rest();
        assert!(!backfill.is_due(tail));
        drop(slots);
        backfill.resume();
        assert!(!backfill.read_some(&environment));
        assert!(backfill.is_ready());
        // Until it has gone through, appends do not depend on it.
        assert!(backfill.entries(Position::ZERO, false).is_none());
        assert!(backfill.entries(Position::ZERO, true).is_some());
        tail.set_merged(Position(10));
        backfill.read_some(&environment);
        assert!(!backfill.is_left_to_own);
    }
}
