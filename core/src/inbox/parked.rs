//! Parked messages, as they are shown.

use crate::bus::{ForeignMessage, Message};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a message is parked, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ParkedCause {
    /// Its handler has failed.
    Failed,
    /// It follows one that is parked, and was not tried.
    Follows,
    /// This release cannot read it, has no handler for it, or cannot read what its handler needs: a newer version, an
    /// unknown name; or it followed such a message that no longer blocks it. A release that knows it handles it, and the
    /// messages behind it, without a request; each release tries once when it starts.
    Unread,
    /// It is not a message of Midgard.
    Foreign,
    /// It is too large to be kept here, and was set aside at the bus. Take it from there, and evict it here.
    TooLarge,
}

impl fmt::Display for ParkedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParkedCause::Failed => "failed",
            ParkedCause::Follows => "follows",
            ParkedCause::Unread => "unread",
            ParkedCause::Foreign => "foreign",
            ParkedCause::TooLarge => "too large",
        })
    }
}

/// A parked message: it could not be read, or its handler failed, or it follows one that failed, from the same source and
/// with the same key.
///
/// It is kept in the store of the service until someone [retries](crate::MidgardHandle::retry_message) or
/// [evicts](crate::MidgardHandle::evict_message) it, or, if it could not be read, until a release that can read it handles
/// it.
///
/// Serde writes its content as `message`, a CloudEvent, or as `foreign`; so only with `serde_json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ParkedMessage {
    /// Its number here, which is not the id of the message.
    pub number: String,
    /// The message, or the foreign input in its place.
    #[serde(with = "content")]
    pub content: Result<Message, ForeignMessage>,
    /// Why it is parked, in one word.
    pub cause: ParkedCause,
    /// Whether later messages of its source and key are parked behind it, so that they stay in order. They are if a newer
    /// release may know it, as this one does not know its version or name; a message that cannot be read at all, or breaks
    /// a limit, blocks nobody.
    pub holds_key: bool,
    /// The error of its last try, or why it was parked.
    pub error: String,
    /// How often its handler has failed; zero when no handler was called.
    pub failures: u32,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// When it was last tried.
    pub tried_at: Timestamp,
}

/// The content, by its kind.
mod content {
    use super::{Deserialize, ForeignMessage, Message, Serialize};
    use serde::{Deserializer, Serializer};

    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum ContentRef<'a> {
        Message(&'a Message),
        Foreign(&'a ForeignMessage),
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[allow(clippy::large_enum_variant)] // It is unpacked at once.
    enum Content {
        Message(Message),
        Foreign(ForeignMessage),
    }

    pub(super) fn serialize<S: Serializer>(
        content: &Result<Message, ForeignMessage>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match content {
            Ok(message) => ContentRef::Message(message),
            Err(foreign) => ContentRef::Foreign(foreign),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Result<Message, ForeignMessage>, D::Error> {
        Ok(match Content::deserialize(deserializer)? {
            Content::Message(message) => Ok(message),
            Content::Foreign(foreign) => Err(foreign),
        })
    }
}

/// Writes one line, for people.
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
                "{}: {} bytes that are not a message",
                self.number,
                foreign.payload.len()
            ),
        }?;
        write!(f, ", parked {}: {}", self.parked_at, self.error)?;
        match self.failures {
            0 => Ok(()),
            failures => write!(f, " (failed {failures} times, last {})", self.tried_at),
        }
    }
}
