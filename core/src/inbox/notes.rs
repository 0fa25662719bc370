//! What an inbox writes down: which messages were taken care of, and what is parked.

use super::parked::ParkedMessage;
use crate::bus::{ForeignMessage, Message};
use crate::consumer::notes::{self, NoteError};
use crate::limits::ENTRY_KEY_BYTES;
use crate::metadata::EventId;
use crate::time::Timestamp;
use crate::unit_of_work::{UnitOfWork, Work};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The most bytes that the keys of notes have beside the name of the inbox and what is of the message.
const AROUND: usize = 40;

/// The keys of one inbox's notes.
#[derive(Debug, Clone)]
pub(crate) struct InboxKeys(String);

impl InboxKeys {
    /// A name has no slash.
    pub(crate) fn new(name: &str) -> Self {
        InboxKeys(format!("inbox/{name}/"))
    }

    /// That a message was taken care of. The length tells where the source ends.
    pub(super) fn seen(&self, message: &Message) -> String {
        let Message { source, id, .. } = message;
        format!("{}seen/{}/{source}/{id}", self.0, source.len())
    }

    /// Where messages that were taken care of stand in the order of time.
    pub(super) fn seen_at_all(&self) -> String {
        format!("{}seen-at/", self.0)
    }

    /// The time at which a message was taken care of, and which.
    pub(super) fn seen_at(&self, at: Timestamp, seen: &str) -> String {
        let message = seen.strip_prefix(&format!("{}seen/", self.0));
        format!(
            "{}{:016x}/{}",
            self.seen_at_all(),
            at.as_micros(),
            message.unwrap_or(seen)
        )
    }

    /// The note that a note of a time stands for.
    pub(super) fn seen_of(&self, seen_at: &str) -> Option<String> {
        let message = seen_at.strip_prefix(&self.seen_at_all())?.get(17..)?;
        Some(format!("{}seen/{message}", self.0))
    }

    /// How many bytes of a message fit into the key of a note.
    const fn room(&self) -> usize {
        ENTRY_KEY_BYTES.saturating_sub(AROUND + self.0.len())
    }

    pub(super) fn parked_all(&self) -> String {
        format!("{}parked/", self.0)
    }

    pub(super) fn parked(&self, number: &str) -> String {
        format!("{}parked/{number}", self.0)
    }

    /// How many messages of a key are parked.
    pub(super) fn key(&self, key: &str) -> String {
        format!("{}key/{key}", self.0)
    }

    pub(super) fn requests(&self) -> String {
        format!("{}request/", self.0)
    }

    pub(super) fn request(&self, number: &str) -> String {
        format!("{}request/{number}", self.0)
    }
}

/// When a message was taken care of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Microseconds since 1970.
    pub(super) at: u64,
}

/// How many messages of a key are parked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyParked {
    pub(super) messages: u64,
    /// The place of the next one.
    #[serde(default)]
    pub(super) next: u64,
}

/// What is asked for about a parked message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MessageRequest {
    /// Give it up, rather than retry it with all that is parked of its key.
    pub(super) is_eviction: bool,
}

/// A message that was parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parked {
    /// The message, as CloudEvents in JSON; none when it is a stranger's.
    pub(super) message: Option<String>,
    /// Of a stranger's.
    pub(super) attributes: Vec<(String, String)>,
    /// Of a stranger's, in base64.
    pub(super) data: String,
    /// The key whose later messages are parked behind it.
    pub(super) key: Option<String>,
    /// Which one of its key it is. Clocks go wrong, and differ between programs: numbers alone do not tell.
    #[serde(default)]
    pub(super) place: u64,
    pub(super) error: String,
    pub(super) failures: u32,
    /// Microseconds since 1970.
    pub(super) parked: u64,
    pub(super) tried: u64,
}

impl Parked {
    pub(super) fn of(message: &Message, holds_key: bool, error: String, failures: u32) -> Self {
        let now = Timestamp::now().as_micros();
        Parked {
            message: Some(message.to_json()),
            attributes: Vec::new(),
            data: String::new(),
            key: holds_key.then(|| message.key.clone()),
            place: 0,
            error,
            failures,
            parked: now,
            tried: now,
        }
    }

    pub(super) fn foreign(foreign: &ForeignMessage) -> Self {
        let now = Timestamp::now().as_micros();
        Parked {
            message: None,
            attributes: foreign.attributes.clone(),
            data: STANDARD.encode(&foreign.data),
            key: None,
            place: 0,
            error: foreign.reason.clone(),
            failures: 0,
            parked: now,
            tried: now,
        }
    }

    /// The message; or what came instead of one.
    pub(super) fn content(&self) -> Result<Message, ForeignMessage> {
        match &self.message {
            Some(message) => Message::from_json(message.as_bytes()),
            None => Err(ForeignMessage::new(
                self.error.clone(),
                self.attributes.clone(),
                STANDARD.decode(&self.data).unwrap_or_default(),
            )),
        }
    }

    /// The message, read anew where it was a stranger's to the release that parked it.
    pub(super) fn message(&self) -> Result<Message, ForeignMessage> {
        self.content().or_else(ForeignMessage::read_again)
    }

    pub(super) fn show(self, number: &str) -> ParkedMessage {
        ParkedMessage {
            number: number.to_owned(),
            content: self.content(),
            holds_key: self.key.is_some(),
            error: self.error,
            failures: self.failures,
            parked_at: Timestamp::from_micros(self.parked),
            tried_at: Timestamp::from_micros(self.tried),
        }
    }
}

/// Whether the texts of a message are short enough to be parts of notes' keys; else says so.
pub(super) fn check_length(keys: &InboxKeys, message: &Message) -> Result<(), String> {
    let most = keys.room();
    let identity = message.source.len() + message.id.len();
    if identity > most {
        return Err(format!(
            "its source and its id have {identity} bytes together, and at most {most} can be remembered"
        ));
    }
    match message.key.len() {
        key if key > most => Err(format!(
            "its key has {key} bytes, and at most {most} can be remembered"
        )),
        _ => Ok(()),
    }
}

/// Notes that a message was taken care of.
pub(super) async fn put_seen(
    work: &Work,
    unit: &mut UnitOfWork,
    keys: &InboxKeys,
    message: &Message,
) -> Result<(), NoteError> {
    let (seen, now) = (keys.seen(message), Timestamp::now());
    let note = Seen {
        at: now.as_micros(),
    };
    notes::put(work, unit, &seen, note).await?;
    notes::put(work, unit, &keys.seen_at(now, &seen), note).await
}

/// Parks a message, behind those of its key that are parked if it has one.
pub(super) async fn park(
    work: &Work,
    unit: &mut UnitOfWork,
    keys: &InboxKeys,
    parked: &Parked,
) -> Result<(), NoteError> {
    let mut parked = parked.clone();
    if let Some(key) = &parked.key {
        parked.place = change_key(work, unit, keys, key, 1).await?;
    }
    // Numbers sort by time, as far as clocks are right.
    let number = EventId::new().to_string();
    notes::put(work, unit, &keys.parked(&number), parked).await
}

/// Lets the later messages of a parked one's key pass.
pub(super) async fn release_key(
    work: &Work,
    unit: &mut UnitOfWork,
    keys: &InboxKeys,
    parked: &mut Parked,
) -> Result<(), NoteError> {
    match parked.key.take() {
        Some(key) => change_key(work, unit, keys, &key, -1).await.map(drop),
        None => Ok(()),
    }
}

/// Takes a message out of what is parked.
pub(super) async fn unpark(
    work: &Work,
    unit: &mut UnitOfWork,
    keys: &InboxKeys,
    number: &str,
    parked: &Parked,
) -> Result<(), NoteError> {
    if let Some(key) = &parked.key {
        change_key(work, unit, keys, key, -1).await?;
    }
    notes::remove(work, unit, &keys.parked(number)).await
}

/// Gives the place that was the next one.
async fn change_key(
    work: &Work,
    unit: &mut UnitOfWork,
    keys: &InboxKeys,
    key: &str,
    by: i64,
) -> Result<u64, NoteError> {
    let note = keys.key(key);
    let before: Option<KeyParked> = notes::get(work, unit, &note).await?;
    let KeyParked { messages, next } = before.unwrap_or_default();
    let after = KeyParked {
        messages: messages.saturating_add_signed(by),
        next: next + u64::from(by > 0),
    };
    match after.messages {
        0 => notes::remove(work, unit, &note).await?,
        _ => notes::put(work, unit, &note, after).await?,
    }
    Ok(next)
}
