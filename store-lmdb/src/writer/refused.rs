//! Why work was not done, and whether that concerns the work it shares a transaction with.

use super::Failure;
use heed::Error;
use midgard::store::{AppendError, EntryError, StoreError};

/// Why work was not done.
pub(crate) enum Refused<E> {
    /// It alone: nothing of it was written.
    Alone(E),
    /// The transaction failed, with all that is in it.
    Group(Failure),
}

impl From<AppendError> for Refused<AppendError> {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Store(error) => refused(error),
            error => Refused::Alone(error),
        }
    }
}

impl From<EntryError> for Refused<EntryError> {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::Store(error) => refused(error),
            error => Refused::Alone(error),
        }
    }
}

/// Where nothing of the work was written.
fn refused<E: From<StoreError>>(error: StoreError) -> Refused<E> {
    match error {
        // What LMDB cannot read now it cannot read for the others either. A stream that is damaged is no
        // concern of theirs.
        StoreError::Backend { ref cause, .. } if cause.is::<Error>() => {
            Refused::Group(error.into())
        }
        StoreError::Full(_) => Refused::Group(error.into()),
        error => Refused::Alone(error.into()),
    }
}

/// Where something of the work may have been written.
impl<E> From<Failure> for Refused<E> {
    fn from(failure: Failure) -> Self {
        Refused::Group(failure)
    }
}
