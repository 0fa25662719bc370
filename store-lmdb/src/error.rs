//! LMDB's errors, as errors of `midgard`.

use heed::{Error, MdbError};
use midgard::store::{Full, StoreError};
use midgard::{LogId, Position};
use std::io;
use std::path::{Path, PathBuf};

/// Returns the error for a failure of LMDB while doing `action`.
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

/// Returns the error for a failure of LMDB to open a store, with the store's path.
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

/// Returns the error for a failure of the system with a file or directory, while doing `action`.
pub(crate) fn file_failure(action: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |error| backend_at(action, path)(error.into())
}

/// A failure with its path.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}{next_step}", path.display())]
struct AtPath {
    path: PathBuf,
    cause: Box<dyn std::error::Error + Send + Sync>,
    next_step: &'static str,
}

/// Returns the next step for a store that cannot be opened.
fn next_step(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; give this process's user permission to read and write it, or permission to read it and open the store with read_only"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "; open it with read_only, or mount its file system for writing"
        }
        io::ErrorKind::NotFound => {
            "; check the path, or open it without read_only to create a store there"
        }
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::AlreadyExists => {
            "; a store is a directory with two files in it, so pass the path of one"
        }
        io::ErrorKind::OutOfMemory => {
            "; allow the process more address space (ulimit -v), or open fewer stores"
        }
        _ if is_out_of_files(error) => {
            "; allow the process more open files (ulimit -n), or open fewer stores"
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

/// Returns whether LMDB has met a damaged page. It accepts nothing more in such a transaction.
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

/// Returns whether the disk, or a quota or file size limit on it, is used up.
pub(crate) fn is_disk_full(error: &Error) -> bool {
    matches!(error, Error::Io(error) if is_out_of_room(error))
}

/// As [`is_disk_full`], for an error of the system.
pub(crate) fn is_out_of_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Returns the error of a record that cannot be as it was written.
pub(crate) fn corrupt(position: Position, stream: Option<&str>, reason: String) -> StoreError {
    StoreError::Corrupt {
        log: LogId::MAIN,
        position,
        stream: stream.map(str::to_owned),
        reason,
    }
}
