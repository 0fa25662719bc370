//! What it is that a handler has failed for.

use crate::bus::MessageError;
use crate::codec::{DecodeError, DecodeReason};
use crate::error::{AppendError, LoadError, StoreError};
use crate::limits::LimitError;
use crate::projection::HandlerError;
use crate::store::EntryError;
use crate::unit_of_work::CommitError;

/// What a bus is told where a message could not be parked.
pub(super) const TOO_LARGE: &str = "it could not be handled, and is too large to be parked";

/// Whether what a message says breaks a limit, as an id that cannot be: it does so again, however often, and whoever sends
/// such a thing holds up nobody else.
pub(super) fn is_of_limits(error: &HandlerError) -> bool {
    let of_store = |error: &StoreError| matches!(error, StoreError::Limit(_));
    let of_append =
        |error: &AppendError| matches!(error, AppendError::Store(error) if of_store(error));
    error.is::<LimitError>()
        || error.downcast_ref().is_some_and(of_store)
        || error.downcast_ref().is_some_and(of_append)
        || matches!(error.downcast_ref(), Some(LoadError::Store(error)) if of_store(error))
        || match error.downcast_ref() {
            Some(CommitError::Append(error)) => of_append(error),
            Some(CommitError::Entries(EntryError::Store(error))) => of_store(error),
            _ => false,
        }
}

/// Whether a handler has failed as this release cannot read what it needs: one that can is to do it.
pub(super) fn lacks_knowledge(error: &HandlerError) -> bool {
    error.is::<DecodeReason>()
        || error.is::<DecodeError>()
        || error.is::<MessageError>()
        || matches!(error.downcast_ref(), Some(LoadError::Decode(_)))
}
