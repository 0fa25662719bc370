//! When the index is merged: within commits, a little in each.

use super::Failure;
use crate::databases::Databases;
use crate::index;
use crate::tail::{MERGED_AT, Tail};
use heed::RwTxn;
use midgard::Position;

/// How many entries of runs are merged for each record that is appended: more than a record ever needs, as each level of the
/// index moves it once.
const PER_RECORD: usize = 8;
/// How many entries are worth the pages that a slice dirties.
const SLICE: usize = 2048;
/// The most that is made up for in one commit, after one that was very large.
const MOST: usize = 8 * SLICE;

/// What is owed to the index.
#[derive(Debug, Default)]
pub(super) struct Merging {
    entries: usize,
}

impl Merging {
    /// Merges what is due, in a transaction that has so many new records; tells whether the tail `before` them is in the
    /// index now.
    pub(super) fn merge(
        &mut self,
        databases: &Databases,
        tail: &Tail,
        transaction: &mut RwTxn<'_>,
        before: Position,
        records: u64,
    ) -> Result<bool, Failure> {
        if records == 0 {
            return Ok(false);
        }
        let (index, about) = (databases.index, databases.about);
        let tail_begins = about.manifest(transaction)?.merged;
        let is_full = before.get().saturating_sub(tail_begins.get()) >= MERGED_AT;
        let entries = if is_full { tail.entries(before) } else { None };
        let merged = entries.is_some();
        if let Some(entries) = entries {
            index::flush(index, about, transaction, entries, before)?;
        }
        self.entries = (self.entries + records as usize * PER_RECORD).min(MOST);
        while self.entries >= SLICE {
            self.entries = match index::step(index, about, transaction)? {
                Some(entries) => self.entries.saturating_sub(entries.max(SLICE / 8)),
                None => 0,
            };
        }
        Ok(merged)
    }
}
