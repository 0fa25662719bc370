//! The notes of an inbox: which messages were taken care of, and which are parked.

use super::parked::{ParkedCause, ParkedMessage};
use crate::bus::{ForeignMessage, Message};
use crate::consumer::guard::cut;
use crate::limits::ENTRY_KEY_BYTES;
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The most bytes that the keys of notes have in addition to the name of the inbox and the parts from the message.
const AROUND: usize = 40;

/// A line: the messages that stay in order behind a parked one, that is, those that one service sends under one key. A
/// stranger who uses the keys of others blocks none of their messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) source: &'a str,
    pub(crate) key: &'a str,
}

impl<'a> Line<'a> {
    pub(crate) const fn new(source: &'a str, key: &'a str) -> Self {
        Line { source, key }
    }
}

/// The keys of one inbox's notes.
#[derive(Debug, Clone)]
pub(crate) struct InboxKeys(String);

impl InboxKeys {
    /// Creates the keys for a name, which has no slash.
    pub(crate) fn new(name: &str) -> Self {
        InboxKeys(format!("inbox/{name}/"))
    }

    /// Returns the key of the note that a message was taken care of. The length shows where the source ends; what is
    /// too long for a key is replaced by its hash.
    pub(super) fn seen(&self, message: &Message) -> String {
        let Message { source, id, .. } = message;
        if source.len() + id.len() > self.room() {
            return format!("{}seen/long/{}", self.0, hash(source, id));
        }
        format!("{}seen/{}/{source}/{id}", self.0, source.len())
    }

    /// Returns the prefix of the notes in the order of time.
    pub(super) fn seen_at_all(&self) -> String {
        format!("{}seen-at/", self.0)
    }

    /// Returns the key of a note in the order of time, from a time and the key of the message's note.
    pub(super) fn seen_at(&self, at: Timestamp, seen: &str) -> String {
        let message = seen.strip_prefix(&format!("{}seen/", self.0));
        format!(
            "{}{:016x}/{}",
            self.seen_at_all(),
            at.as_micros(),
            message.unwrap_or(seen)
        )
    }

    /// Returns the key of the message's note, from that of its note in the order of time.
    pub(super) fn seen_of(&self, seen_at: &str) -> Option<String> {
        let message = seen_at.strip_prefix(&self.seen_at_all())?.get(17..)?;
        Some(format!("{}seen/{message}", self.0))
    }

    /// Returns the key of the note up to when time has passed, as far as the inbox has watched it.
    pub(super) fn watched(&self) -> String {
        format!("{}watched", self.0)
    }

    /// Returns how many bytes of a message fit into the key of a note.
    const fn room(&self) -> usize {
        ENTRY_KEY_BYTES.saturating_sub(AROUND + self.0.len())
    }

    pub(super) fn parked_all(&self) -> String {
        format!("{}parked/", self.0)
    }

    pub(super) fn parked(&self, number: &str) -> String {
        format!("{}parked/{number}", self.0)
    }

    /// Returns the key of the note of how many messages of a line are parked.
    pub(super) fn held(&self, line: Line<'_>) -> String {
        format!("{}held/{}", self.0, hash(line.source, line.key))
    }

    /// Returns the prefix of the notes of those messages, in order.
    pub(super) fn behind_all(&self, line: Line<'_>) -> String {
        format!("{}behind/{}/", self.0, hash(line.source, line.key))
    }

    pub(super) fn behind(&self, line: Line<'_>, place: u64) -> String {
        format!("{}{place:020}", self.behind_all(line))
    }

    /// Returns the key of the note of how many messages of a key are parked, from any source: the form before there
    /// were lines. `None` for a key that was too long for it.
    pub(super) fn key(&self, key: &str) -> Option<String> {
        (key.len() <= self.room()).then(|| format!("{}key/{key}", self.0))
    }

    pub(super) fn requests(&self) -> String {
        format!("{}request/", self.0)
    }

    pub(super) fn request(&self, number: &str) -> String {
        format!("{}request/{number}", self.0)
    }
}

/// Hashes two texts of any length, for a part of a key. It must never change: stored notes are found by it.
fn hash(first: &str, second: &str) -> Uuid {
    let text = format!("{}/{first}/{second}", first.len());
    Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes())
}

/// When a message was taken care of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Microseconds since 1970.
    pub(super) at: u64,
    /// Whether the message was set aside at the bus, where it may not have arrived.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_aside: bool,
}

/// A request about a parked message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MessageRequest {
    /// Give the message up, rather than retry it with all parked ones of its key.
    pub(super) is_eviction: bool,
}

/// A message that was parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parked {
    /// Why, in one word. It comes first, so that it can be read without the message; earlier releases did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<ParkedCause>,
    /// The message, as CloudEvents in JSON; `None` for foreign input, and for a message that is not kept here.
    pub(super) message: Option<String>,
    /// Of foreign input.
    pub(super) attributes: Vec<(String, String)>,
    /// Of foreign input, in base64.
    pub(super) data: String,
    /// The key whose later messages are parked behind it.
    pub(super) key: Option<String>,
    /// The source of those messages; any source, when it is `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    /// Its place in its line. Clocks go wrong, and differ between programs: numbers alone do not give the order.
    #[serde(default)]
    pub(super) place: u64,
    pub(super) error: String,
    pub(super) failures: u32,
    /// Microseconds since 1970.
    pub(super) parked: u64,
    pub(super) tried: u64,
}

impl Parked {
    /// Creates the note of a message that blocks nobody.
    pub(super) fn of(
        message: &Message,
        cause: ParkedCause,
        error: impl Into<String>,
        failures: u32,
        now: Timestamp,
    ) -> Self {
        let now = now.as_micros();
        Parked {
            cause: Some(cause),
            message: Some(message.to_json()),
            attributes: Vec::new(),
            data: String::new(),
            key: None,
            source: None,
            place: 0,
            error: cut(error.into()),
            failures,
            parked: now,
            tried: now,
        }
    }

    /// Makes the later messages of a line wait behind it.
    pub(super) fn holding(mut self, line: Line<'_>) -> Self {
        self.key = Some(line.key.to_owned());
        self.source = Some(line.source.to_owned());
        self
    }

    pub(super) fn foreign(foreign: &ForeignMessage, now: Timestamp) -> Self {
        let now = now.as_micros();
        Parked {
            cause: Some(ParkedCause::Foreign),
            message: None,
            attributes: foreign.attributes.clone(),
            data: STANDARD.encode(&foreign.payload),
            key: None,
            source: None,
            place: 0,
            error: cut(foreign.reason.clone()),
            failures: 0,
            parked: now,
            tried: now,
        }
    }

    /// Creates the note without the message itself, which is set aside at the bus.
    pub(super) fn aside(self, message: &Message, error: &str) -> Self {
        let attributes = [
            ("id", &message.id),
            ("source", &message.source),
            ("type", &message.name),
            ("partitionkey", &message.key),
        ];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), cut(value.clone())));
        Parked {
            cause: Some(ParkedCause::TooLarge),
            message: None,
            attributes: attributes.to_vec(),
            error: format!(
                "it is too large to be kept here ({error}), and was set aside at the bus; take it from there, and evict this one: {}",
                self.error
            ),
            ..self
        }
    }

    /// Returns the line that is parked behind it, if its source is known.
    pub(super) fn line(&self) -> Option<Line<'_>> {
        Some(Line::new(self.source.as_deref()?, self.key.as_deref()?))
    }

    /// Returns the message, or the foreign input in its place. This release may read what an earlier one took for foreign.
    pub(super) fn content(&self) -> Result<Message, ForeignMessage> {
        if let Some(message) = &self.message {
            return Message::from_json(message.as_bytes());
        }
        let data = STANDARD.decode(&self.data).unwrap_or_default();
        let foreign = ForeignMessage::new(self.error.clone(), self.attributes.clone(), data);
        if self.cause == Some(ParkedCause::TooLarge) {
            return Err(foreign);
        }
        foreign.read_again()
    }

    /// Returns why it is parked; for notes of earlier releases, this follows from their other fields.
    fn cause(&self) -> ParkedCause {
        match (self.cause, &self.message, &self.key, self.failures) {
            (Some(cause), ..) => cause,
            (None, None, ..) => ParkedCause::Foreign,
            (None, _, None, _) => ParkedCause::Unread,
            (None, _, _, 0) => ParkedCause::Follows,
            _ => ParkedCause::Failed,
        }
    }

    pub(super) fn show(self, number: &str) -> ParkedMessage {
        ParkedMessage {
            number: number.to_owned(),
            content: self.content(),
            cause: self.cause(),
            holds_key: self.key.is_some(),
            error: self.error,
            failures: self.failures,
            parked_at: Timestamp::from_micros(self.parked),
            tried_at: Timestamp::from_micros(self.tried),
        }
    }
}
