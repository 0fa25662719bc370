//! How a store is opened.

use crate::LmdbStore;
use midgard::StoreError;
use std::path::Path;

/// What an append that returned has survived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// A kill and a power loss: data and meta page are flushed to the device with each commit.
    #[default]
    Full,
    /// A kill. A power loss may undo the last commits, but leaves a whole store: the meta page is
    /// not flushed with each commit.
    MayLoseLastCommits,
    /// A kill. A power loss may leave a store that cannot be read: nothing is flushed. For data that
    /// can be made again, and for tests.
    MayCorruptOnPowerLoss,
}

/// How a store is opened. [`LmdbStore::open`] is the same with the defaults.
///
/// ```
/// use midgard_store_lmdb::{Durability, LmdbStore};
///
/// # let directory = tempfile::tempdir()?;
/// let store = LmdbStore::options()
///     .durability(Durability::MayLoseLastCommits)
///     .open(directory.path())?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LmdbOptions {
    pub(crate) durability: Durability,
    pub(crate) max_readers: u32,
    pub(crate) map_size: Option<usize>,
}

impl Default for LmdbOptions {
    fn default() -> Self {
        LmdbOptions {
            durability: Durability::Full,
            max_readers: 1022,
            map_size: None,
        }
    }
}

impl LmdbOptions {
    /// What an append that returned has survived; [`Durability::Full`] when not set.
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How many reads may go on at once, over all processes; 1,022 when not set. The first process to
    /// open a store decides. A read takes a slot for microseconds, not for as long as a stream is open; a
    /// snapshot of entries for as long as it is held.
    #[must_use]
    pub const fn max_readers(mut self, readers: u32) -> Self {
        self.max_readers = if readers == 0 { 1 } else { readers };
        self
    }

    /// The address space to begin with, in bytes; 1 TiB when not set, or what the system grants. It is
    /// no limit: the map grows by itself. A multiple of the page size.
    #[must_use]
    pub const fn initial_map_size(mut self, bytes: usize) -> Self {
        self.map_size = Some(bytes);
        self
    }

    /// Opens the store in a directory, or makes one there.
    ///
    /// # Errors
    /// As [`LmdbStore::open`].
    pub fn open(self, directory: impl AsRef<Path>) -> Result<LmdbStore, StoreError> {
        LmdbStore::open_with(directory.as_ref(), self)
    }
}
