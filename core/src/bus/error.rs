//! What can go wrong with a bus.

use crate::cause::Whole;
use std::error::Error;

/// Why a bus failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The bus cannot be reached now, or went away during the call. Try again: messages may have been published already,
    /// and are then published twice.
    #[error("the bus at {location} could not {action}: {}; it is tried again", Whole(&**cause))]
    Unavailable {
        /// Which bus, without the secrets of its address.
        location: String,
        /// What the bus was doing.
        action: &'static str,
        /// The underlying failure, which the error text includes.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The bus refuses the message itself, and would refuse it again.
    #[error("the bus refuses message {id} ({name}): {reason}")]
    Refused {
        /// The id of the message.
        id: String,
        /// Its name.
        name: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The bus took only the first messages now, because a queue or a stream is full, for example. Publish only the others,
    /// later.
    #[error(
        "the bus at {location} took {confirmed} of the messages, and not the next one: {reason}; it is tried again"
    )]
    Full {
        /// Which bus, without the secrets of its address.
        location: String,
        /// How many of the first messages are safe, or in no queue.
        confirmed: usize,
        /// The indexes of those that no queue wants.
        unheard: Vec<usize>,
        /// Why the next message was not taken, and what to do.
        reason: String,
    },
    /// The bus cannot be used, and trying again does not help: the server is too old, a queue was created with other
    /// settings, the user lacks permissions.
    #[error("the bus at {location} cannot be used: {reason}")]
    Unusable {
        /// Which bus, without the secrets of its address.
        location: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The bus, or this subscription, was closed by the program.
    #[error("the bus at {location} is closed; open it again")]
    Closed {
        /// Which bus.
        location: String,
    },
}
