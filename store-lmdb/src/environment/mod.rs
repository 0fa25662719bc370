//! The LMDB environment: access to it, and when it is closed.

mod anew;
mod open;
mod opening;

pub(crate) use open::Open;
pub use opening::open_raw;

use open::Begun;

use crate::address_space;
use crate::creation::{self, Making};
use crate::databases::{self, Databases};
use crate::error::{file_failure, is_damaged_page};
use crate::files::{Access, Files};
use crate::gate::{Gate, Hold};
use crate::index::{StreamKey, StreamKeys};
use crate::open_at_once;
use crate::options::{Durability, LmdbOptions};
use crate::registration::Registration;
use crate::tail::Tail;
use heed::{RoTxn, WithoutTls};
use midgard::clock::Clock;
use midgard::store::ProcessMark;
use midgard::store::{Full, StoreError};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

/// How often a store that is read checks that its files are still there, in milliseconds.
const LOOK: u64 = 1000;
/// The same for a store that is written to. The check takes a few system calls; before each of many small commits it
/// would take a fifth of their time.
const LOOK_OF_WRITER: u64 = 10;
/// The pages that lead to the databases.
const META_PAGES: u64 = 2;

/// An LMDB environment that can be closed and reopened with a larger map.
///
/// LMDB can also resize a map in place, but only while nothing reads. The gate has to keep reads out in both cases, and
/// reopening needs no second use of `unsafe`.
pub(crate) struct Environment {
    options: LmdbOptions,
    open: RwLock<Option<Open>>,
    gate: Gate,
    keys: StreamKeys,
    tail: Tail,
    opened_in: ProcessMark,
    /// When it was last used; this and the next in milliseconds, as returned by [`now`].
    last_used: AtomicU64,
    /// When its files were last checked.
    last_look: AtomicU64,
    /// Whether the last check found the files missing.
    is_lost: AtomicBool,
    /// Declared behind the open environment: its lock file is closed last.
    files: Files,
    /// Declared behind the files: nobody else opens them before.
    _registration: Option<Registration>,
}

/// Returns a time to compare with others, in milliseconds.
fn now() -> u64 {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    FIRST.elapsed().as_millis() as u64
}

/// Returns the size of the map to begin with.
fn first_map_size(options: &LmdbOptions) -> usize {
    options.map_size.unwrap_or_else(address_space::share)
}

/// A read transaction that outlives the access to the environment, and the databases that it reads.
pub(crate) struct Snapshot {
    pub(crate) transaction: RoTxn<'static, WithoutTls>,
    pub(crate) databases: Databases,
    /// Keeps the environment open; dropped last.
    _hold: Hold,
}

/// The part of the file that is in use, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Up to the last page that was ever used.
    pub(crate) used: u64,
    /// Pages that are not free.
    pub(crate) live: u64,
}

/// Access to the open environment: as long as it is held, the map stays where it is.
pub(crate) struct Guard<'a> {
    open: RwLockReadGuard<'a, Option<Open>>,
    environment: &'a Environment,
}

impl Environment {
    /// Opens the store in a directory that nobody else opens.
    #[cfg(test)]
    pub(crate) fn open(directory: &Path, options: LmdbOptions) -> Result<Self, StoreError> {
        Self::of(None, Files::open(directory, &options)?, options)
    }

    /// Opens the store that has these files, or creates one. If that fails, the files are closed before the
    /// registration is given up, as parameters are dropped from the last to the first.
    pub(crate) fn of(
        registration: Option<Registration>,
        files: Files,
        options: LmdbOptions,
    ) -> Result<Self, StoreError> {
        open_at_once::make_room();
        let open = {
            let making = match files.access() {
                Access::Write => Making::begin(&files)?,
                Access::Read | Access::ReadWithoutLocks => {
                    creation::expect_made(&files)?;
                    None
                }
            };
            let open = Open::with_map(&files, &options, first_map_size(&options))?;
            if let Some(making) = making {
                making.finish(options.durability)?;
            }
            open
        };
        let environment = Environment {
            options,
            keys: open.databases.keys,
            open: RwLock::new(Some(open)),
            gate: Gate::new(),
            tail: Tail::new(),
            opened_in: ProcessMark::here(),
            last_used: AtomicU64::new(now()),
            last_look: AtomicU64::new(now()),
            is_lost: AtomicBool::new(false),
            files,
            _registration: registration,
        };
        let catch_up = || {
            environment.read(|databases, snapshot| {
                let last = databases.log.last_position(snapshot)?;
                environment.tail.catch_up(last, databases, snapshot)
            })
        };
        // By then more of the damage is known.
        let caught_up = match catch_up() {
            Err(error) if is_damaged_page(&error) => catch_up(),
            caught_up => caught_up,
        };
        match caught_up {
            // The next read or write that needs it does it. Writes alone need no slot.
            Ok(()) | Err(StoreError::Full(Full::Readers { .. })) => Ok(environment),
            // A read of the damaged part gets the error; the rest can be read, verified and copied.
            Err(error)
                if matches!(error, StoreError::Corrupt { .. }) || is_damaged_page(&error) =>
            {
                tracing::warn!(%error, "some of the newest records of the log cannot be read");
                Ok(environment)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the newest records of the log, by their streams.
    pub(crate) const fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Returns the key by which a stream is found.
    pub(crate) fn key(&self, stream: &str) -> StreamKey {
        self.keys.of(stream.as_bytes())
    }

    pub(crate) fn path(&self) -> &Path {
        self.files.directory()
    }

    pub(crate) const fn files(&self) -> &Files {
        &self.files
    }

    /// Returns the data file, which is open as long as there is access to the environment.
    pub(crate) fn data(&self) -> Result<Arc<File>, StoreError> {
        let data = self.files.data();
        data.map_err(file_failure("write to its file", self.path()))
    }

    /// Returns the clock that sets the times of events.
    pub(crate) const fn clock(&self) -> &Clock {
        &self.options.clock
    }

    pub(crate) const fn durability(&self) -> Durability {
        self.options.durability
    }

    pub(crate) fn closed(&self) -> StoreError {
        StoreError::Closed {
            location: self.path().display().to_string(),
        }
    }

    /// Returns an error if the files of the store, or its locks, are gone.
    pub(crate) fn look(&self) -> Result<(), StoreError> {
        let looked = self.files.look();
        self.last_look.store(now(), Ordering::Relaxed);
        self.is_lost.store(looked.is_err(), Ordering::Relaxed);
        looked
    }

    /// Returns an error in a child of the process that opened the store.
    pub(crate) fn refuse_child(&self) -> Result<(), StoreError> {
        match self.opened_in.is_here() {
            true => Ok(()),
            false => Err(StoreError::Forked {
                path: self.path().to_owned(),
            }),
        }
    }

    /// As [`look`](Environment::look), but only once in a while. To be called before each commit.
    pub(crate) fn look_before_commit(&self) -> Result<(), StoreError> {
        // Anything appended to a removed file is lost. One system call finds out.
        match self.files.is_removed() {
            true => self.look(),
            false => self.look_at_times(now(), LOOK_OF_WRITER),
        }
    }

    fn look_at_times(&self, now: u64, interval: u64) -> Result<(), StoreError> {
        let last = self.last_look.load(Ordering::Relaxed);
        if now < last + interval && !self.is_lost.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Other threads need not check, too.
        self.last_look.store(now, Ordering::Relaxed);
        self.look()
    }

    /// Returns access to the environment, opening it first if necessary: it may have been closed to make room for
    /// others, or reopening it may have failed for a reason that is gone by now.
    pub(crate) fn access(&self) -> Result<Guard<'_>, StoreError> {
        self.refuse_child()?;
        let now = now();
        // Many read at once, and a value that all of them write is slow.
        if self.last_used.load(Ordering::Relaxed) != now {
            self.last_used.store(now, Ordering::Relaxed);
        }
        self.gate.pass();
        loop {
            let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
            if open.is_some() {
                self.files.refuse_others()?;
                self.look_at_times(now, LOOK)?;
                return Ok(Guard {
                    open,
                    environment: self,
                });
            }
            drop(open);
            open_at_once::make_room();
            let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
            if open.is_none() {
                self.files.open_again()?;
                let opened =
                    Open::with_map(&self.files, &self.options, first_map_size(&self.options))?;
                // Another store has another id, and so other keys.
                if opened.databases.keys.of(b"") != self.keys.of(b"") {
                    return Err(self.files.is_another());
                }
                *open = Some(opened);
            }
        }
    }

    /// Returns when it was last used, as a number that only grows.
    pub(crate) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// Returns whether it is open, and not just being opened or closed.
    pub(crate) fn is_open(&self) -> bool {
        self.open.try_read().is_ok_and(|open| open.is_some())
    }

    /// Closes the environment unless it is in use. The next use opens it again.
    pub(crate) fn rest(&self) {
        if let Some(mut open) = self.gate.empty_now(&self.open)
            && let Some(open) = open.take()
        {
            open.close();
            self.files.close();
        }
    }

    /// Counts a read that lasts longer than a call; the environment is not closed meanwhile. To be called while
    /// access is held.
    pub(crate) fn hold(&self) -> Hold {
        self.gate.hold()
    }

    /// Does a read; repeats it if another process has grown the map meanwhile.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Databases, &RoTxn<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            let outgrown = {
                let guard = self.access()?;
                let open = guard.get()?;
                match open.read_txn()? {
                    Begun::Read(transaction) => {
                        let read = read(&open.databases, &transaction);
                        open.expect_unwritten(&self.files, transaction.id())?;
                        return read;
                    }
                    Begun::Outgrown => Some(open.map_size),
                    Begun::Unusable => None,
                }
            };
            self.make_usable(outgrown)?;
        }
    }

    /// Returns a read transaction that outlives the access to the environment.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, StoreError> {
        loop {
            let outgrown = {
                let guard = self.access()?;
                let open = guard.get()?;
                match open.begin_read(|| open.env.clone().static_read_txn())? {
                    Begun::Read(transaction) => {
                        return Ok(Snapshot {
                            transaction,
                            databases: open.databases,
                            _hold: self.hold(),
                        });
                    }
                    Begun::Outgrown => Some(open.map_size),
                    Begun::Unusable => None,
                }
            };
            self.make_usable(outgrown)?;
        }
    }

    /// Returns how much of the file is in use.
    pub(crate) fn usage(&self) -> Result<Usage, StoreError> {
        let live = self.read(Databases::pages)?;
        let guard = self.access()?;
        let env = &guard.get()?.env;
        let unnamed = env.unnamed_database_stat();
        let page = u64::from(unnamed.page_size);
        let used = (env.info().last_page_number as u64 + 1) * page;
        let live = live.saturating_add(META_PAGES + databases::pages(&unnamed));
        Ok(Usage {
            used,
            // A damaged database may report any number of pages.
            live: live.saturating_mul(page).min(used),
        })
    }
}

impl Guard<'_> {
    pub(crate) fn get(&self) -> Result<&Open, StoreError> {
        self.open.as_ref().ok_or_else(|| self.environment.closed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_map_that_many_find_too_small_at_once_grows_once() {
        let directory = tempfile::tempdir().unwrap();
        let options = LmdbOptions::default().initial_map_size(1 << 20);
        let environment = Environment::open(directory.path(), options).unwrap();
        let map_size = || environment.access().unwrap().get().unwrap().map_size;
        let outgrown = map_size();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| environment.grow(outgrown).unwrap());
            }
        });
        assert_eq!((outgrown, map_size()), (1 << 20, 2 << 20));
    }
}
