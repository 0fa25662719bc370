//! When the index is merged: within commits, a little in each.

use super::Failure;
use crate::databases::Databases;
use crate::error::backend;
use crate::index;
use crate::tail::{MERGED_AT, Tail};
use heed::RwTxn;
use midgard::{Position, StoreError};

/// How many entries of runs are merged for each record that is appended: more than a record ever needs, as each level of the
/// index moves it once.
const PER_RECORD: usize = 8;
/// How many entries are worth the pages that a slice dirties.
const SLICE: usize = 2048;

/// How many runs there may be, where a damaged one keeps them from being merged: many more, and the manifest is too long. A
/// sound index has some twenty.
const MOST_RUNS: u64 = 1000;

/// What is owed to the index.
#[derive(Debug, Default)]
pub(super) struct Merging {
    entries: usize,
    /// Whether a part of the index is damaged: appends to other streams go on without merging runs.
    is_damaged: bool,
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
        let manifest = about.manifest(transaction)?;
        let is_full = before.get().saturating_sub(manifest.merged.get()) >= MERGED_AT
            && manifest.run_count() < MOST_RUNS;
        let entries = if is_full && !is_lost(databases, transaction)? {
            tail.entries(before)
        } else {
            None
        };
        let merged = entries.is_some();
        if let Some(entries) = entries {
            index::flush(index, about, transaction, entries, before)?;
        }
        // However many there are: of commits that merge less than they bring, runs would grow in number for good.
        self.entries += records as usize * PER_RECORD;
        while self.entries >= SLICE && !self.is_damaged {
            self.entries = match index::step(index, about, transaction) {
                Ok(Some(entries)) => self.entries.saturating_sub(entries.max(SLICE / 8)),
                Ok(None) => 0,
                // It looks at all that it merges before it writes.
                Err(StoreError::Backend { source, .. }) if !source.is::<heed::Error>() => {
                    tracing::warn!(%source, "the index of streams is not merged any more");
                    self.is_damaged = true;
                    0
                }
                Err(error) => return Err(error.into()),
            };
        }
        Ok(merged)
    }
}

/// Whether there are runs, and no manifest that says so: a damaged page hides it. All streams are found by the tail then, which has the
/// whole log, and a run that is made anew would have the number of one that is there.
fn is_lost(databases: &Databases, transaction: &RwTxn<'_>) -> Result<bool, StoreError> {
    let manifest = databases.about.manifest(transaction)?;
    let is_empty = databases.index.0.is_empty(transaction);
    Ok(manifest.run_count() == 0 && !is_empty.map_err(backend("read the index"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::index::Entry;
    use crate::options::{Durability, LmdbOptions};

    #[test]
    fn a_damaged_part_of_the_index_is_merged_no_more_and_stands_in_no_ones_way() {
        let directory = tempfile::tempdir().unwrap();
        let options = LmdbOptions::default().durability(Durability::NoSync);
        let environment = Environment::open(directory.path(), options).unwrap();
        let guard = environment.access().unwrap();
        let open = guard.get().unwrap();
        let (index, about) = (open.databases.index, open.databases.about);
        let mut transaction = open.env.write_txn().unwrap();
        for last in 1..=4 {
            let entry = |number| Entry {
                key: environment.key(&format!("stream-{number}")),
                position: Position(last),
            };
            let entries = (0..100).map(entry).collect();
            index::flush(index, about, &mut transaction, entries, Position(last)).unwrap();
        }
        let (key, mut part) = {
            let (key, part) = index.0.first(&transaction).unwrap().unwrap();
            (key.to_vec(), part.to_vec())
        };
        part[40] ^= 1;
        index.0.put(&mut transaction, &key, &part).unwrap();
        let (tail, mut merging) = (environment.tail(), Merging::default());
        for _ in 0..3 {
            let (databases, before) = (&open.databases, Position(4));
            merging
                .merge(databases, tail, &mut transaction, before, 5_000)
                .unwrap();
        }
        assert_eq!(about.manifest(&transaction).unwrap().run_count(), 4);
    }

    #[test]
    fn nothing_is_merged_where_the_manifest_is_lost() {
        for lost in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let options = LmdbOptions::default().durability(Durability::NoSync);
            let environment = Environment::open(directory.path(), options).unwrap();
            let (tail, before) = (environment.tail(), Position(MERGED_AT));
            let entry = Entry {
                key: environment.key("stream"),
                position: before,
            };
            tail.extend(Position::ZERO, before, &[entry]);
            let guard = environment.access().unwrap();
            let open = guard.get().unwrap();
            let mut transaction = open.env.write_txn().unwrap();
            if lost {
                let part = open.databases.index.0;
                part.put(&mut transaction, &[0; 12], b"of a run").unwrap();
            }
            let merged =
                Merging::default().merge(&open.databases, tail, &mut transaction, before, 1);
            assert_eq!(merged.unwrap(), !lost);
        }
    }

    #[test]
    fn commits_of_any_size_leave_few_runs() {
        for records in [9_000, 18_000] {
            let directory = tempfile::tempdir().unwrap();
            let options = LmdbOptions::default().durability(Durability::NoSync);
            let environment = Environment::open(directory.path(), options).unwrap();
            let (tail, mut merging, mut last) = (environment.tail(), Merging::default(), 0);
            let guard = environment.access().unwrap();
            let open = guard.get().unwrap();
            let mut most = 0;
            while last < 500_000 {
                let (before, after) = (Position(last), Position(last + records));
                let mut transaction = open.env.write_txn().unwrap();
                let merged =
                    merging.merge(&open.databases, tail, &mut transaction, before, records);
                let manifest = open.databases.about.manifest(&transaction).unwrap();
                most = most.max(manifest.run_count());
                let merged = merged.unwrap();
                transaction.commit().unwrap();
                let entry = |position| Entry {
                    key: environment.key(&format!("stream-{position}")),
                    position: Position(position),
                };
                let entries: Vec<_> = (last + 1..=after.get()).map(entry).collect();
                if merged {
                    tail.replace(before, after, &entries);
                } else {
                    tail.extend(before, after, &entries);
                }
                last = after.get();
            }
            // Two levels: four runs of the first and one that is made of them, and three of the second.
            assert!(most <= 8, "{most} runs, of commits of {records} records");
        }
    }
}
