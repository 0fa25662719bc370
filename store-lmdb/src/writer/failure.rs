//! The reasons why a group was not committed.

use super::room;
use crate::error::{backend, is_disk_full};
use crate::files::Files;
use heed::{Error, MdbError};
use midgard::store::{Full, StoreError};

/// The reason why a group was not committed, as far as it is known.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The map is full, or smaller than the file of another process. Nothing was written.
    Grow,
    /// LMDB has to be reopened before it writes again. Nothing was written.
    Unusable(Error),
    /// The commit itself failed.
    Commit(FailedCommit),
    /// An index cannot be merged for now, or a run of it is damaged. Nothing was written: the group has to be rewritten without merging.
    Merge,
    /// A request has met a damaged page. Nothing was written: the others have to be rewritten without it.
    Request { index: usize, error: StoreError },
    /// Nothing was written.
    Store(StoreError),
}

/// What is known of a failed commit.
#[derive(Debug)]
pub(crate) struct FailedCommit {
    pub(super) error: Error,
    /// The number of its transaction.
    pub(super) transaction: usize,
    /// The bytes of records and entries in it.
    pub(super) bytes: usize,
}

impl FailedCommit {
    /// Returns its error when it is certain that it has no effect, now or after a power cut.
    pub(super) fn refused(self, files: &Files) -> StoreError {
        // LMDB reports a write that was cut short as an I/O error.
        if is_disk_full(&self.error) || room::is_used_up(files, self.bytes) {
            StoreError::Full(Full::Disk)
        } else {
            backend("commit")(self.error)
        }
    }

    /// Returns its error when it may have taken effect; `because` is the failure, if any, that hides which.
    pub(super) fn unknown(self, because: Option<StoreError>) -> StoreError {
        let reason = match because {
            Some(because) => format!("{}; then {because}", self.error),
            None => self.error.to_string(),
        };
        StoreError::OutcomeUnknown { reason }
    }
}

impl Failure {
    pub(super) fn of(action: &'static str, error: Error) -> Self {
        match error {
            Error::Mdb(MdbError::MapFull | MdbError::MapResized) => Failure::Grow,
            Error::Mdb(MdbError::Panic) => Failure::Unusable(error),
            error => Failure::Store(backend(action)(error)),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(Full::Map) => Failure::Grow,
            error => Failure::Store(error),
        }
    }
}

/// Copies an error for another append of the group. Its cause becomes text.
pub(super) fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Full(full) => StoreError::Full(*full),
        StoreError::OutcomeUnknown { reason, .. } => StoreError::OutcomeUnknown {
            reason: reason.clone(),
        },
        StoreError::Closed { location } => StoreError::Closed {
            location: location.clone(),
        },
        StoreError::Lost { path, reason } => StoreError::Lost {
            path: path.clone(),
            reason: reason.clone(),
        },
        StoreError::Forked { path } => StoreError::Forked { path: path.clone() },
        StoreError::ReadOnly { path } => StoreError::ReadOnly { path: path.clone() },
        StoreError::Corrupt {
            log,
            position,
            stream,
            reason,
        } => StoreError::Corrupt {
            log: *log,
            position: *position,
            stream: stream.clone(),
            reason: reason.clone(),
        },
        StoreError::Backend { action, cause } => StoreError::Backend {
            action,
            cause: cause.to_string().into(),
        },
        error => StoreError::Backend {
            action: "append",
            cause: error.to_string().into(),
        },
    }
}
