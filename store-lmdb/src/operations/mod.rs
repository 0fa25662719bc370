//! Work on a store as a whole, while it is in use: backups, checks, statistics.
//!
//! What looks at all records does so in bounded batches, as readers do, and has a tail of the log of its own: it is where the
//! snapshot of each batch is, so that nothing that is written meanwhile is ever taken for damage.

mod backup;
mod copy;
mod statistics;
mod verify;

pub(crate) use backup::is_unfinished;
pub use backup::{BackedUp, Backup, BackupError};
pub use statistics::{EventStatistics, FileStatistics, IndexStatistics, Statistics};
pub use verify::{Problem, Verification};

use crate::LmdbStore;
use midgard::store::StoreError;
use std::ops::ControlFlow;

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How much is done: bytes of a backup; positions of the log, and smaller parts of the store, in the others.
    pub done: u64,
    /// How much of that there is, about. What is written meanwhile may be counted, or not.
    pub expected: u64,
}

/// These operations block the thread that calls them until they are done, which takes as long as reading the whole store. Each
/// calls a function with its [`Progress`] from time to time, which can end it early. The store can be used meanwhile, by this
/// process and by others.
impl LmdbStore {
    /// A copy of the store to be made while it is in use.
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

    /// Checks that everything is there that was written, as it was written: each record with its checksums, gaps in the log,
    /// the links between the events of each stream, the index by which streams are found, and that LMDB has as many keys of
    /// everything as it has noted. Of the [entries](midgard::store::EntryWrite), which are what readers of the log have made of it,
    /// nothing but their number is checked.
    ///
    /// It looks at the log up to where it ends now. Memory does not grow with the store. What is appended, truncated or
    /// tombstoned meanwhile is never taken for damage. Keys are counted last, and all in one snapshot: so long, `data.mdb`
    /// grows with what is written, and a map that is full is not made larger, so that `progress` must not wait for the store
    /// where maps [begin small](crate::LmdbOptions::initial_map_size).
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
    /// When the store cannot be read at all. What is damaged is a [`Problem`], not an error.
    pub fn verify(
        &self,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Verification, StoreError> {
        verify::verify(&self.0.environment, progress)
    }

    /// Counts what is in the store: events by name, streams, bytes.
    ///
    /// It counts the records up to where the log ends now, as far as they are still there when it comes to them, and the streams
    /// that there are when it comes to those. Memory does not grow with the store, but for one row for each name of events.
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
    /// When the store, or its index of streams, cannot be read. Damaged records are counted by themselves.
    pub fn statistics(
        &self,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Statistics, StoreError> {
        statistics::statistics(&self.0.environment, progress)
    }
}
