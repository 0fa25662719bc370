//! Events to append, and recorded events.

use super::metadata::check_headers;
use crate::event::EventSet;
use crate::event::codec;
use crate::event::codec::{Codec, DecodeError, EncodeError, ReadBack};
use crate::event::encoded::{Encoded, EncodedRef};
use crate::event::metadata::{EventId, HeadersRef, Metadata};
use crate::event::reading;
use crate::event::tags::{Tags, TagsRef};
use crate::event::upcast::{Decoded, Record};
use crate::limits::{self, LimitError, Limited};
use crate::place::{LogId, Place, Position, Version};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use std::borrow::Cow;

/// An event to append. Stores see only its names, versions, tags and bytes.
///
/// ```
/// use midgard::Metadata;
/// use midgard::event::NewEvent;
///
/// let event = NewEvent::json("user.renamed", 1, br#"{"name":"jun"}"#.to_vec())
///     .with_metadata(Metadata::new().with_header("user", "admin"));
/// assert_eq!(event.name, "user.renamed");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewEvent {
    /// The id of the event. Appending the same events under the same ids again is recognised as a retry; another
    /// event under the id of a stored one is [refused](crate::store::AppendError::IdTaken).
    pub id: EventId,
    /// The name of the event.
    pub name: Cow<'static, str>,
    /// The version of the event's payload, from 1.
    pub schema_version: u32,
    /// The codec of the payload.
    pub codec: Codec,
    /// The payload.
    pub payload: Vec<u8>,
    /// The tags that queries can select.
    pub tags: Tags,
    /// The correlation, the causation, and headers.
    pub metadata: Metadata,
}

impl NewEvent {
    /// Creates an event with a new id and a JSON payload that is already encoded.
    #[must_use]
    pub fn json(name: impl Into<Cow<'static, str>>, schema_version: u32, payload: Vec<u8>) -> Self {
        Encoded::json(name, schema_version, payload).into()
    }

    /// Encodes an event of a program's own types; its tags are collected.
    ///
    /// The payload is read back, as described at [`Repository`](crate::Repository#what-is-written-is-read-back).
    ///
    /// # Errors
    /// [`EncodeError`] when the event cannot be written as JSON, or would come back different.
    pub fn encode<S: EventSet>(event: &S) -> Result<Self, EncodeError> {
        NewEvent::written(event, ReadBack::Yes)
    }

    /// Does what [`encode`](NewEvent::encode) does, but without reading the payload back: the caller must know that it can be
    /// read.
    ///
    /// # Errors
    /// [`EncodeError`] when the event cannot be written as JSON.
    pub fn encode_without_read_back<S: EventSet>(event: &S) -> Result<Self, EncodeError> {
        NewEvent::written(event, ReadBack::No)
    }

    pub(crate) fn written<S: EventSet>(
        event: &S,
        read_back: ReadBack,
    ) -> Result<Self, EncodeError> {
        let mut new = NewEvent::from(codec::encode(event, read_back)?);
        event.collect_tags(&mut new.tags);
        Ok(new)
    }

    /// Sets the id, so that a retry can be recognised. Each event needs its own.
    #[must_use]
    pub const fn with_id(mut self, id: EventId) -> Self {
        self.id = id;
        self
    }

    /// Sets the correlation, the causation, and headers.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// Adds the tag `key:value`.
    #[must_use]
    pub fn with_tag(mut self, key: &str, value: &str) -> Self {
        self.tags.push(key, value);
        self
    }
}

/// Creates an event with a new id.
impl From<Encoded> for NewEvent {
    fn from(encoded: Encoded) -> Self {
        let Encoded {
            name,
            schema_version,
            codec,
            payload,
        } = encoded;
        NewEvent {
            id: EventId::new(),
            name,
            schema_version,
            codec,
            payload,
            tags: Tags::new(),
            metadata: Metadata::new(),
        }
    }
}

/// Returns the encoded form of a new event.
impl From<NewEvent> for Encoded {
    fn from(event: NewEvent) -> Self {
        Encoded {
            name: event.name,
            schema_version: event.schema_version,
            codec: event.codec,
            payload: event.payload,
        }
    }
}

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedEvent {
    /// The log of the event.
    pub log: LogId,
    /// Its position in the log, from 1.
    pub position: Position,
    /// The stream of the event.
    pub stream: StreamName,
    /// Its version in the stream, from 1.
    pub version: Version,
    /// The id of the event.
    pub id: EventId,
    /// The time at which the store recorded it, by the clock of the recording process. Never before the event at an
    /// earlier position: when a clock was ahead for a moment, new events get that time until the clock catches up,
    /// and the store logs a warning.
    pub time: Timestamp,
    /// The name of the event.
    pub name: String,
    /// The version of the event's payload, from 1.
    pub schema_version: u32,
    /// The codec of the payload.
    pub codec: Codec,
    /// The payload.
    pub payload: Vec<u8>,
    /// The tags that queries can select.
    pub tags: Tags,
    /// The correlation, the causation, and headers.
    pub metadata: Metadata,
}

impl RecordedEvent {
    /// Returns its place: the log and the position in it.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place::new(self.log, self.position)
    }

    /// Returns a view of this event.
    #[must_use]
    pub fn view(&self) -> RecordedEventRef<'_> {
        RecordedEventRef {
            log: self.log,
            position: self.position,
            stream: self.stream.as_str(),
            version: self.version,
            id: self.id,
            time: self.time,
            name: &self.name,
            schema_version: self.schema_version,
            codec: self.codec,
            payload: &self.payload,
            tags: self.tags.view(),
            correlation_id: self.metadata.correlation_id(),
            causation_id: self.metadata.causation_id(),
            headers: self.metadata.headers(),
        }
    }

    /// Decodes it as one event of the set `S`, upcasting old versions.
    ///
    /// # Errors
    /// [`DecodeError`] names the event, its place, and the reason. When upcasts turn it into none or several events,
    /// use [`decode_all`](Self::decode_all).
    pub fn decode<S: EventSet>(&self) -> Result<S, DecodeError> {
        self.view().decode()
    }

    /// Decodes it as all events of the set `S` that it stands for.
    ///
    /// # Errors
    /// [`DecodeError`] names the event, its place, and the reason.
    pub fn decode_all<S: EventSet>(&self) -> Result<Decoded<S>, DecodeError> {
        reading::decode(&self.view())
    }
}

/// A recorded event, read in place: its texts and payload are borrowed from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct RecordedEventRef<'a> {
    /// The log of the event.
    pub log: LogId,
    /// Its position in the log, from 1.
    pub position: Position,
    /// The name of its stream.
    pub stream: &'a str,
    /// Its version in the stream, from 1.
    pub version: Version,
    /// The id of the event.
    pub id: EventId,
    /// As [`RecordedEvent::time`].
    pub time: Timestamp,
    /// The name of the event.
    pub name: &'a str,
    /// The version of the event's payload, from 1.
    pub schema_version: u32,
    /// The codec of the payload.
    pub codec: Codec,
    /// The payload.
    pub payload: &'a [u8],
    /// The tags that queries can select.
    pub tags: TagsRef<'a>,
    /// The id that all messages from one cause share.
    pub correlation_id: Option<EventId>,
    /// The id of the message that directly caused the event.
    pub causation_id: Option<EventId>,
    /// Free headers.
    pub headers: HeadersRef<'a>,
}

impl RecordedEventRef<'_> {
    /// Returns its place: the log and the position in it.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place::new(self.log, self.position)
    }

    /// Returns a copy that owns its bytes.
    #[must_use]
    pub fn to_owned(&self) -> RecordedEvent {
        let metadata = Metadata::of(self.correlation_id, self.causation_id)
            .with_headers(self.headers.to_owned());
        RecordedEvent {
            log: self.log,
            position: self.position,
            stream: StreamName::from_store(self.stream),
            version: self.version,
            id: self.id,
            time: self.time,
            name: self.name.to_owned(),
            schema_version: self.schema_version,
            codec: self.codec,
            payload: self.payload.to_vec(),
            tags: self.tags.to_owned(),
            metadata,
        }
    }

    /// Returns its name, version, codec and payload.
    #[must_use]
    pub const fn encoded(&self) -> EncodedRef<'_> {
        EncodedRef {
            name: self.name,
            schema_version: self.schema_version,
            codec: self.codec,
            payload: self.payload,
        }
    }

    /// Decodes it as one event of the set `S`, upcasting old versions.
    ///
    /// # Errors
    /// As [`RecordedEvent::decode`].
    pub fn decode<S: EventSet>(&self) -> Result<S, DecodeError> {
        let decoded = reading::decode(self)?;
        decoded
            .one()
            .map_err(|reason| DecodeError::new(self, reason))
    }

    /// Decodes it as all events of the set `S` that it stands for: nearly always one; none or several after an
    /// [upcast](crate::event::definition::Event#a-record-that-stands-for-several-events-or-for-none).
    ///
    /// # Errors
    /// [`DecodeError`] names the event, its place, and the reason.
    pub fn decode_all<S: EventSet>(&self) -> Result<Decoded<S>, DecodeError> {
        reading::decode(self)
    }
}

impl Record for RecordedEventRef<'_> {
    fn id(&self) -> Option<EventId> {
        Some(self.id)
    }

    fn time(&self) -> Option<Timestamp> {
        Some(self.time)
    }

    fn stream(&self) -> Option<&str> {
        Some(self.stream)
    }

    fn version(&self) -> Option<Version> {
        Some(self.version)
    }

    fn position(&self) -> Option<Position> {
        Some(self.position)
    }

    fn correlation_id(&self) -> Option<EventId> {
        self.correlation_id
    }

    fn causation_id(&self) -> Option<EventId> {
        self.causation_id
    }

    fn headers(&self) -> HeadersRef<'_> {
        self.headers
    }
}

impl Metadata {
    /// Returns the metadata of messages that `cause` leads to: they share its correlation id, or start a correlation with its
    /// own id, and their causation id is its id. Headers are not carried over.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use midgard::store::{Append, ExpectedVersion, ReadLog};
    /// use midgard::{MemoryStore, Metadata, Store, StreamName};
    /// use midgard::event::NewEvent;
    ///
    /// # midgard::block_on(async {
    /// # let store = MemoryStore::new();
    /// # let placed = NewEvent::json("order.placed", 1, b"{}".to_vec());
    /// # store.append(Append::to(StreamName::new("order-1")?, ExpectedVersion::NoStream, [placed])).await?;
    /// let placed = store.events(ReadLog::forward()).next().await.unwrap()?;
    /// let metadata = Metadata::following(&placed);
    /// // invoices.execute_with(&id, &Send { .. }, &metadata).await?;
    /// assert_eq!(metadata.causation_id(), Some(placed.id));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn following(cause: &RecordedEvent) -> Self {
        let correlation_id = cause.metadata.correlation_id().unwrap_or(cause.id);
        Metadata::of(Some(correlation_id), Some(cause.id))
    }
}

/// Checks all limits of an event.
pub(crate) fn check_event(event: &NewEvent) -> Result<(), LimitError> {
    limits::check_text(Limited::EventName, limits::EVENT_NAME_BYTES, &event.name)?;
    if event.name == limits::TOMBSTONE {
        return Err(LimitError::ReservedName {
            name: event.name.to_string(),
        });
    }
    if event.schema_version == 0 {
        return Err(LimitError::SchemaVersionZero {
            name: event.name.to_string(),
        });
    }
    limits::check_size(Limited::Payload, limits::PAYLOAD_BYTES, event.payload.len())?;
    let mut tags = 0;
    for tag in event.tags.view() {
        tags += 1;
        limits::check_text(Limited::Tag, limits::TAG_BYTES, tag)?;
    }
    limits::check_size(Limited::Tags, limits::TAGS, tags)?;
    check_headers(event.metadata.headers())
}
