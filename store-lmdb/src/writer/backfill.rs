//! The index of tags and names of a store that was written without one: it is made from the log, from its beginning,
//! some records at a time, while the writer has nothing else to do, and after each of its commits.

use super::tag_merging::MOST_ENTRIES;
use crate::databases::Databases;
use crate::environment::Environment;
use crate::error::corrupt;
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
    /// Whether it goes no further: a record cannot be read, or the run cannot be written.
    is_stopped: bool,
}

impl Backfill {
    /// Returns whether there is something to read or to write.
    pub(super) fn is_due(&self, tail: &TagTail) -> bool {
        !self.is_stopped && tail.gap().is_some()
    }

    pub(super) const fn is_ready(&self) -> bool {
        self.is_ready && !self.is_stopped
    }

    /// Goes no further in this process.
    pub(super) const fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// Reads some more records.
    pub(super) fn read_some(&mut self, environment: &Environment) {
        let tail = environment.tag_tail();
        if self.is_ready && tail.gap().is_none() {
            // It was written, by this process or another.
            self.begin(tail.merged());
        }
        let is_to_be_written = self.is_ready && self.base == tail.merged();
        if is_to_be_written || !self.is_due(tail) {
            return;
        }
        let read = environment.read(|databases, snapshot| self.read(databases, snapshot, tail));
        if let Err(error) = read {
            if tags::is_damage(&error) {
                tail.distrust_runs();
                return;
            }
            tracing::warn!(%error, "the index of tags of older records cannot be made; they are scanned");
            self.is_stopped = true;
        }
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
    }

    /// Returns the entries of the next run behind `merged`, in the order of keys, and how far they go.
    pub(super) fn entries(&self, merged: Position) -> Option<(Vec<(TagKey, Span)>, Position)> {
        let is_next = self.is_ready() && self.base == merged;
        is_next.then(|| {
            let entries = self.postings.sorted(&(merged.next()..=self.read));
            (entries, self.read)
        })
    }
}
