//! The reasons for which a handler fails.

use super::InboxError;
use crate::bus::{Message, MessageError, Purpose};
use crate::consumer::HandlerError;
use crate::event::codec::{DecodeError, DecodeReason};
use crate::limits::LimitError;
use crate::repository::LoadError;
use crate::store::EntryError;
use crate::store::{AppendError, StoreError};
use crate::unit_of_work::CommitError;

/// The reason given to the bus when a message could not be parked.
pub(super) const TOO_LARGE: &str = "it could not be handled, and is too large to be parked";

/// Returns whether the message breaks a limit, as with an invalid id, or asks for an append over several logs: it would do so
/// on every try, and its sender must not block anyone else.
pub(super) fn is_of_limits(error: &HandlerError) -> bool {
    let of_store =
        |error: &StoreError| matches!(error, StoreError::Limit(_) | StoreError::SeveralLogs { .. });
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

/// Returns whether a handler has failed because this release cannot read what it needs: a release that can should
/// handle the message.
pub(super) fn lacks_knowledge(error: &HandlerError) -> bool {
    error.is::<DecodeReason>()
        || error.is::<DecodeError>()
        || error.is::<MessageError>()
        || matches!(error.downcast_ref(), Some(LoadError::Decode(_)))
}

/// Returns whether a message that this release cannot read, or has no handler for, may be for a newer release: later
/// messages of its line then wait for a release that knows it. A message of a known version that cannot be read is a
/// stranger's, and so is an answer that does not name its command: they block nobody.
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
