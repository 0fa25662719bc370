//! The envelope.

use super::Topic;
use crate::command::RemoteCommand;
use crate::event::EventSet;
use crate::event::codec;
use crate::event::codec::{Codec, DecodeReason};
use crate::event::metadata::{EventId, Headers, Metadata};
use crate::place::Position;
use crate::time::Timestamp;

/// A message between services: an event that one of them tells, a command that it sends, or the reply to one.
///
/// Its fields are the attributes of [CloudEvents 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md),
/// some of them extensions, so that programs without Midgard can read and write them:
///
/// | field | attribute | |
/// |---|---|---|
/// | `id` | `id` | With `source`, tells one message from another. That of the event. |
/// | `source` | `source` | The service it comes from. |
/// | `name` | `type` | The public name of the event or the command. |
/// | `schema_version` | `schemaversion` | The version of its payload, from 1; 1 when it is missing. |
/// | `time` | `time` | When the event was recorded (RFC 3339); none when it is before 1970. |
/// | `expires` | `expirytime` | From when on nobody waits for what comes of it (RFC 3339). |
/// | `subject` | `subject` | What it is about: the stream. |
/// | `key` | `partitionkey` | Messages of one key stay in order. The subject when it is missing, or else the id. |
/// | `purpose` | `purpose`, `destination` | `event`, `command` or `reply`, and to whom; an event when it is missing. |
/// | `reply_to` | `replyto` | Who waits for the reply to a command. |
/// | `correlation_id` | `correlationid` | What everything that follows from one cause shares. |
/// | `causation_id` | `causationid` | The message that directly led to it. |
/// | `position` | `position` | The position of the event in the log of its source. |
/// | `headers` | `headers` | Free headers, as a JSON object of texts, within the [limits](crate::limits) of events. |
/// | `data` | | The payload, as JSON (`datacontenttype` is `application/json`). |
///
/// # Extensions of others
///
/// What CloudEvents asks for must be there: `specversion`, `id`, `source` and `type`. All else may mean something else to
/// others, and is in nobody's way: an attribute that is not in its form above counts as missing, such as a `correlationid` that
/// is no UUID or a `time` that is none, and a `position` counts beside a `schemaversion` alone, which each message of Midgard
/// has. Beside that, an unknown `purpose` is refused, as one of a newer release. Headers beyond the limits are refused always.
///
/// ```
/// use midgard::bus::{Message, Topic};
///
/// let message = Message::event("orders", "order.placed", 1, br#"{"order":7}"#.to_vec())
///     .with_subject("order-7")
///     .with_key("customer-4");
/// assert_eq!(message.topic(), Topic::event("order.placed"));
///
/// let attributes: Vec<_> = message.attributes().collect();
/// let pairs = attributes.iter().map(|(name, value)| (*name, &**value));
/// assert_eq!(Message::from_attributes(pairs, message.data.clone()).unwrap(), message);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// With the source, tells one message from another.
    pub id: String,
    /// The service it comes from.
    pub source: String,
    /// The public name of the event, the command or the reply.
    pub name: String,
    /// The version of its payload, from 1.
    pub schema_version: u32,
    /// When the event was recorded.
    pub time: Option<Timestamp>,
    /// From when on nobody waits for what comes of it: a command that comes later is refused.
    pub expires: Option<Timestamp>,
    /// What it is about: the stream.
    pub subject: Option<String>,
    /// Messages of one key stay in order.
    pub key: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Who waits for the reply to a command.
    pub reply_to: Option<String>,
    /// What everything that follows from one cause shares.
    pub correlation_id: Option<EventId>,
    /// The message that directly led to it.
    pub causation_id: Option<EventId>,
    /// The position of the event in the log of its source.
    pub position: Option<Position>,
    /// Free headers.
    pub headers: Headers,
    /// The payload, as JSON.
    pub data: Vec<u8>,
}

/// What a message is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)]
pub enum Purpose {
    /// It tells everyone who cares what happened.
    Event,
    /// It asks one service to do something.
    Command {
        /// The service.
        service: String,
    },
    /// It answers a command.
    Reply {
        /// Who waits for it: what the command said in `reply_to`.
        to: String,
    },
}

impl Message {
    /// An event, with a new id, and no more than a message needs. Its key is its id, until it is given another.
    #[must_use]
    pub fn event(
        source: impl Into<String>,
        name: impl Into<String>,
        schema_version: u32,
        data: Vec<u8>,
    ) -> Self {
        Message::new(Purpose::Event, source, name, schema_version, data)
    }

    /// A message for whatever purpose, with a new id.
    #[must_use]
    pub fn new(
        purpose: Purpose,
        source: impl Into<String>,
        name: impl Into<String>,
        schema_version: u32,
        data: Vec<u8>,
    ) -> Self {
        let id = EventId::new().to_string();
        Message {
            key: id.clone(),
            id,
            source: source.into(),
            name: name.into(),
            schema_version,
            time: None,
            expires: None,
            subject: None,
            purpose,
            reply_to: None,
            correlation_id: None,
            causation_id: None,
            position: None,
            headers: Headers::new(),
            data,
        }
    }

    /// Sets the id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Sets what it is about.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets the key within which it stays in order.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// What queues ask for to get it.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match &self.purpose {
            Purpose::Event => Topic::event(&self.name),
            Purpose::Command { service } => Topic::command(service, &self.name),
            Purpose::Reply { to } => Topic::replies(to),
        }
    }

    /// The metadata of whatever it leads to.
    pub(crate) fn metadata_of_what_follows(&self) -> Metadata {
        let id = self.id.parse().ok();
        Metadata::of(self.correlation_id.or(id), id)
    }

    /// Reads the payload as one of the set `S`, upcasting old versions.
    ///
    /// # Errors
    /// [`MessageError`] names the message, and what is wrong with it.
    pub fn decode<S: EventSet>(&self) -> Result<S, MessageError> {
        codec::read(&self.name, self.schema_version, Codec::JSON, &self.data)
            .map_err(|reason| self.unreadable(reason))
    }

    /// Reads the payload as a command.
    pub(crate) fn decode_command<C: RemoteCommand>(&self) -> Result<C, MessageError> {
        codec::read_command(self.schema_version, &self.data)
            .map_err(|reason| self.unreadable(reason))
    }

    pub(crate) fn unreadable(&self, reason: DecodeReason) -> MessageError {
        MessageError {
            id: self.id.clone(),
            source: self.source.clone(),
            name: self.name.clone(),
            schema_version: self.schema_version,
            reason,
        }
    }
}

/// A message that could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct MessageError {
    /// The id of the message.
    pub id: String,
    /// The service it comes from.
    pub source: String,
    /// Its name.
    pub name: String,
    /// The version of its payload.
    pub schema_version: u32,
    /// What is wrong with it.
    pub reason: DecodeReason,
}

impl std::fmt::Display for MessageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let MessageError {
            id,
            source,
            name,
            schema_version,
            reason,
        } = self;
        write!(
            f,
            "message {id} of \"{source}\", \"{name}\" version {schema_version}, cannot be read: {reason}"
        )
    }
}

impl std::error::Error for MessageError {
    /// What the message does not say already.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.reason)
    }
}
