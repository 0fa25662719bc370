//! The message itself: its attributes and its payload.

use super::Topic;
use crate::event::codec::{Codec, DecodeReason};
use crate::event::metadata::{EventId, Headers, HeadersRef, Metadata};
use crate::event::reading;
use crate::event::record::RecordedEventRef;
use crate::event::upcast::{Decoded, Record};
use crate::event::{Encoded, EncodedRef, EventSet};
use crate::place::{Place, Position};
use crate::time::Timestamp;
use std::borrow::Cow;

/// A message between services: an event that one publishes, a command that it sends, or the reply to one.
///
/// Its fields are the attributes of [CloudEvents 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md),
/// some of them extensions, so that programs without Midgard can read and write them:
///
/// | field | attribute | |
/// |---|---|---|
/// | `id` | `id` | With `source`, identifies the message. The id of the event. |
/// | `source` | `source` | The service that it comes from. |
/// | `name` | `type` | The public name of the event or the command. |
/// | `schema_version` | `schemaversion` | The version of its payload, from 1; 1 when it is missing. |
/// | `time` | `time` | When the event was recorded (RFC 3339); none when it is before 1970. |
/// | `expires` | `expirytime` | From this time on, nobody waits for its outcome (RFC 3339). |
/// | `subject` | `subject` | What it is about: the stream. |
/// | `key` | `partitionkey` | Messages of one key stay in order. The subject when it is missing, or else the id. |
/// | `purpose` | `purpose`, `destination` | `event`, `command` or `reply`, and its recipient; an event when it is missing. |
/// | `reply_to` | `replyto` | The recipient of the reply to a command. |
/// | `correlation_id` | `correlationid` | Shared by everything that follows from one cause. |
/// | `causation_id` | `causationid` | The message that directly led to it. |
/// | `place` | `position` | The place of the event in the store of its source: its position, such as `17`; with the number of the log before it, such as `3/17`, in another log than the main one. |
/// | `headers` | `headers` | Free headers, as a JSON object of strings, within the [limits](crate::limits) of events. |
/// | `codec` | `datacontenttype` | The format of the payload: `application/json`, the default; or `application/vnd.midgard.codec-` and the code of another [codec](Codec). |
/// | `payload` | `data` | The payload. |
///
/// # Extensions of others
///
/// The attributes that CloudEvents requires must be there: `specversion`, `id`, `source` and `type`. Other programs may use all
/// the rest differently without harm: an attribute that does not have its form above counts as missing, such as a
/// `correlationid` that is not a UUID, or a malformed `time`. A `position` counts only with a `schemaversion`, which every
/// message of Midgard has. An unknown `purpose`, though, is refused in a message with a `schemaversion`, as one of a newer
/// release. Headers beyond the limits are always refused.
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
/// assert_eq!(Message::from_attributes(pairs, message.payload.clone()).unwrap(), message);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// With the source, identifies the message.
    pub id: String,
    /// The service that it comes from.
    pub source: String,
    /// The public name of the event, the command or the reply.
    pub name: String,
    /// The version of its payload, from 1.
    pub schema_version: u32,
    /// When the event was recorded.
    pub time: Option<Timestamp>,
    /// The time from which the sender no longer waits for the outcome. A command that arrives later is refused.
    pub expires: Option<Timestamp>,
    /// The subject: the stream.
    pub subject: Option<String>,
    /// Messages of one key stay in order.
    pub key: String,
    /// The purpose of the message.
    pub purpose: Purpose,
    /// The recipient of the reply to a command.
    pub reply_to: Option<String>,
    /// Shared by everything that follows from one cause.
    pub correlation_id: Option<EventId>,
    /// The message that directly led to it.
    pub causation_id: Option<EventId>,
    /// The place of the event in the store of its source.
    pub place: Option<Place>,
    /// Free headers.
    pub headers: Headers,
    /// The format of the payload.
    pub codec: Codec,
    /// The payload.
    pub payload: Vec<u8>,
}

/// The purpose of a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)]
pub enum Purpose {
    /// Announces what happened, to everyone interested.
    Event,
    /// Asks one service to do something.
    Command {
        /// The service.
        service: String,
    },
    /// Answers a command.
    Reply {
        /// The recipient: the `reply_to` of the command.
        to: String,
    },
}

impl Message {
    /// Creates an event with a JSON payload, a new id, and no optional attributes. Its key is its id, until another is set.
    #[must_use]
    pub fn event(
        source: impl Into<String>,
        name: impl Into<Cow<'static, str>>,
        schema_version: u32,
        payload: Vec<u8>,
    ) -> Self {
        let encoded = Encoded::json(name, schema_version, payload);
        Message::new(Purpose::Event, source, encoded)
    }

    /// Creates a message for any purpose, with a new id, which is also its key.
    #[must_use]
    pub fn new(purpose: Purpose, source: impl Into<String>, encoded: Encoded) -> Self {
        let id = EventId::new().to_string();
        Message::of(purpose, id.clone(), id, source, encoded)
    }

    /// Creates a message with an id and a key.
    pub(crate) fn of(
        purpose: Purpose,
        id: String,
        key: String,
        source: impl Into<String>,
        encoded: Encoded,
    ) -> Self {
        let Encoded {
            name,
            schema_version,
            codec,
            payload,
        } = encoded;
        Message {
            id,
            key,
            source: source.into(),
            name: name.into_owned(),
            schema_version,
            time: None,
            expires: None,
            subject: None,
            purpose,
            reply_to: None,
            correlation_id: None,
            causation_id: None,
            place: None,
            headers: Headers::new(),
            codec,
            payload,
        }
    }

    /// Creates the message of a recorded event, with everything except its headers.
    pub(crate) fn of_recorded(
        purpose: Purpose,
        event: &RecordedEventRef<'_>,
        key: String,
        source: &str,
        encoded: Encoded,
    ) -> Self {
        Message {
            time: Some(event.time),
            subject: Some(event.stream.to_owned()),
            correlation_id: event.correlation_id,
            causation_id: event.causation_id,
            place: Some(event.place()),
            ..Message::of(purpose, event.id.to_string(), key, source, encoded)
        }
    }

    /// Sets the id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Sets the subject.
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

    /// Returns the topic that queues subscribe to.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match &self.purpose {
            Purpose::Event => Topic::event(&self.name),
            Purpose::Command { service } => Topic::command(service, &self.name),
            Purpose::Reply { to } => Topic::replies(to),
        }
    }

    /// Returns the metadata of whatever the message leads to.
    pub(crate) fn metadata_of_what_follows(&self) -> Metadata {
        let id = self.id.parse().ok();
        Metadata::of(self.correlation_id.or(id), id)
    }

    /// Returns its name, version, codec and payload.
    #[must_use]
    pub fn encoded(&self) -> EncodedRef<'_> {
        EncodedRef {
            name: &self.name,
            schema_version: self.schema_version,
            codec: self.codec,
            payload: &self.payload,
        }
    }

    /// Reads the payload as one event of the set `S`, upcasting old versions.
    ///
    /// # Errors
    /// [`MessageError`] names the message and its fault. Use [`decode_all`](Self::decode_all) where upcasts turn it into no
    /// event, or into several.
    pub fn decode<S: EventSet>(&self) -> Result<S, MessageError> {
        let decoded = self.decode_all()?;
        decoded.one().map_err(|reason| self.unreadable(reason))
    }

    /// Reads the payload as the events of the set `S` that it stands for: nearly always one; none or several, if an
    /// [upcast](crate::event::definition::Event#a-record-that-stands-for-several-events-or-for-none) says so.
    ///
    /// # Errors
    /// [`MessageError`] names the message and its fault.
    pub fn decode_all<S: EventSet>(&self) -> Result<Decoded<S>, MessageError> {
        reading::read(&self.encoded(), self).map_err(|reason| self.unreadable(reason))
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

impl Record for Message {
    fn id(&self) -> Option<EventId> {
        self.id.parse().ok()
    }

    fn time(&self) -> Option<Timestamp> {
        self.time
    }

    fn stream(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    fn position(&self) -> Option<Position> {
        self.place.map(|place| place.position)
    }

    fn correlation_id(&self) -> Option<EventId> {
        self.correlation_id
    }

    fn causation_id(&self) -> Option<EventId> {
        self.causation_id
    }

    fn headers(&self) -> HeadersRef<'_> {
        self.headers.view()
    }
}

/// A message that could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct MessageError {
    /// The id of the message.
    pub id: String,
    /// The service that it comes from.
    pub source: String,
    /// Its name.
    pub name: String,
    /// The version of its payload.
    pub schema_version: u32,
    /// What is wrong with the message.
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
    /// Returns the cause, where the error text does not already include it.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.reason)
    }
}
