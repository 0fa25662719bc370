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
//! - A store is the files that were opened, not their path. If they are removed, moved or replaced while it is open,
//!   it returns [`StoreError::Lost`]: at once when they were removed, otherwise within ten milliseconds for writes
//!   and within a second for reads. Nothing is ever written into files that took their place.
//! - Nothing in a process that has a store open may open its `lock.mdb`, not even to copy it: closing that file makes
//!   the system release the process's locks. The store notices this in the same way, and works again after it is
//!   reopened.
//! - A store that was opened before a fork cannot be used in the child, where it returns [`StoreError::Forked`]. Open
//!   stores after forking, or start a separate program.
//! - All processes that have a store open must know each other by their ids. Processes in two containers do so only
//!   if the containers share a process id namespace; others are refused.
//! - A process may have thousands of stores open. Only some of them are open in LMDB at a time: each takes five
//!   files, and together they take at most half of the files that the process may open. The least recently used ones
//!   are closed until they are used again, which takes about a millisecond. A store's writer thread ends a second
//!   after the last write. The maps share half of the address space: the first takes 1 TiB, and each of ten thousand
//!   at least 1 GiB.
//! - One thread writes, and commits many appends at once; reads never wait for it.
//! - [Snapshots](LmdbStore#impl-EmbeddedStore-for-LmdbStore) of entries should be short-lived: a map that has to grow
//!   waits some seconds for them, and then the write fails. A projection holds no snapshot while its handler waits
//!   for something else.
//! - Writes wait in a queue of 64 MiB, and for room in it, without blocking a thread. A write whose future is dropped
//!   leaves the queue; it is done only if the writer has already begun it.
//! - After a failed commit, the store undoes what is left of it on the disk before it writes anything else. If that fails,
//!   it returns [`StoreError::OutcomeUnknown`], and accepts no more writes until it is reopened. Two cases are not
//!   covered: a process that is killed between the failed commit and the repair, because other processes may then
//!   write to pages that ext4 does not keep until it is mounted again; and ext4 with `data=journal`, which may end a
//!   process with `SIGBUS` when the disk fails.
//! - A process that is stopped (`SIGSTOP`, a debugger) in the middle of a commit holds LMDB's lock: nobody else can
//!   write, open or close the store until it continues or is killed.
//! - The map never has to be sized. `data.mdb` grows with its contents, and does not shrink.
//! - Do not copy the files while the store is in use: [`LmdbStore::backup`] does that. [`LmdbStore::verify`] finds
//!   damage, and [`LmdbStore::statistics`] counts the contents.
//! - Truncated or tombstoned events are gone for every reader of the store, but their bytes stay in `data.mdb` until
//!   their pages are reused, which may never happen; a plain backup copies them. A [compacting](Backup::compacting)
//!   backup contains none of them: to erase them from this disk, make one, close the store everywhere, and put the
//!   backup in its place. The store cannot erase copies held by the disk itself, by other backups, or in views and by
//!   other readers of the events.
//! - A store that must not be changed, or that belongs to another user, is opened
//!   [read-only](LmdbOptions::read_only). Alongside processes that write, this needs the right to write to
//!   `lock.mdb`.
//! - Do not use it on a network file system: LMDB's locks and its map do not work there.
//! - A payload of 128 bytes or more takes at most 1.3 times its size plus 64 bytes. The limit of a payload is 16 MiB;
//!   the limit of an append is 64 MiB, with its tags and headers. Payloads that fill less than a whole page, and most
//!   others, are read in place; the rest are put together in memory.
//! - The files have a documented [format](https://docs.rs/midgard-store-lmdb/latest/midgard_store_lmdb/format/) with
//!   a version; a store of a newer release is refused with an explanatory error.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod about;
mod address;
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
mod levels;
mod locks;
mod log;
mod meta_pages;
mod open_at_once;
mod operations;
mod options;
mod read_log;
mod reader;
mod recent;
mod record;
mod registration;
mod removed;
mod streams;
mod tags;
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
    Progress, Statistics, TagStatistics, Verification,
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

/// Events in a directory of LMDB files. Clones share the open store.
///
/// See [`Store`] for its promises, and the [crate] for what to know.
#[derive(Clone)]
pub struct LmdbStore(Arc<Shared>, IsReadOnly);

/// Whether a handle refuses to write, although other handles of the same store may write.
type IsReadOnly = bool;

/// An open environment and its writer. The fields are dropped in their order.
struct Shared {
    writer: Writer,
    environment: Arc<Environment>,
}

impl LmdbStore {
    /// Opens the store in a directory, or creates one there, with [`Durability::Sync`].
    ///
    /// # Errors
    /// [`StoreError::NewerFormat`] when a newer release wrote it, [`StoreError::Foreign`] when it is not a store of
    /// midgard, [`StoreError::Full`] when there is no room for its files, [`StoreError::Lost`] when the files were
    /// moved or replaced while this process had them open, and [`StoreError::Backend`] when they cannot be used for
    /// other reasons; it names the path and the next step.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, StoreError> {
        LmdbOptions::default().open(directory)
    }

    /// Returns the options for opening a store, with their defaults.
    #[must_use]
    pub fn options() -> LmdbOptions {
        LmdbOptions::default()
    }

    fn open_with(directory: &Path, options: LmdbOptions) -> Result<Self, StoreError> {
        let read_only = options.read_only;
        if read_only && cfg!(windows) {
            return Err(StoreError::Backend {
                action: "open it read-only",
                cause: "LMDB cannot do that on Windows while others write; open it without read_only, and only read".into(),
            });
        }
        if !read_only {
            let failed = error::file_failure("create its directory", directory);
            creation::make_directory(directory, options.durability).map_err(failed)?;
        }
        let failed = error::file_failure("open its directory", directory);
        // A directory may have many paths.
        let path = fs::canonicalize(directory).map_err(failed)?;
        if operations::is_unfinished(&path) {
            let reason = "it has nothing but a backup that was not finished".to_owned();
            return Err(StoreError::Foreign { path, reason });
        }
        let shared = directory::open(&path, options)?;
        Ok(LmdbStore(shared, read_only))
    }

    /// Returns the directory of the store.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.0.environment.path()
    }

    async fn submit<W: Work>(&self, work: W) -> Result<W::Done, W::Error> {
        if self.1 {
            let path = self.directory().to_owned();
            return Err(StoreError::ReadOnly { path }.into());
        }
        self.0.writer.submit(work).await
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
        self.submit(append).await
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
        read_log::read_log(&self.0.environment, read, visit).await
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

    /// The bytes of removed events stay in `data.mdb` until their pages are reused: see [what to
    /// know](crate#what-to-know) for how to erase them.
    async fn truncate(
        &self,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        let stream = stream.clone();
        self.submit(Truncate {
            stream,
            before,
            expected,
        })
        .await
    }

    /// The bytes of removed events stay in `data.mdb` until their pages are reused: see [what to
    /// know](crate#what-to-know) for how to erase them.
    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        let stream = stream.clone();
        self.submit(Tombstone { stream, expected }).await
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
        self.submit(write).await
    }
}

/// A snapshot takes one of the slots for [readers](LmdbOptions::max_readers), and keeps the store open.
///
/// While it is held, `data.mdb` grows with each write, because no page that the snapshot may read is reused.
///
/// A full map cannot grow until the snapshot is dropped; writes wait until then, for up to three seconds, and then
/// fail with [`StoreError::Backend`], which says so. Nothing was written, and they can be retried. Reads continue
/// meanwhile; only if another process has outgrown the map do they wait as long and fail in the same way, without
/// blocking their thread, so that a snapshot held on it can be dropped. Taking a snapshot is not async, so there the
/// wait blocks the thread, for 50 milliseconds at most. A [backup](LmdbStore::backup) holds the map as a snapshot
/// does, and so does a slow function that was passed to a read.
///
/// After a commit whose last step failed, LMDB neither reads nor writes until it is reopened. That happens at the
/// next use, as soon as no snapshot and no backup is held; until then reads and writes fail at once, with an error
/// that says so. A snapshot that is already held can still be read. After other failures the store continues while
/// snapshots are held.
impl EmbeddedStore for LmdbStore {
    fn snapshot(&self) -> Result<Box<dyn EntrySnapshot>, StoreError> {
        Ok(Box::new(entries::Snapshot::new(self.0.clone())?))
    }
}
