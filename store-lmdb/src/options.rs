//! The options for opening a store.

use crate::LmdbStore;
use crate::files;
use midgard::clock::Clock;
use midgard::store::StoreError;
use std::path::Path;

/// What an append survives once it has returned. All processes that write to a store should use the same level.
///
/// | | the process is killed | the system crashes, or the power is cut |
/// |---|---|---|
/// | [`Sync`](Durability::Sync) | nothing is lost | nothing is lost |
/// | [`NoMetaSync`](Durability::NoMetaSync) | nothing is lost | the last commits may be undone, as if they had never been made; the store is whole |
/// | [`NoSync`](Durability::NoSync) | nothing is lost | anything may be lost: because of pages that were not written yet, the store may be impossible to open, or have damaged records |
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Each commit flushes its data to the device, and then the page that makes it the last one. The right level for
    /// a ledger.
    #[default]
    Sync,
    /// Each commit flushes its data, but leaves it to the system when to write the page that makes it the last one:
    /// at the latest with the data of the next commit. A power cut may undo an append that has returned, and those
    /// after it, although readers in other services may have seen it. For events that can be rebuilt from elsewhere.
    NoMetaSync,
    /// Nothing is flushed: the system writes whenever it likes, in any order. For tests, and for disposable data.
    NoSync,
}

/// The options for opening a store. [`LmdbStore::open`] uses the defaults.
///
/// ```
/// use midgard_store_lmdb::{Durability, LmdbStore};
///
/// # let directory = tempfile::tempdir()?;
/// let store = LmdbStore::options()
///     .durability(Durability::NoMetaSync)
///     .open(directory.path())?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LmdbOptions {
    pub(crate) durability: Durability,
    pub(crate) max_readers: u32,
    pub(crate) map_size: Option<usize>,
    pub(crate) file_mode: u32,
    pub(crate) read_only: bool,
    pub(crate) clock: Clock,
}

impl Default for LmdbOptions {
    fn default() -> Self {
        LmdbOptions {
            durability: Durability::Sync,
            max_readers: 1022,
            map_size: None,
            file_mode: files::OWNER,
            read_only: false,
            clock: Clock::system(),
        }
    }
}

impl LmdbOptions {
    /// Sets what an append survives once it has returned. The default is [`Durability::Sync`].
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets how many reads may run at once, over all processes. The default is 1,022. The first process to open a
    /// store decides. A read takes a slot for microseconds, not as long as a stream is open; a snapshot of entries
    /// takes one as long as it is held.
    #[must_use]
    pub const fn max_readers(mut self, readers: u32) -> Self {
        self.max_readers = if readers == 0 { 1 } else { readers };
        self
    }

    /// Sets the initial size of the map, in bytes of address space. The default is 1 TiB or less, as described in the [crate]
    /// docs. It is not a limit: the map grows by itself. The size is rounded up to one that the system can map.
    #[must_use]
    pub const fn initial_map_size(mut self, bytes: usize) -> Self {
        self.map_size = Some(bytes);
        self
    }

    /// Sets the mode of the files of a new store, as for `chmod`: `0o640` lets the group read them. The process's
    /// umask is subtracted. The default is `0o600`, because not everyone should be able to read a store. Existing
    /// files keep their modes. [Backups](LmdbStore::backup) get the mode of `data.mdb`. No effect on Windows.
    ///
    /// A process that reads while others write has to write to `lock.mdb`, even if it opens the store
    /// [read-only](LmdbOptions::read_only): once that file exists, `chmod g+w lock.mdb` lets the group do so.
    #[must_use]
    pub const fn file_mode(mut self, mode: u32) -> Self {
        self.file_mode = mode;
        self
    }

    /// Opens the store for reading only: no directory and no file is created, `data.mdb` is never written to, and a
    /// store of an older format is refused rather than upgraded. The store may be on a file system that is mounted
    /// read-only, and belong to another user. Every write fails with [`StoreError::ReadOnly`]: appends, entries, and
    /// therefore all consumers, because they note their progress. Their status shows the error, and
    /// [`catch_up`](midgard::Midgard::catch_up) returns it. Reads, [`Live`](midgard::view::Live) projections,
    /// backups, and checks work.
    ///
    /// - If `lock.mdb` can be written to, other processes know of the reads here, and may write meanwhile. Their
    ///   appends are seen as usual.
    /// - If it is missing or cannot be written to, only readers of this kind may have the store open. Opening it
    ///   while others have it open is an error. A process that opens it later is not kept out: until it is gone, all
    ///   reads fail with [`StoreError::Lost`], as does a read during which it wrote. Linux only.
    ///
    /// Within one process, a store that is open for writing is shared: a handle opened read-only still refuses to
    /// write, and any [durability](LmdbOptions::durability) is accepted. Opening for writing a store that the process
    /// has open read-only is an error. Not available on Windows, where LMDB would not see what others append.
    ///
    /// ```
    /// use midgard_store_lmdb::LmdbStore;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # drop(LmdbStore::open(directory.path())?);
    /// let store = LmdbStore::options().read_only().open(directory.path())?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Sets the clock for the times of events, such as a [`ManualClock`](midgard::clock::ManualClock) in tests. The
    /// default is the system's clock. A store that is already open in this process keeps the clock that it was opened
    /// with.
    ///
    /// ```
    /// use midgard::clock::ManualClock;
    /// use midgard_store_lmdb::LmdbStore;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let clock = ManualClock::at("2026-11-25T18:30:00Z".parse()?);
    /// let store = LmdbStore::options().clock(&clock).open(directory.path())?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = clock.into();
        self
    }

    /// Opens the store in a directory; creates one there, unless the store is opened
    /// [read-only](LmdbOptions::read_only).
    ///
    /// # Errors
    /// Those of [`LmdbStore::open`].
    pub fn open(self, directory: impl AsRef<Path>) -> Result<LmdbStore, StoreError> {
        LmdbStore::open_with(directory.as_ref(), self)
    }
}
