//! The times of merging the index of tags and names: within commits, a little in each.

use super::Failure;
use super::backfill::Backfill;
use crate::databases::Databases;
use crate::error::{backend, corrupt, is_damaged_page};
use crate::tags::{self, TagManifest, TagTail, Tags};
use crate::tail::MERGED_AT;
use heed::RwTxn;
use midgard::Position;
use midgard::store::StoreError;

/// How many entries of runs are merged for each one that is added: more than one ever needs, as each level of runs
/// moves it once.
const PER_ENTRY: usize = 8;
/// This many entries are worth the pages that a slice dirties.
const SLICE: usize = 4096;
/// How many slices a commit may merge in addition to those for what it adds.
const SLICES: usize = 4;
/// The tail is merged when it has so many entries, however few its records are.
pub(super) const MOST_ENTRIES: usize = 4 * MERGED_AT as usize;
/// The most runs, in case a damaged one prevents merging. A sound index has some twenty.
const MOST_RUNS: usize = 500;
/// How often damaged runs are made again. If they are damaged once more, something damages them.
const MOST_REBUILDS: usize = 2;

/// The merging that is due.
#[derive(Debug, Default)]
pub(super) struct TagMerging {
    /// How many entries of runs are to be merged.
    entries: usize,
    /// No merging before the log reaches this position; the damage may be gone by then.
    resume_at: Position,
    rebuilds: usize,
    /// Whether damaged runs are removed by commits of their own only: a commit of records has failed.
    is_left_to_own: bool,
    /// Whether the manifest was seen to fit the log.
    is_checked: bool,
}

/// What a commit adds to the index, and how.
pub(super) struct Addition<'a> {
    pub(super) tail: &'a TagTail,
    pub(super) backfill: &'a Backfill,
    /// The position before its own records.
    pub(super) before: Position,
    /// The number of its own entries.
    pub(super) entries: usize,
    /// Whether nothing but the index is written.
    pub(super) is_own: bool,
    /// Whether it has merged much already.
    pub(super) is_long: bool,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// The tail `before` the commit is in the runs.
    pub(super) tail: bool,
    /// Older records up to this position are.
    pub(super) until: Option<Position>,
    /// The runs were removed, as they were damaged.
    pub(super) removed: bool,
}

impl TagMerging {
    /// Returns whether there is more to merge than commits of new records will do soon.
    pub(super) const fn is_behind(&self) -> bool {
        self.entries >= SLICE
    }

    /// Returns how many entries of runs are to be merged.
    pub(super) const fn left(&self) -> usize {
        self.entries
    }

    /// Merges no more than commits of new records need.
    pub(super) const fn rest(&mut self) {
        self.entries = 0;
    }

    /// Returns whether the index is so damaged that it is left alone.
    pub(super) fn is_suspended(&self) -> bool {
        self.resume_at > Position::ZERO
    }

    /// Notes that the runs were removed, to be made again.
    pub(super) const fn removed(&mut self) {
        self.rebuilds += 1;
        self.is_left_to_own = false;
    }

    /// Leaves the removal of damaged runs to commits of its own: what is appended does not depend on it.
    pub(super) const fn leave_to_own(&mut self) {
        self.is_left_to_own = true;
    }

    /// Returns whether damaged runs are to be removed by a commit of its own.
    pub(super) fn is_removal_due(&self, tail: &TagTail) -> bool {
        self.is_left_to_own && self.rebuilds < MOST_REBUILDS && tail.distrusts_runs()
    }

    /// Merges what is due.
    ///
    /// A damaged index does not prevent appends: what is not in it is scanned, and it is made again from the log.
    pub(super) fn merge(
        &mut self,
        databases: &Databases,
        transaction: &mut RwTxn<'_>,
        addition: &Addition<'_>,
    ) -> Result<Merged, Failure> {
        let before = addition.before;
        let Some(tags) = databases.tags else {
            return Ok(Merged::default());
        };
        if before < self.resume_at {
            return Ok(Merged::default());
        }
        self.resume_at = Position::ZERO;
        let tail = addition.tail;
        let error = match self.try_merge((databases, tags), transaction, addition) {
            Ok(merged) => return Ok(merged),
            Err(error) => error,
        };
        let is_unusable = is_damaged_page(&error);
        if !is_unusable && !tags::is_damage(&error) {
            return Err(error.into());
        }
        tracing::warn!(%error, "the index of tags is damaged");
        tail.distrust_runs();
        self.entries = 0;
        if is_unusable || self.rebuilds >= MOST_REBUILDS {
            self.resume_at = Position(before.get().saturating_add(MERGED_AT));
        }
        // What was written of a merge is of no use; and LMDB reads no more after a damaged page.
        Err(Failure::Merge)
    }

    fn try_merge(
        &mut self,
        (databases, tags): (&Databases, Tags),
        transaction: &mut RwTxn<'_>,
        addition: &Addition<'_>,
    ) -> Result<Merged, StoreError> {
        let Addition {
            tail,
            backfill,
            before,
            entries,
            is_own,
            is_long,
        } = *addition;
        if tail.distrusts_runs() {
            if self.rebuilds < MOST_REBUILDS && (is_own || !self.is_left_to_own) {
                tracing::warn!("the index of tags is damaged; it is made again from the log");
                let cleared = tags.0.clear(transaction);
                cleared.map_err(backend("clear the index of tags"))?;
                databases
                    .about
                    .set_tag_manifest(transaction, &TagManifest::NONE)?;
                return Ok(Merged {
                    removed: true,
                    ..Merged::default()
                });
            }
            return Ok(Merged::default());
        }
        self.entries += entries * PER_ENTRY;
        let is_full = |merged| {
            let (tail_records, tail_entries) = tail.size(merged);
            tail_records >= MERGED_AT || tail_entries >= MOST_ENTRIES
        };
        let is_due = is_full(tail.merged()) || self.is_behind() || backfill.is_ready();
        if self.is_checked && !is_due {
            return Ok(Merged::default());
        }
        let manifest = databases.about.tag_manifest(transaction)?;
        let merged = manifest.merged;
        if merged > before {
            let reason = format!(
                "the log ends before it, and the index of tags has positions up to {merged}: the records in between are lost"
            );
            return Err(corrupt(before.next(), None, reason));
        }
        self.is_checked = true;
        // Another process may have merged more, or have begun again.
        if merged != tail.merged() {
            tail.set_merged(merged);
        }
        let is_full = is_full(merged);
        // Commits of many records may all be long.
        let is_overfull = tail.size(merged).0 >= 2 * MERGED_AT;
        let is_room = manifest.runs().len() < MOST_RUNS && (!is_long || is_overfull);
        let mut done = Merged::default();
        let from_tail = match is_room && is_full {
            true => tail.entries(merged, before),
            false => None,
        };
        let from_log = match is_room && from_tail.is_none() && !self.is_behind() {
            true => backfill.entries(merged, is_own),
            false => None,
        };
        if let Some(added) = from_tail {
            tags::flush(databases, tags, transaction, &added, before)?;
            done.tail = true;
        } else if let Some((added, until)) = from_log {
            tags::flush(databases, tags, transaction, &added, until)?;
            let added = added.iter().map(|(_, span)| span.count());
            self.entries += added.sum::<usize>() * PER_ENTRY;
            done.until = Some(until);
        }
        for _ in 0..SLICES + entries * PER_ENTRY / SLICE {
            if self.entries < SLICE {
                break;
            }
            match tags::step(databases, tags, transaction)? {
                Some(merged) => self.entries = self.entries.saturating_sub(merged.max(SLICE / 8)),
                None => self.entries = 0,
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::options::{Durability, LmdbOptions};

    struct Scene {
        _directory: tempfile::TempDir,
        environment: Environment,
        merging: TagMerging,
    }

    impl Scene {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let options = LmdbOptions::default().durability(Durability::NoSync);
            Scene {
                environment: Environment::open(directory.path(), options).unwrap(),
                merging: TagMerging::default(),
                _directory: directory,
            }
        }

        /// Merges damaged runs, in a transaction that is not committed. Returns whether the runs are removed.
        fn merge(&mut self, is_own: bool) -> bool {
            let tail = self.environment.tag_tail();
            tail.distrust_runs();
            let guard = self.environment.access().unwrap();
            let open = guard.get().unwrap();
            let addition = Addition {
                tail,
                backfill: &Backfill::default(),
                before: Position(9),
                entries: 1,
                is_own,
                is_long: false,
            };
            let mut transaction = open.env.write_txn().unwrap();
            let merged = self
                .merging
                .merge(&open.databases, &mut transaction, &addition);
            merged.unwrap().removed
        }
    }

    #[test]
    fn a_rebuild_counts_once_it_is_committed() {
        let mut scene = Scene::new();
        for _ in 0..2 * MOST_REBUILDS {
            assert!(scene.merge(false));
        }
        for _ in 0..MOST_REBUILDS {
            assert!(scene.merge(false));
            scene.merging.removed();
        }
        assert!(!scene.merge(false), "something damages them");
    }

    #[test]
    fn a_rebuild_that_has_failed_is_no_longer_part_of_commits_of_records() {
        let mut scene = Scene::new();
        assert!(scene.merge(false));
        scene.merging.leave_to_own();
        assert!(scene.merging.is_removal_due(scene.environment.tag_tail()));
        assert!(!scene.merge(false));
        assert!(scene.merge(true));
        scene.merging.removed();
        assert!(!scene.merging.is_removal_due(scene.environment.tag_tail()));
        assert!(scene.merge(false));
    }
}
