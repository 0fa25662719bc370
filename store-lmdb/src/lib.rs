//! The embedded store of [`midgard`]: events in [LMDB](http://www.lmdb.tech/doc/), durable when an
//! append returns, read in place.
//!
//! ```
//! use midgard::store::{Append, ExpectedVersion};
//! use midgard::event::NewEvent;
//! use midgard::{Store, StreamName, Version};
//! use midgard_store_lmdb::LmdbStore;
//!
//! # let directory = tempfile::tempdir()?;
//! # let data = directory.path();
//! let store = LmdbStore::open(data)?;
//! let event = NewEvent::json("user.created", 1, br#"{"name":"jun"}"#.to_vec());
//! let append = Append::to(StreamName::new("user-42")?, ExpectedVersion::NoStream, [event]);
//! let appended = midgard::block_on(store.append(append))?;
//! assert_eq!(appended.version(), Version(1));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # What to know
//!
//! - Several processes may use one directory at once, and one process may open it several times: it
//!   then shares one environment.
//! - A store is the files that were opened, and not their path. Where those are removed, moved or replaced while it is open, it
//!   says [`StoreError::Lost`]: at once when they were removed, else ten milliseconds later to who writes, and a second later to
//!   who only reads. Nothing is ever written into files that came in their place.
//! - Nothing in a process that has a store open may open its `lock.mdb`, not even to copy it: when that is closed, the system gives up the
//!   process's locks. The store notices that in the same way, and goes on when it is opened again.
//! - A store that was opened before a fork cannot be used in the child, which is told so by [`StoreError::Forked`]: open
//!   stores after forking, or start a program of its own.
//! - All processes that have a store open must know each other by their ids: those of two containers do so only if the containers share
//!   the name space of processes. Others are refused.
//! - A process may have thousands of stores open. As many of them are open in LMDB as half of the files that it may have allow, five each;
//!   those that were used longest ago are closed until they are used again, which takes about a millisecond. A thread is there
//!   for a second after the last write. Their maps share half of the address space: the first has 1 TiB, and each of ten thousand
//!   1 GiB at least.
//! - One thread writes, and commits many appends at once; readers never wait for it.
//! - [Snapshots](LmdbStore#impl-EmbeddedStore-for-LmdbStore) of entries are for the moment: a larger map waits for
//!   them, some seconds, and is refused then. A projection holds none while its handler waits for something else.
//! - Writes wait for each other in a queue of 64 MiB, and for room in it, without a thread. One whose future is dropped leaves it, and
//!   is done only if the writer has begun with it.
//! - After a commit that failed, the store undoes what is left of it on the disk before it writes anything else. Where it cannot, it says
//!   [`StoreError::OutcomeUnknown`], and takes no more writes before it is opened again. Not covered are a process that is killed between
//!   the failure and that, as others that go on may write to pages that ext4 does not keep before it is mounted again; and ext4 with
//!   `data=journal`, which may end a process with `SIGBUS` when the disk fails.
//! - A process that is stopped (`SIGSTOP`, a debugger) in the middle of a commit holds LMDB's lock: nobody else
//!   writes, opens or closes the store before it goes on or is killed.
//! - The map never has to be sized. `data.mdb` grows with what is in it, and does not shrink.
//! - Files are not to be copied while the store is in use: [`LmdbStore::backup`] does that. [`LmdbStore::verify`] finds
//!   what is damaged, and [`LmdbStore::statistics`] tells what is there.
//! - Events that are truncated or tombstoned are gone for all who read the store, and their bytes stay in `data.mdb` until
//!   their pages are used again, which may be never; a plain backup copies them. A [compacting](Backup::compacting) backup has none of them: to
//!   be rid of them on this disk, make one, close the store everywhere, and put the backup in its place. What the disk itself and
//!   other backups keep, and what views and other readers have made of events, is not the store's.
//! - A store that must not be changed, or belongs to another user, is opened [read-only](LmdbOptions::read_only). Beside others that
//!   write, this needs the right to write to `lock.mdb`.
//! - Never on a network file system: LMDB's locks and its map do not work there.
//! - A payload of 128 bytes or more takes at most 1.3 times its bytes and 64 more, whatever its size. The largest has 16 MiB; the
//!   largest append, 64 MiB with its tags and headers. Those that fill less than a whole page, and most others, are read in place; the rest is put together.
//! - The files have a documented [format](https://docs.rs/midgard-store-lmdb/latest/midgard_store_lmdb/format/)
//!   with a version; a store of a newer release is refused with a sentence.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod about;
mod address_space;
mod checksum;
mod creation;
mod databases;
mod directory;
mod entries;
mod environment;
mod error;
mod fields;
mod files;
mod format_1;
mod gate;
mod index;
mod length;
mod locks;
mod log;
mod meta_pages;
mod open_at_once;
mod operations;
mod options;
mod reader;
mod recent;
mod record;
mod registration;
mod removed;
mod streams;
mod tail;
mod writer;

#[doc = include_str!("../FORMAT.md")]
pub mod format {}

/// The program in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[doc(hidden)]
pub use environment::open_raw;
pub use operations::{
    BackedUp, Backup, BackupError, EventStatistics, FileStatistics, IndexStatistics, Problem,
    Progress, Statistics, Verification,
};
pub use options::{Durability, LmdbOptions};

use environment::Environment;
use midgard::store::{
    Append, AppendError, Appended, ExpectedVersion, ReadLog, ReadStream, StoreError, StreamState,
};
use midgard::store::{
    EmbeddedStore, EntryError, EntrySnapshot, EntryWrite, ReadEntries, Visit, VisitEntry,
};
use midgard::{LogId, Position, Store, StreamName, Version};
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use writer::{Tombstone, Truncate, Work, Writer};

/// Events in a directory of LMDB files. Clones share them.
///
/// See [`Store`] for what it promises, and the [crate] for what to know.
#[derive(Clone)]
pub struct LmdbStore(Arc<Shared>, IsReadOnly);

/// Whether a handle refuses to write, though others to the same store may do so.
type IsReadOnly = bool;

/// An open environment and its writer. The order of the fields is the order in which they end.
struct Shared {
    writer: Writer,
    environment: Arc<Environment>,
}

impl LmdbStore {
    /// Opens the store in a directory, or makes one there. Durable as [`Durability::Sync`].
    ///
    /// # Errors
    /// [`StoreError::NewerFormat`] when a newer release wrote it, [`StoreError::Foreign`] when it is no
    /// store of midgard, [`StoreError::Full`] when there is no room for its files, [`StoreError::Lost`] when they were moved or
    /// replaced while this process had them open, [`StoreError::Backend`] when they cannot be used for other reasons: it names
    /// the path, and says what to do.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, StoreError> {
        LmdbOptions::default().open(directory)
    }

    /// How a store is opened, to be changed.
    #[must_use]
    pub fn options() -> LmdbOptions {
        LmdbOptions::default()
    }

    fn open_with(directory: &Path, options: LmdbOptions) -> Result<Self, StoreError> {
        let read_only = options.read_only;
        if read_only && cfg!(windows) {
            return Err(StoreError::Backend {
                action: "open it read-only",
                cause: "LMDB cannot do that on Windows while others write; open it for writing, and only read".into(),
            });
        }
        if !read_only {
            let failed = error::file_failure("create its directory", directory);
            creation::make_directory(directory, options.durability).map_err(failed)?;
        }
        let failed = error::file_failure("open its directory", directory);
        // One directory has many paths.
        let path = fs::canonicalize(directory).map_err(failed)?;
        if operations::is_unfinished(&path) {
            let reason = "it has nothing but a backup that was not finished".to_owned();
            return Err(StoreError::Foreign { path, reason });
        }
        let shared = directory::open(&path, options)?;
        Ok(LmdbStore(shared, read_only))
    }

    /// The directory that the store is in.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.0.environment.path()
    }

    async fn work<W: Work>(&self, work: W) -> Result<W::Done, W::Error> {
        if self.1 {
            let path = self.directory().to_owned();
            return Err(StoreError::ReadOnly { path }.into());
        }
        self.0.writer.work(work).await
    }
}

impl fmt::Debug for LmdbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LmdbStore")
            .field("directory", &self.directory())
            .finish_non_exhaustive()
    }
}

impl Store for LmdbStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        append.check_limits()?;
        self.work(append).await
    }

    async fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> Result<StreamState, StoreError> {
        self.0.environment.be_large_enough().await?;
        reader::read_stream(&self.0.environment, read, visit).await
    }

    async fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> Result<Position, StoreError> {
        self.0.environment.be_large_enough().await?;
        reader::read_log(&self.0.environment, read, visit).await
    }

    async fn stream_state(&self, stream: &StreamName) -> Result<StreamState, StoreError> {
        self.0.environment.be_large_enough().await?;
        reader::stream_state(&self.0.environment, stream.as_str())
    }

    async fn logs(&self) -> Result<Vec<LogId>, StoreError> {
        self.last_position(LogId::MAIN).await?;
        Ok(vec![LogId::MAIN])
    }

    async fn last_position(&self, log: LogId) -> Result<Position, StoreError> {
        self.0.environment.be_large_enough().await?;
        reader::last_position(&self.0.environment, log)
    }

    async fn wait_past(&self, log: LogId, position: Position) -> Result<(), StoreError> {
        self.0.writer.wait_past(log, position).await
    }

    /// The bytes of what is removed stay in `data.mdb` until their pages are used again: see [what to know](crate#what-to-know) for
    /// how to be rid of them.
    async fn truncate(
        &self,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        let stream = stream.clone();
        self.work(Truncate {
            stream,
            before,
            expected,
        })
        .await
    }

    /// The bytes of what is removed stay in `data.mdb` until their pages are used again: see [what to know](crate#what-to-know) for
    /// how to be rid of them.
    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        let stream = stream.clone();
        self.work(Tombstone { stream, expected }).await
    }

    async fn read_entries(
        &self,
        read: &ReadEntries,
        visit: &mut VisitEntry<'_>,
    ) -> Result<(), StoreError> {
        self.0.environment.be_large_enough().await?;
        entries::read(&self.0.environment, read, visit)
    }

    async fn write_entries(&self, write: EntryWrite) -> Result<(), EntryError> {
        write.check_limits()?;
        self.work(write).await
    }
}

/// A snapshot takes one of the slots for [readers](LmdbOptions::max_readers), and keeps the store open.
///
/// While it is held, `data.mdb` grows with what is written, as no page that it may read is used again.
///
/// A map that is full is not made larger before it is dropped: writes wait for that up to three seconds, and then fail with
/// [`StoreError::Backend`], which says so; nothing was written, and they can be done again. Reads go on meanwhile; only where another process
/// has outgrown the map they wait as long and fail in the same way, without keeping their thread: whoever holds a snapshot in it can let
/// go. A snapshot, which is taken without an await, keeps it for 50 milliseconds at most. A [backup](LmdbStore::backup), and a function that a read is given and
/// that takes long, hold the map as a snapshot does.
///
/// After a commit whose last step failed, LMDB neither reads nor writes before it is opened anew, which is done at the next use,
/// as soon as no snapshot and no backup is held; until then reads and writes fail at once, and say so. What a snapshot has can still be
/// read. After other failures the store goes on beside snapshots.
impl EmbeddedStore for LmdbStore {
    fn snapshot(&self) -> Result<Box<dyn EntrySnapshot>, StoreError> {
        Ok(Box::new(entries::Snapshot::new(self.0.clone())?))
    }
}
