//! How an environment is opened.

use super::Open;
use crate::address_space::{self, GRAIN, Taken};
use crate::databases::Databases;
use crate::error::{backend, backend_at};
use crate::files::{Access, Files};
use crate::length;
use crate::meta_pages;
use crate::open_at_once::Counted;
use crate::options::{Durability, LmdbOptions};
use heed::{CommitOrAbort, Env, EnvFlags, EnvOpenOptions, Error, MdbError, WithoutTls};
use midgard::store::{Full, StoreError};
use std::path::Path;

/// The smallest map to try where the system grants less.
const SMALLEST_MAP: usize = 64 << 20;
/// The smallest map in which a store can be created.
const LEAST_MAP: usize = 256 << 10;

impl Open {
    /// Opens with the largest map that the system grants, up to `wanted`; with a larger one if another process makes
    /// the file larger at the same time.
    pub(super) fn with_map(
        files: &Files,
        options: &LmdbOptions,
        wanted: usize,
    ) -> Result<Self, StoreError> {
        let mut map_size = wanted.clamp(LEAST_MAP, isize::MAX as usize / 2);
        map_size = map_size.next_multiple_of(GRAIN);
        // LMDB creates files that it does not find.
        files.look_at_paths()?;
        loop {
            let env = environment_with_map(files, options, map_size)?;
            let opened = env.try_clone_inner_file();
            files.opened(&opened.map_err(backend("look at its files"))?)?;
            match open_databases(files, &env) {
                Ok(databases) => {
                    return Ok(Open {
                        map_size: env.info().map_size,
                        _taken: Taken::new(env.info().map_size),
                        _counted: Counted::new(),
                        env,
                        databases,
                    });
                }
                Err(OpenError::Outgrown) => {
                    let outgrown = env.info().map_size;
                    env.prepare_for_closing().wait();
                    let larger = twice(outgrown);
                    // The system grants no more, or there is no more, as when a damaged file claims to have very large
                    // pages.
                    if outgrown < map_size || larger <= outgrown {
                        return Err(StoreError::Full(Full::Map));
                    }
                    map_size = larger;
                }
                Err(OpenError::Store(error)) => return Err(error),
                Err(OpenError::Lmdb(error)) => {
                    return Err(backend_at("open its databases", files.directory())(error));
                }
            }
        }
    }
}

/// Opens with the largest map that the system grants, up to `wanted`.
fn environment_with_map(
    files: &Files,
    options: &LmdbOptions,
    wanted: usize,
) -> Result<Env<WithoutTls>, StoreError> {
    let (path, flags) = (files.directory(), flags(files.access(), options.durability));
    meta_pages::check(path)?;
    let mut map_size = wanted;
    let env = loop {
        match open_environment(path, options, flags, map_size) {
            Ok(env) => break env,
            Err(Error::Io(error))
                if error.kind() == std::io::ErrorKind::OutOfMemory && map_size > SMALLEST_MAP =>
            {
                // Leaves some address space for everything else.
                map_size = (map_size / 16).max(SMALLEST_MAP).next_multiple_of(GRAIN);
            }
            Err(Error::Mdb(error @ (MdbError::Invalid | MdbError::VersionMismatch))) => {
                return Err(StoreError::Foreign {
                    path: path.to_owned(),
                    reason: format!("its data.mdb is not a file of this LMDB ({error})"),
                });
            }
            Err(error) => return Err(backend_at("open its LMDB environment", path)(error)),
        }
    };
    // Slots left behind by processes that were killed while they read.
    env.clear_stale_readers()
        .map_err(backend("clear stale readers"))?;
    Ok(env)
}

fn open_databases(files: &Files, env: &Env<WithoutTls>) -> Result<Databases, OpenError> {
    if files.access() != Access::Write {
        return open_databases_read_only(files, env);
    }
    let begin = || {
        env.write_txn().map_err(|error| match error {
            Error::Mdb(MdbError::MapResized) => OpenError::Outgrown,
            error => error.into(),
        })
    };
    let transaction = begin()?;
    length::correct(files, env)?;
    let databases = env.create_databases_and_commit(transaction, |opener, transaction| {
        Databases::open(files.directory(), opener, transaction)
            .map(CommitOrAbort::<_, std::convert::Infallible>::Commit)
            .map_err(OpenError::from)
    })?;
    let CommitOrAbort::Commit(databases) = databases;
    // A write transaction that writes nothing: a read needs a slot, and all may be taken.
    let transaction = begin()?;
    Ok(Databases::new(databases, &transaction)?)
}

/// As [`open_databases`], but needs slots for readers.
fn open_databases_read_only(files: &Files, env: &Env<WithoutTls>) -> Result<Databases, OpenError> {
    let begin = || {
        env.read_txn().map_err(|error| match error {
            Error::Mdb(MdbError::MapResized) => OpenError::Outgrown,
            Error::Mdb(MdbError::ReadersFull) => {
                let slots = env.max_readers();
                StoreError::Full(Full::Readers { slots }).into()
            }
            error => error.into(),
        })
    };
    let transaction = begin()?;
    length::expect(files, env)?;
    let databases = env.open_databases_and_commit(transaction, |opener, transaction| {
        Databases::open_read_only(files.directory(), opener, transaction)
            .map(CommitOrAbort::<_, std::convert::Infallible>::Commit)
            .map_err(OpenError::from)
    })?;
    let CommitOrAbort::Commit(databases) = databases;
    let transaction = begin()?;
    Ok(Databases::new(databases, &transaction)?)
}

pub(super) fn twice(map_size: usize) -> usize {
    map_size.next_multiple_of(GRAIN).saturating_mul(2)
}

/// Why databases could not be opened.
enum OpenError {
    /// Another process made the file larger than the map after it was mapped.
    Outgrown,
    Store(StoreError),
    Lmdb(Error),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        OpenError::Store(error)
    }
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        OpenError::Lmdb(error)
    }
}

fn flags(access: Access, durability: Durability) -> EnvFlags {
    match (access, durability) {
        (Access::Write, Durability::Sync) => EnvFlags::empty(),
        (Access::Write, Durability::NoMetaSync) => EnvFlags::NO_META_SYNC,
        (Access::Write, Durability::NoSync) => EnvFlags::NO_SYNC,
        (Access::Read, _) => EnvFlags::READ_ONLY,
        (Access::ReadWithoutLocks, _) => EnvFlags::READ_ONLY | EnvFlags::NO_LOCK,
    }
}

fn open_environment(
    path: &Path,
    options: &LmdbOptions,
    flags: EnvFlags,
    map_size: usize,
) -> heed::Result<Env<WithoutTls>> {
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
    // and processes; the docs of the store forbid network file systems and writing to the files by other
    // means. The flags are those of `flags` alone: `NO_LOCK` is set only with `READ_ONLY`, where the lock file
    // cannot be used and no other process has the store open. That is checked before each read, and a read
    // during which somebody wrote all the same is an error: LMDB writes to no page of the last transaction
    // before the second commit after it.
    unsafe { environment.flags(flags).open(path) }
}

/// Opens an LMDB environment as the store does, for measurements next to it.
///
/// # Errors
/// Those of LMDB.
pub fn open_raw(path: &Path) -> heed::Result<Env<WithoutTls>> {
    let options = LmdbOptions::default();
    let flags = flags(Access::Write, options.durability);
    let map_size = address_space::share().next_multiple_of(GRAIN);
    open_environment(path, &options, flags, map_size)
}
