//! The LMDB environment: opened, checked, and opened anew with a larger map when it is full.

use crate::databases::{self, Databases};
use crate::error::{backend, is_damaged_page};
use crate::index::{StreamKey, StreamKeys};
use crate::length;
use crate::meta_pages;
use crate::options::{Durability, LmdbOptions};
use crate::tail::Tail;
use heed::{
    CommitOrAbort, Env, EnvFlags, EnvOpenOptions, Error, MdbError, RoTxn, RwTxn, WithoutTls,
};
use midgard::{Full, StoreError};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// The map of a store: address space, not disk. So large that it need not grow where the system grants it.
const MAP_SIZE: usize = 1 << 40;
/// The smallest map that is tried where the system grants less.
const SMALLEST_MAP: usize = 64 << 20;
/// The pages that say where the databases are.
const META_PAGES: u64 = 2;
/// What sizes of maps are rounded up to: a multiple of every system's page size.
const GRAIN: usize = 64 << 10;

/// An LMDB environment that can be closed and opened anew with a larger map.
///
/// LMDB can also resize a map in place, but only where nothing reads; the lock here keeps readers out
/// either way, and opening anew needs no second promise to the compiler.
pub(crate) struct Environment {
    path: PathBuf,
    options: LmdbOptions,
    open: RwLock<Option<Open>>,
    keys: StreamKeys,
    tail: Tail,
}

/// An open environment and its databases.
pub(crate) struct Open {
    pub(crate) env: Env<WithoutTls>,
    pub(crate) databases: Databases,
    /// As it is, which may be less than was asked for, or more: LMDB maps the whole file.
    pub(crate) map_size: usize,
}

/// How many bytes of the file are in use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Up to the last page that ever was.
    pub(crate) used: u64,
    /// Pages that are not free.
    pub(crate) live: u64,
}

/// Access to the open environment: while it is held, the map stays where it is.
pub(crate) struct Guard<'a> {
    open: RwLockReadGuard<'a, Option<Open>>,
    environment: &'a Environment,
}

impl Environment {
    /// Opens the store in a directory, or makes one there.
    pub(crate) fn open(path: &Path, options: LmdbOptions) -> Result<Self, StoreError> {
        let wanted = options.map_size.unwrap_or(MAP_SIZE);
        let open = Open::with_map(path, &options, wanted)?;
        let environment = Environment {
            path: path.to_owned(),
            options,
            keys: open.databases.keys,
            open: RwLock::new(Some(open)),
            tail: Tail::new(),
        };
        let catch_up = || {
            environment.read(|databases, snapshot| {
                let last = databases.log.last_position(snapshot)?;
                environment.tail.catch_up(last, databases, snapshot)
            })
        };
        // It knows more of what is damaged then.
        let caught_up = match catch_up() {
            Err(error) if is_damaged_page(&error) => catch_up(),
            caught_up => caught_up,
        };
        match caught_up {
            // Whoever needs it does it. Who only writes needs no slot.
            Ok(()) | Err(StoreError::Full(Full::Readers { .. })) => Ok(environment),
            // Who asks for what is damaged is told of it, and the rest can be read, verified and copied.
            Err(error)
                if matches!(error, StoreError::Corrupt { .. }) || is_damaged_page(&error) =>
            {
                tracing::warn!(%error, "the newest records of the log cannot all be read");
                Ok(environment)
            }
            Err(error) => Err(error),
        }
    }

    /// The newest records of the log, by their streams.
    pub(crate) const fn tail(&self) -> &Tail {
        &self.tail
    }

    /// What a stream is found by.
    pub(crate) fn key(&self, stream: &str) -> StreamKey {
        self.keys.of(stream.as_bytes())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn durability(&self) -> Durability {
        self.options.durability
    }

    pub(crate) fn closed(&self) -> StoreError {
        StoreError::Closed {
            location: self.path.display().to_string(),
        }
    }

    /// Opens the environment first where it could not be opened anew before: what stood in the way then
    /// may be gone.
    pub(crate) fn access(&self) -> Result<Guard<'_>, StoreError> {
        loop {
            let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
            if open.is_some() {
                return Ok(Guard {
                    open,
                    environment: self,
                });
            }
            drop(open);
            let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
            if open.is_none() {
                *open = Some(Open::with_map(&self.path, &self.options, self.map_size())?);
            }
        }
    }

    /// The size of the map to begin with.
    fn map_size(&self) -> usize {
        self.options.map_size.unwrap_or(MAP_SIZE)
    }

    /// Opens the environment anew, to take in what other processes changed, or what a failed write left.
    /// Waits for reads to end.
    pub(crate) fn reopen(&self) -> Result<(), StoreError> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let map_size = open.take().map_or(self.map_size(), Open::close);
        *open = Some(Open::with_map(&self.path, &self.options, map_size)?);
        tracing::info!(path = %self.path.display(), map_size, "opened the store anew");
        Ok(())
    }

    /// Opens the environment anew with a larger map than `outgrown`; does nothing when it has one, as
    /// several may find at once that a map is too small. Waits for reads to end.
    pub(crate) fn grow(&self, outgrown: usize) -> Result<(), StoreError> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|open| open.map_size > outgrown) {
            return Ok(());
        }
        let before = open.take().map_or(self.map_size(), Open::close);
        let grown = match Open::with_map(&self.path, &self.options, twice(before)) {
            Ok(grown) => grown,
            // No more address space: go on with the map as it was, so that reads still work.
            Err(_) => Open::with_map(&self.path, &self.options, before)?,
        };
        let map_size = grown.map_size;
        *open = Some(grown);
        if map_size <= outgrown {
            return Err(StoreError::Full(Full::Map));
        }
        tracing::info!(path = %self.path.display(), map_size, "opened the store with a larger map");
        Ok(())
    }

    /// Does a read; once more when another process grew the map meanwhile.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Databases, &RoTxn<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            let outgrown = {
                let guard = self.access()?;
                let open = guard.get()?;
                if let Some(transaction) = open.read_txn()? {
                    return read(&open.databases, &transaction);
                }
                open.map_size
            };
            self.grow(outgrown)?;
        }
    }

    /// A read transaction that outlives the access to the environment, and the databases that it reads.
    /// Opening anew waits for it.
    pub(crate) fn snapshot(&self) -> Result<(RoTxn<'static, WithoutTls>, Databases), StoreError> {
        loop {
            let outgrown = {
                let guard = self.access()?;
                let open = guard.get()?;
                let begun = open.begin_read(|| open.env.clone().static_read_txn())?;
                if let Some(transaction) = begun {
                    return Ok((transaction, open.databases));
                }
                open.map_size
            };
            self.grow(outgrown)?;
        }
    }

    /// How much of the file is in use.
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
            // A database that is damaged may say that it has any number of pages.
            live: live.saturating_mul(page).min(used),
        })
    }

    /// The number of the last transaction that was committed, by any process.
    pub(crate) fn last_transaction(&self) -> Result<usize, StoreError> {
        let guard = self.access()?;
        Ok(guard.get()?.env.info().last_txn_id)
    }
}

impl Guard<'_> {
    pub(crate) fn get(&self) -> Result<&Open, StoreError> {
        self.open.as_ref().ok_or_else(|| self.environment.closed())
    }
}

impl Open {
    /// Opens with the largest map that the system grants, up to `wanted`; with a larger one when another
    /// process makes the file larger than that at the same time.
    fn with_map(path: &Path, options: &LmdbOptions, wanted: usize) -> Result<Self, StoreError> {
        let mut map_size = wanted;
        loop {
            let env = environment_with_map(path, options, map_size)?;
            match open_databases(path, &env) {
                Ok(databases) => {
                    return Ok(Open {
                        map_size: env.info().map_size,
                        env,
                        databases,
                    });
                }
                Err(OpenError::Outgrown) => {
                    let outgrown = env.info().map_size;
                    env.prepare_for_closing().wait();
                    let larger = twice(outgrown);
                    // The system grants no more, or there is no more: as where a damaged file says that it has very large pages.
                    if outgrown < map_size || larger <= outgrown {
                        return Err(StoreError::Full(Full::Map));
                    }
                    map_size = larger;
                }
                Err(OpenError::Store(error)) => return Err(error),
            }
        }
    }
    /// Closes it, and gives the size of its map.
    fn close(self) -> usize {
        self.env.prepare_for_closing().wait();
        self.map_size
    }

    /// A read transaction; `None` when another process made the map larger than it is here.
    fn read_txn(&self) -> Result<Option<RoTxn<'_, WithoutTls>>, StoreError> {
        self.begin_read(|| self.env.read_txn())
    }

    /// How many bytes of the data file are used, seen under the lock of a write that has changed nothing yet.
    pub(crate) fn used(&self, transaction: &RwTxn<'_>) -> Result<u64, StoreError> {
        let stat = self.databases.log.0.stat(transaction);
        let page = stat.map_err(backend("look at the file"))?.page_size;
        Ok((self.env.info().last_page_number as u64 + 1) * u64::from(page))
    }

    fn begin_read<T>(&self, begin: impl Fn() -> heed::Result<T>) -> Result<Option<T>, StoreError> {
        let mut begun = begin();
        if let Err(Error::Mdb(MdbError::ReadersFull)) = begun {
            // Dead processes may still hold slots.
            self.env
                .clear_stale_readers()
                .map_err(backend("clear stale readers"))?;
            begun = begin();
        }
        match begun {
            Ok(transaction) => Ok(Some(transaction)),
            Err(Error::Mdb(MdbError::MapResized)) => Ok(None),
            Err(Error::Mdb(MdbError::ReadersFull)) => Err(StoreError::Full(Full::Readers {
                slots: self.env.max_readers(),
            })),
            Err(error) => Err(backend("begin a read")(error)),
        }
    }
}

/// Opens with the largest map that the system grants, up to `wanted`.
fn environment_with_map(
    path: &Path,
    options: &LmdbOptions,
    wanted: usize,
) -> Result<Env<WithoutTls>, StoreError> {
    meta_pages::check(path)?;
    let mut map_size = wanted;
    let env = loop {
        match open_environment(path, options, map_size) {
            Ok(env) => break env,
            Err(Error::Io(error))
                if error.kind() == std::io::ErrorKind::OutOfMemory && map_size > SMALLEST_MAP =>
            {
                map_size = (map_size / 2).next_multiple_of(GRAIN);
            }
            Err(Error::Mdb(error @ (MdbError::Invalid | MdbError::VersionMismatch))) => {
                return Err(StoreError::Foreign {
                    path: path.to_owned(),
                    reason: format!("its data.mdb is not a file of this LMDB ({error})"),
                });
            }
            Err(error) => return Err(backend("open its LMDB environment")(error)),
        }
    };
    // Left behind by processes that were killed while they read.
    env.clear_stale_readers()
        .map_err(backend("clear stale readers"))?;
    Ok(env)
}

fn open_databases(path: &Path, env: &Env<WithoutTls>) -> Result<Databases, OpenError> {
    let begin = || {
        env.write_txn().map_err(|error| match error {
            Error::Mdb(MdbError::MapResized) => OpenError::Outgrown,
            error => backend("begin a write")(error).into(),
        })
    };
    let transaction = begin()?;
    length::correct(path, env)?;
    let databases = env.create_databases_and_commit(transaction, |opener, transaction| {
        Databases::open(path, opener, transaction)
            .map(CommitOrAbort::<_, std::convert::Infallible>::Commit)
            .map_err(OpenError::from)
    })?;
    let CommitOrAbort::Commit(databases) = databases;
    // One that writes nothing; a read needs a slot, and all may be taken.
    let transaction = begin()?;
    Ok(Databases::new(databases, &transaction)?)
}

fn twice(map_size: usize) -> usize {
    map_size.next_multiple_of(GRAIN).saturating_mul(2)
}

/// Why databases could not be opened.
enum OpenError {
    /// Another process made the file larger than the map, after it was mapped.
    Outgrown,
    Store(StoreError),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        OpenError::Store(error)
    }
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        backend("open its databases")(error).into()
    }
}

fn open_environment(
    path: &Path,
    options: &LmdbOptions,
    map_size: usize,
) -> heed::Result<Env<WithoutTls>> {
    let flags = match options.durability {
        Durability::Sync => EnvFlags::empty(),
        Durability::NoMetaSync => EnvFlags::NO_META_SYNC,
        Durability::NoSync => EnvFlags::NO_SYNC,
    };
    let mut environment = EnvOpenOptions::new().read_txn_without_tls();
    environment
        .map_size(map_size)
        .max_dbs(Databases::COUNT)
        .max_readers(options.max_readers);
    open_with_flags(&mut environment, flags, path)
}

#[allow(unsafe_code)]
fn open_with_flags(
    environment: &mut EnvOpenOptions<WithoutTls>,
    flags: EnvFlags,
    path: &Path,
) -> heed::Result<Env<WithoutTls>> {
    // SAFETY: the files are LMDB's own and are only changed through LMDB, whose locks order all threads
    // and processes (`NO_LOCK` is never set); the docs of the store forbid network file systems and
    // writing to the files by other means. The flags are only those of `Durability`.
    unsafe { environment.flags(flags).open(path) }
}

/// An LMDB environment as the store opens one, for measurements next to it.
///
/// # Errors
/// As LMDB.
pub fn open_raw(path: &Path) -> heed::Result<Env<WithoutTls>> {
    open_environment(path, &LmdbOptions::default(), MAP_SIZE)
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
