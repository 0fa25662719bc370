//! The times of merging the index: within commits, a little in each.

use super::Failure;
use crate::databases::Databases;
use crate::error::{backend, corrupt, is_damaged_page};
use crate::index;
use crate::tail::{MERGED_AT, Tail};
use heed::RwTxn;
use midgard::Position;
use midgard::store::StoreError;

/// How many entries of runs are merged for each appended record: more than a record ever needs, as each level of the
/// index moves it once.
const PER_RECORD: usize = 8;
/// This many entries are worth the pages that a slice dirties.
const SLICE: usize = 2048;

/// The most runs, in case a damaged one prevents merging: with many more the manifest would be too long. A sound
/// index has some twenty.
const MOST_RUNS: u64 = 1000;

/// The merging that is due.
#[derive(Debug, Default)]
pub(super) struct Merging {
    entries: usize,
    /// No merging before the log reaches this position; the damage may be gone by then.
    resume_at: Position,
}

/// Whether the tail was merged, and why merging stopped.
struct Merged {
    tail: bool,
    stopped: Option<StoreError>,
}

impl Merging {
    /// Merges what is due, in a transaction with this many new records. Returns whether the tail `before` them is in
    /// the index now.
    ///
    /// A damaged index does not prevent appends: without merging, it only grows. Merging is retried after as many new
    /// records as one merge of the tail takes.
    pub(super) fn merge(
        &mut self,
        databases: &Databases,
        tail: &Tail,
        transaction: &mut RwTxn<'_>,
        before: Position,
        records: u64,
    ) -> Result<bool, Failure> {
        if records == 0 || before < self.resume_at {
            return Ok(false);
        }
        // Without a limit: if commits merged less than they added, the number of runs would grow for ever.
        self.entries += records as usize * PER_RECORD;
        let (merged, error) = match self.try_merge(databases, tail, transaction, before) {
            Ok(Merged {
                tail,
                stopped: None,
            }) => return Ok(tail),
            Ok(Merged {
                tail,
                stopped: Some(error),
            }) => (tail, error),
            Err(error) => (false, error),
        };
        let is_unusable = is_damaged_page(&error);
        if !is_unusable && !index::is_damage(&error) {
            return Err(error.into());
        }
        self.entries = 0;
        self.resume_at = Position(before.get().saturating_add(MERGED_AT));
        let resume_at = self.resume_at.get();
        tracing::warn!(%error, resume_at, "the index of streams is damaged; merging it is suspended");
        match is_unusable {
            true => Err(Failure::Merge),
            false => Ok(merged),
        }
    }

    fn try_merge(
        &mut self,
        databases: &Databases,
        tail: &Tail,
        transaction: &mut RwTxn<'_>,
        before: Position,
    ) -> Result<Merged, StoreError> {
        let (index, about) = (databases.index, databases.about);
        let manifest = about.manifest(transaction)?;
        if manifest.merged > before {
            let merged = manifest.merged;
            let reason = format!(
                "the log ends before it, and the index of streams has positions up to {merged}: the records in between are lost"
            );
            return Err(corrupt(before.next(), None, reason));
        }
        let is_full = before.get().saturating_sub(manifest.merged.get()) >= MERGED_AT
            && manifest.run_count() < MOST_RUNS;
        let entries = if is_full && !is_lost(databases, transaction)? {
            tail.entries(before)
        } else {
            None
        };
        let mut merged = Merged {
            tail: entries.is_some(),
            stopped: None,
        };
        if let Some(entries) = entries {
            index::flush(index, about, transaction, entries, before)?;
        }
        while self.entries >= SLICE && merged.stopped.is_none() {
            match index::step(index, about, transaction) {
                Ok(Some(entries)) => {
                    self.entries = self.entries.saturating_sub(entries.max(SLICE / 8));
                }
                Ok(None) => self.entries = 0,
                // A merge reads all of its input before it writes.
                Err(error) => merged.stopped = Some(error),
            }
        }
        Ok(merged)
    }
}

/// Returns whether there are runs without a manifest: a damaged page hides it. All streams are then found by the
/// tail, which has the whole log, and a new run would get the number of an existing one.
fn is_lost(databases: &Databases, transaction: &RwTxn<'_>) -> Result<bool, StoreError> {
    let manifest = databases.about.manifest(transaction)?;
    let is_empty = databases.index.entries.is_empty(transaction);
    Ok(manifest.run_count() == 0 && !is_empty.map_err(backend("read the index"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::index::{IndexEntry, LastRecord};
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
            let entry = |number| IndexEntry {
                key: environment.key(&format!("stream-{number}")),
                record: LastRecord::at(Position(last)),
            };
            let entries = (0..100).map(entry).collect();
            index::flush(index, about, &mut transaction, entries, Position(last)).unwrap();
        }
        let (key, mut part) = {
            let (key, part) = index.entries.first(&transaction).unwrap().unwrap();
            (key.to_vec(), part.to_vec())
        };
        part[40] ^= 1;
        index.entries.put(&mut transaction, &key, &part).unwrap();
        let (tail, mut merging) = (environment.tail(), Merging::default());
        for _ in 0..3 {
            let (databases, before) = (&open.databases, Position(4));
            merging
                .merge(databases, tail, &mut transaction, before, 5_000)
                .unwrap();
        }
        assert_eq!(about.manifest(&transaction).unwrap().run_count(), 4);

        // Merging is retried, but not before there is much to merge.
        part[40] ^= 1;
        index.entries.put(&mut transaction, &key, &part).unwrap();
        for (before, runs) in [(4 + MERGED_AT - 1, 4), (4 + MERGED_AT, 1)] {
            let (databases, before) = (&open.databases, Position(before));
            merging
                .merge(databases, tail, &mut transaction, before, 5_000)
                .unwrap();
            let manifest = about.manifest(&transaction).unwrap();
            assert_eq!(manifest.run_count(), runs);
        }
    }

    #[test]
    fn nothing_is_appended_to_a_log_that_ends_before_what_the_index_has() {
        let directory = tempfile::tempdir().unwrap();
        let options = LmdbOptions::default().durability(Durability::NoSync);
        let environment = Environment::open(directory.path(), options).unwrap();
        let guard = environment.access().unwrap();
        let open = guard.get().unwrap();
        let (databases, tail) = (&open.databases, environment.tail());
        let mut transaction = open.env.write_txn().unwrap();
        let (index, about) = (databases.index, databases.about);
        index::flush(index, about, &mut transaction, Vec::new(), Position(9)).unwrap();
        let mut merge =
            |before| Merging::default().merge(databases, tail, &mut transaction, before, 1);
        assert!(matches!(
            merge(Position(8)),
            Err(Failure::Store(StoreError::Corrupt {
                position: Position(9),
                ..
            }))
        ));
        assert!(!merge(Position(9)).unwrap());
    }

    #[test]
    fn nothing_is_merged_where_the_manifest_is_lost() {
        for lost in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let options = LmdbOptions::default().durability(Durability::NoSync);
            let environment = Environment::open(directory.path(), options).unwrap();
            let (tail, before) = (environment.tail(), Position(MERGED_AT));
            let entry = IndexEntry {
                key: environment.key("stream"),
                record: LastRecord::at(before),
            };
            tail.extend(Position::ZERO, before, &[entry]);
            let guard = environment.access().unwrap();
            let open = guard.get().unwrap();
            let mut transaction = open.env.write_txn().unwrap();
            if lost {
                let part = open.databases.index.entries;
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
                let entry = |position| IndexEntry {
                    key: environment.key(&format!("stream-{position}")),
                    record: LastRecord::at(Position(position)),
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
