//! How a store is opened.

use crate::LmdbStore;
use crate::files;
use midgard::clock::Clock;
use midgard::store::StoreError;
use std::path::Path;

/// What an append that has returned survives. All processes that write to a store should use the same.
///
/// | | the process is killed | the system crashes, or the power is cut |
/// |---|---|---|
/// | [`Sync`](Durability::Sync) | nothing is lost | nothing is lost |
/// | [`NoMetaSync`](Durability::NoMetaSync) | nothing is lost | the last commits may be undone, as if they had never been made; the store is whole |
/// | [`NoSync`](Durability::NoSync) | nothing is lost | anything may be lost: pages that were not written yet may leave a store that cannot be opened, or has damaged records |
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Each commit flushes its data to the device, and then the page that makes it the last one. This is what a ledger wants.
    #[default]
    Sync,
    /// Each commit flushes its data, and leaves it to the system when the page that makes it the last one is written: at the
    /// latest with the data of the next commit. A power cut may undo an append that has returned, and those after it; readers in
    /// other services may have seen it. For events that can be made again from elsewhere.
    NoMetaSync,
    /// Nothing is flushed: the system writes when it likes, in any order. For tests, and for data that can be thrown away.
    NoSync,
}

/// How a store is opened. [`LmdbStore::open`] is the same with the defaults.
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
    /// What an append that returned has survived; [`Durability::Sync`] when not set.
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

    /// The address space to begin with, in bytes; when not set, 1 TiB or less, as the [crate] says. It is
    /// no limit: the map grows by itself. Rounded up to what the system can map.
    #[must_use]
    pub const fn initial_map_size(mut self, bytes: usize) -> Self {
        self.map_size = Some(bytes);
        self
    }

    /// Who may read and write the files of a store that is made, as `chmod` has it: `0o640` lets the group read them. Less what
    /// the process's umask takes away. When not set, `0o600`: what is in a store is not for everyone to read. Files that are there
    /// stay as they are. [Backups](LmdbStore::backup) get the mode that `data.mdb` has. Without effect on Windows.
    ///
    /// Whoever reads while others write has to write to `lock.mdb`, also where the store is opened
    /// [read-only](LmdbOptions::read_only): `chmod g+w lock.mdb`, once it is there, lets the group do so.
    #[must_use]
    pub const fn file_mode(mut self, mode: u32) -> Self {
        self.file_mode = mode;
        self
    }

    /// Opens the store to be read only: no directory and no file is made, `data.mdb` is never written to, and a store of an older
    /// format is refused rather than upgraded. It may be on a file system that is mounted read-only, and belong to another user.
    /// Whatever would write fails with [`StoreError::ReadOnly`]: appends, entries, and so all consumers, as they note how far they
    /// are: it is in their status, and [`catch_up`](midgard::Midgard::catch_up) ends with it. Reads, [`Live`](midgard::view::Live)
    /// projections, backups, and checks work.
    ///
    /// - Where `lock.mdb` can be written to, others know of what is read here, and may write meanwhile. What they append is seen as
    ///   ever.
    /// - Where it cannot, or is not there, nobody may have the store open but readers of this kind. Opening it is an error while
    ///   others have it open. When one comes later, it is not kept out: all reads fail with [`StoreError::Lost`] until it is gone,
    ///   and so does a read during which it wrote. Linux only.
    ///
    /// In one process, a store that is open for writing is shared: what is opened read-only still refuses to write, and any
    /// [durability](LmdbOptions::durability) will do. The other way round is an error. Not on Windows, where LMDB
    /// would not see what others append.
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

    /// The clock that events get their times from, such as a [`ManualClock`](midgard::clock::ManualClock) in tests; the system's when not
    /// set. In one process, a store that is open already keeps the clock that it was opened with.
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

    /// Opens the store in a directory, or makes one there, unless it is [read-only](LmdbOptions::read_only).
    ///
    /// # Errors
    /// As [`LmdbStore::open`].
    pub fn open(self, directory: impl AsRef<Path>) -> Result<LmdbStore, StoreError> {
        LmdbStore::open_with(directory.as_ref(), self)
    }
}
