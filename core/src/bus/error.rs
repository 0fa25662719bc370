//! What can go wrong with a bus.

use crate::cause::Whole;
use std::error::Error;

/// Why a bus could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// It cannot be reached now, or went away in the middle. Try again: what was published may be there, and may be
    /// published once more.
    #[error("the bus at {location} could not {action}: {}; it is tried again", Whole(&**cause))]
    Unavailable {
        /// Which bus, without what is secret of its address.
        location: String,
        /// What it was doing.
        action: &'static str,
        /// The failure underneath, which the message has.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// A message is refused for what it is: it would be refused again, however often.
    #[error("the bus refuses message {id} ({name}): {reason}")]
    Refused {
        /// The id of the message.
        id: String,
        /// Its name.
        name: String,
        /// Why, and what to do.
        reason: String,
    },
    /// It took only the first of the messages now: a queue or a stream is full, say. Those need not be published again;
    /// publish the others later.
    #[error(
        "the bus at {location} took {confirmed} of the messages, and not the next one: {reason}; it is tried again"
    )]
    Full {
        /// Which bus, without what is secret of its address.
        location: String,
        /// How many of the first messages are safe, or in no queue.
        confirmed: usize,
        /// Those of them that no queue asks for, by their index.
        unheard: Vec<usize>,
        /// Why the next one was not taken, and what to do.
        reason: String,
    },
    /// What is at the other end cannot be used, and trying again does not help: a server that is too old, a queue
    /// that was made with other settings, a user without rights.
    #[error("the bus at {location} cannot be used: {reason}")]
    Unusable {
        /// Which bus, without what is secret of its address.
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
