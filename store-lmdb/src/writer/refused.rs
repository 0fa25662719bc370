//! The reason why work was not done, and whether it concerns the rest of the transaction.

use super::Failure;
use heed::Error;
use midgard::store::{AppendError, EntryError, StoreError};

/// The reason why work was not done.
pub(crate) enum Refused<E> {
    /// This work alone failed: nothing of it was written.
    Alone(E),
    /// The transaction failed, with everything in it.
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

/// For failures where nothing of the work was written.
fn refused<E: From<StoreError>>(error: StoreError) -> Refused<E> {
    match error {
        // A page that LMDB cannot read for one is unreadable for the others too. A damaged stream does not concern
        // them.
        StoreError::Backend { ref cause, .. } if cause.is::<Error>() => {
            Refused::Group(error.into())
        }
        StoreError::Full(_) => Refused::Group(error.into()),
        error => Refused::Alone(error.into()),
    }
}

/// For failures where some of the work may have been written.
impl<E> From<Failure> for Refused<E> {
    fn from(failure: Failure) -> Self {
        Refused::Group(failure)
    }
}
