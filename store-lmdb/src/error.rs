//! What LMDB says, in the words of `midgard`.

use heed::{Error, MdbError};
use midgard::{Full, LogId, Position, StoreError};
use std::io;
use std::path::{Path, PathBuf};

/// A failure of LMDB while doing `action`.
pub(crate) fn backend(action: &'static str) -> impl Fn(Error) -> StoreError {
    move |error| match &error {
        Error::Mdb(MdbError::MapFull) => StoreError::Full(Full::Map),
        _ if is_disk_full(&error) => StoreError::Full(Full::Disk),
        _ => StoreError::Backend {
            action,
            source: Box::new(error),
        },
    }
}

/// A failure of LMDB to open a store, which says where it is.
pub(crate) fn backend_at(action: &'static str, path: &Path) -> impl Fn(Error) -> StoreError {
    move |error| match backend(action)(error) {
        StoreError::Backend { action, source } => StoreError::Backend {
            action,
            source: Box::new(AtPath {
                path: path.to_owned(),
                source,
            }),
        },
        error => error,
    }
}

/// A failure of the system with a file or a directory, while doing `action`.
pub(crate) fn file_failure(action: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |error| backend_at(action, path)(error.into())
}

/// What failed where.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
struct AtPath {
    path: PathBuf,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Whether LMDB has met a page that is not what it should be. It takes no more of a transaction that has.
pub(crate) fn is_damaged_page(error: &StoreError) -> bool {
    let StoreError::Backend { source, .. } = error else {
        return false;
    };
    matches!(
        source.downcast_ref::<Error>(),
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
