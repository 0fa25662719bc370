//! The LMDB environment: opened, checked, and opened anew with a larger map when it is full.

use crate::databases::{Databases, Entries};
use crate::error::backend;
use crate::options::{Durability, LmdbOptions};
use heed::{CommitOrAbort, Env, EnvFlags, EnvOpenOptions, Error, MdbError, RoTxn, WithoutTls};
use midgard::{Full, StoreError};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// The map of a store: address space, not disk. So large that it need not grow where the system grants it.
const MAP_SIZE: usize = 1 << 40;
/// The smallest map that is tried where the system grants less.
const SMALLEST_MAP: usize = 64 << 20;

/// An LMDB environment that can be closed and opened anew with a larger map.
///
/// LMDB can also resize a map in place, but only where nothing reads; the lock here keeps readers out
/// either way, and opening anew needs no second promise to the compiler.
pub(crate) struct Environment {
    path: PathBuf,
    options: LmdbOptions,
    open: RwLock<Option<Open>>,
}

/// An open environment and its databases.
pub(crate) struct Open {
    pub(crate) env: Env<WithoutTls>,
    pub(crate) databases: Databases,
    map_size: usize,
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
        Ok(Environment {
            path: path.to_owned(),
            options,
            open: RwLock::new(Some(open)),
        })
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

    pub(crate) fn access(&self) -> Guard<'_> {
        Guard {
            open: self.open.read().unwrap_or_else(PoisonError::into_inner),
            environment: self,
        }
    }

    /// Opens the environment anew. Waits for reads to end. With `grow` the map is twice as large
    /// after it; without, it only takes in what other processes changed, or what a failed write left.
    pub(crate) fn reopen(&self, grow: bool) -> Result<(), StoreError> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let mut map_size = self.options.map_size.unwrap_or(MAP_SIZE);
        if let Some(Open {
            env,
            map_size: before,
            ..
        }) = open.take()
        {
            map_size = if grow {
                before.saturating_mul(2)
            } else {
                before
            };
            env.prepare_for_closing().wait();
        }
        let grown = Open::with_map(&self.path, &self.options, map_size);
        if grown.is_err() && grow {
            // No more address space: go on with the map as it was, so that reads still work.
            *open = Some(Open::with_map(&self.path, &self.options, map_size / 2)?);
            return Err(StoreError::Full(Full::Map));
        }
        tracing::info!(path = %self.path.display(), map_size, grow, "opened the store anew");
        *open = Some(grown?);
        Ok(())
    }

    /// Does a read; once more when another process grew the map meanwhile.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Databases, &RoTxn<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            {
                let guard = self.access();
                let open = guard.get()?;
                if let Some(transaction) = open.read_txn()? {
                    return read(&open.databases, &transaction);
                }
            }
            self.reopen(true)?;
        }
    }

    /// A read transaction that outlives the access to the environment, and the entries that it reads.
    /// Opening anew waits for it.
    pub(crate) fn snapshot(&self) -> Result<(RoTxn<'static, WithoutTls>, Entries), StoreError> {
        loop {
            {
                let guard = self.access();
                let open = guard.get()?;
                let begun = open.begin_read(|| open.env.clone().static_read_txn())?;
                if let Some(transaction) = begun {
                    return Ok((transaction, open.databases.entries));
                }
            }
            self.reopen(true)?;
        }
    }

    /// The number of the last transaction that was committed, by any process.
    pub(crate) fn last_transaction(&self) -> Result<usize, StoreError> {
        let guard = self.access();
        Ok(guard.get()?.env.info().last_txn_id)
    }
}

impl Guard<'_> {
    pub(crate) fn get(&self) -> Result<&Open, StoreError> {
        self.open.as_ref().ok_or_else(|| self.environment.closed())
    }
}

impl Open {
    /// Opens with the largest map that the system grants, up to `wanted`.
    fn with_map(path: &Path, options: &LmdbOptions, wanted: usize) -> Result<Self, StoreError> {
        let mut map_size = wanted;
        let env = loop {
            match open_environment(path, options, map_size) {
                Ok(env) => break env,
                Err(Error::Io(error))
                    if error.kind() == std::io::ErrorKind::OutOfMemory
                        && map_size > SMALLEST_MAP =>
                {
                    map_size /= 2;
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
        let transaction = env.write_txn().map_err(backend("begin a write"))?;
        let databases = env
            .create_databases_and_commit(transaction, |opener, transaction| {
                Databases::open(path, opener, transaction)
                    .map(CommitOrAbort::<_, std::convert::Infallible>::Commit)
                    .map_err(OpenError)
            })
            .map_err(|OpenError(error)| error)?;
        let CommitOrAbort::Commit(databases) = databases;
        Ok(Open {
            env,
            databases: Databases::from(databases),
            map_size,
        })
    }

    /// A read transaction; `None` when another process made the map larger than it is here.
    fn read_txn(&self) -> Result<Option<RoTxn<'_, WithoutTls>>, StoreError> {
        self.begin_read(|| self.env.read_txn())
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

/// What `heed` wants to turn its own errors into.
struct OpenError(StoreError);

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        OpenError(backend("open its databases")(error))
    }
}

fn open_environment(
    path: &Path,
    options: &LmdbOptions,
    map_size: usize,
) -> heed::Result<Env<WithoutTls>> {
    let flags = match options.durability {
        Durability::Full => EnvFlags::empty(),
        Durability::MayLoseLastCommits => EnvFlags::NO_META_SYNC,
        Durability::MayCorruptOnPowerLoss => EnvFlags::NO_SYNC,
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
