//! What it is that a handler has failed for.

use super::InboxError;
use crate::bus::{Message, MessageError, Purpose};
use crate::consumer::HandlerError;
use crate::event::codec::{DecodeError, DecodeReason};
use crate::limits::LimitError;
use crate::repository::LoadError;
use crate::store::EntryError;
use crate::store::{AppendError, StoreError};
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

/// Whether a message that this release cannot read, or has no handler for, may be of a newer one: what follows it in its
/// line waits until a release comes that knows it. What cannot be read though its version is known is a stranger's, and so
/// is an answer that does not say to what: they hold up nobody.
pub(super) fn is_of_newer(message: &Message, error: &InboxError) -> bool {
    match error {
        InboxError::Unknown { .. } => !matches!(message.purpose, Purpose::Reply { .. }),
        InboxError::Unreadable(error) => match error.reason {
            // There is no version 0.
            DecodeReason::UnknownVersion { .. } => message.schema_version > 0,
            DecodeReason::UnknownEvent | DecodeReason::UnknownCodec(_) => true,
            DecodeReason::Payload(_) | DecodeReason::Rewritten(_) | DecodeReason::NotOne { .. } => {
                false
            }
        },
        InboxError::Handler(_) => false,
    }
}
