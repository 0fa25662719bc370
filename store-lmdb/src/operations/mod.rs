//! Operations on a whole store while it is in use: backups, checks, statistics.
//!
//! An operation that reads all records does so in bounded batches, as other reads do. It has a tail of the log of its
//! own, which is exactly where the snapshot of each batch is, so that nothing written meanwhile is ever taken for
//! damage.

mod backup;
mod copy;
mod statistics;
mod verify;

pub(crate) use backup::is_unfinished;
pub use backup::{BackedUp, Backup, BackupError};
pub use statistics::{EventStatistics, FileStatistics, IndexStatistics, Statistics, TagStatistics};
pub use verify::{Problem, Verification};

use crate::LmdbStore;
use midgard::store::StoreError;
use std::ops::ControlFlow;

/// The progress of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The completed amount: bytes for a backup; positions of the log, and smaller parts of the store, for the
    /// others.
    pub done: u64,
    /// About the total amount. It may or may not include what is written meanwhile.
    pub expected: u64,
}

/// These operations block the calling thread until they are done, which takes as long as reading the whole store.
/// Each calls a function with its [`Progress`] from time to time, which can end the operation early. The store can be
/// used meanwhile, by this process and by others.
impl LmdbStore {
    /// Returns a backup to be made of the store while it is in use.
    ///
    /// ```
    /// use midgard_store_lmdb::LmdbStore;
    /// use std::ops::ControlFlow;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let (data, target) = (directory.path().join("data"), directory.path().join("backup"));
    /// let store = LmdbStore::open(data)?;
    /// let backup = store.backup().to(&target, |progress| {
    ///     println!("{} of {} bytes", progress.done, progress.expected);
    ///     ControlFlow::Continue(())
    /// })?;
    /// println!("all events up to position {} are safe", backup.position);
    /// let copy = LmdbStore::open(target)?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub const fn backup(&self) -> Backup<'_> {
        Backup::new(self)
    }

    /// Checks that everything that was written is there, and as it was written: each record with its checksums, gaps
    /// in the log, the links between the events of each stream, the indexes by which streams, tags and names are found, and that LMDB
    /// has as many keys of everything as it has noted. Of the [entries](midgard::store::EntryWrite), which readers of
    /// the log derive from it, only the number is checked.
    ///
    /// Checks the log up to its current end. Memory does not grow with the store. Appends, truncations and tombstones
    /// that happen meanwhile are never taken for damage. Keys are counted last, all in one snapshot. During that count
    /// `data.mdb` grows with each write, and a full map cannot grow: where maps
    /// [begin small](crate::LmdbOptions::initial_map_size), `progress` must not wait for the store.
    ///
    /// ```
    /// use midgard_store_lmdb::LmdbStore;
    /// use std::ops::ControlFlow;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let data = directory.path();
    /// let store = LmdbStore::open(data)?;
    /// let verification = store.verify(|_| ControlFlow::Continue(()))?;
    /// for problem in &verification.problems {
    ///     println!("{problem}");
    /// }
    /// assert!(verification.is_sound());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the store cannot be read at all. Damage is reported as a [`Problem`], not as an error.
    pub fn verify(
        &self,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Verification, StoreError> {
        verify::verify(&self.0.environment, progress)
    }

    /// Counts the contents of the store: events by name, streams, bytes.
    ///
    /// Counts the records up to the current end of the log, except those removed before the count reaches them, and
    /// the streams that exist when the count reaches them. Memory does not grow with the store, except for one row
    /// for each name of events.
    ///
    /// ```
    /// use midgard_store_lmdb::LmdbStore;
    /// use std::ops::ControlFlow;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let data = directory.path();
    /// let store = LmdbStore::open(data)?;
    /// let statistics = store.statistics(|_| ControlFlow::Continue(()))?;
    /// for (name, events) in &statistics.names {
    ///     println!("{name}: {} events, {} bytes", events.events, events.payload_bytes);
    /// }
    /// assert_eq!(statistics.streams, 0);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the store, or its index of streams, cannot be read. Damaged records are counted separately.
    pub fn statistics(
        &self,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Statistics, StoreError> {
        statistics::statistics(&self.0.environment, progress)
    }
}
