//! Messages that were parked, as they are shown.

use crate::bus::{ForeignMessage, Message};
use crate::time::Timestamp;
use std::fmt;

/// A message that was parked: it could not be read, or its handler failed, or it follows one that failed and has the
/// same key.
///
/// It is kept in the store of the service until someone [retries](crate::MidgardHandle::retry_message) or
/// [evicts](crate::MidgardHandle::evict_message) it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParkedMessage {
    /// Which one it is, here. Not the id of the message.
    pub number: String,
    /// The message; or what came instead of one.
    pub content: Result<Message, ForeignMessage>,
    /// Whether later messages of its key are parked behind it, so that they stay in order. What cannot be read is in
    /// nobody's way.
    pub holds_key: bool,
    /// Why it is parked, as of its last try.
    pub error: String,
    /// How often its handler has failed on it; zero when it was not handed to one.
    pub failures: u32,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// When it was last tried.
    pub tried_at: Timestamp,
}

/// One line, for people.
impl fmt::Display for ParkedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Ok(message) => write!(
                f,
                "{}: {} of \"{}\" with key \"{}\"",
                self.number, message.name, message.source, message.key
            ),
            Err(foreign) => write!(
                f,
                "{}: {} bytes of a stranger",
                self.number,
                foreign.data.len()
            ),
        }?;
        write!(f, ", parked {}: {}", self.parked_at, self.error)?;
        match self.failures {
            0 => Ok(()),
            failures => write!(f, " (failed {failures} times, last {})", self.tried_at),
        }
    }
}
