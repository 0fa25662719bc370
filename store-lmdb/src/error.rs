//! What LMDB says, in the words of `midgard`.

use heed::{Error, MdbError};
use midgard::store::{Full, StoreError};
use midgard::{LogId, Position};
use std::io;
use std::path::{Path, PathBuf};

/// A failure of LMDB while doing `action`.
pub(crate) fn backend(action: &'static str) -> impl Fn(Error) -> StoreError {
    move |error| match &error {
        Error::Mdb(MdbError::MapFull) => StoreError::Full(Full::Map),
        _ if is_disk_full(&error) => StoreError::Full(Full::Disk),
        _ => StoreError::Backend {
            action,
            cause: Box::new(error),
        },
    }
}

/// A failure of LMDB to open a store, which says where it is.
pub(crate) fn backend_at(action: &'static str, path: &Path) -> impl Fn(Error) -> StoreError {
    move |error| {
        let next_step = match &error {
            Error::Io(error) => next_step(error),
            _ => "",
        };
        match backend(action)(error) {
            StoreError::Backend { action, cause } => StoreError::Backend {
                action,
                cause: Box::new(AtPath {
                    path: path.to_owned(),
                    cause,
                    next_step,
                }),
            },
            error => error,
        }
    }
}

/// A failure of the system with a file or a directory, while doing `action`.
pub(crate) fn file_failure(action: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |error| backend_at(action, path)(error.into())
}

/// What failed where.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}{next_step}", path.display())]
struct AtPath {
    path: PathBuf,
    cause: Box<dyn std::error::Error + Send + Sync>,
    next_step: &'static str,
}

/// What to do where a store cannot be opened.
fn next_step(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; let the user of this process read and write it, or read it and open it with read_only"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "; open it with read_only, or mount its file system for writing"
        }
        io::ErrorKind::NotFound => {
            "; see whether the path is right, or open it without read_only to make a store there"
        }
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::AlreadyExists => {
            "; a store is a directory with two files in it, so give it the path of one"
        }
        io::ErrorKind::OutOfMemory => {
            "; let the process have more address space (ulimit -v), or open fewer stores"
        }
        _ if is_out_of_files(error) => {
            "; let the process open more files (ulimit -n), or open fewer stores"
        }
        _ => "",
    }
}

#[cfg(unix)]
fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    Errno::from_io_error(error).is_some_and(|error| matches!(error, Errno::MFILE | Errno::NFILE))
}

#[cfg(not(unix))]
fn is_out_of_files(_: &io::Error) -> bool {
    false
}

/// Whether LMDB has met a page that is not what it should be. It takes no more of a transaction that has.
pub(crate) fn is_damaged_page(error: &StoreError) -> bool {
    let StoreError::Backend { cause, .. } = error else {
        return false;
    };
    matches!(
        cause.downcast_ref::<Error>(),
        Some(
            Error::Mdb(
                MdbError::Corrupted
                    | MdbError::PageNotFound
                    | MdbError::Invalid
                    | MdbError::PageFull
                    | MdbError::CursorFull
                    | MdbError::BadTxn
                    | MdbError::BadValSize
                    | MdbError::Problem
            ) | Error::Decoding(_)
        )
    )
}

/// Whether the disk, or a quota or file size limit on it, is used up.
pub(crate) fn is_disk_full(error: &Error) -> bool {
    matches!(error, Error::Io(error) if is_out_of_room(error))
}

/// As [`is_disk_full`], of what the system says.
pub(crate) fn is_out_of_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// A record that cannot be what was written.
pub(crate) fn corrupt(position: Position, stream: Option<&str>, reason: String) -> StoreError {
    StoreError::Corrupt {
        log: LogId::MAIN,
        position,
        stream: stream.map(str::to_owned),
        reason,
    }
}
