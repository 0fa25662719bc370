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
        // However many there are: of commits that merge less than they bring, runs would grow in number for good.
        self.entries += records as usize * PER_RECORD;
        while self.entries >= SLICE {
            self.entries = match index::step(index, about, transaction)? {
                Some(entries) => self.entries.saturating_sub(entries.max(SLICE / 8)),
                None => 0,
            };
        }
        Ok(merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::index::Entry;
    use crate::options::{Durability, LmdbOptions};

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
            while last < 900_000 {
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
            // Two levels, each of which has four runs and one that is being made of them.
            assert!(most <= 10, "{most} runs, of commits of {records} records");
        }
    }
}
