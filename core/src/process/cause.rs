//! Facts about what a process reacts to, besides its payload.

use crate::bus::Message;
use crate::event::metadata::{EventId, Headers, HeadersRef, Metadata};
use crate::event::record::RecordedEventRef;
use crate::place::{LogId, Position, Version};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The event of the log that a process reacts to: its id and its position.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReactedEvent {
    /// Its id.
    pub id: EventId,
    /// The log it is in.
    pub log: LogId,
    /// Its position in the log, from 1.
    pub position: Position,
    /// The stream it is in.
    pub stream: StreamName,
    /// Its version in the stream, from 1.
    pub version: Version,
}

/// Facts about what a process reacts to, besides its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) time: Timestamp,
    pub(crate) event: Option<ReactedEvent>,
    pub(crate) metadata: Metadata,
}

impl Cause {
    /// Returns the cause that is an event of the log.
    pub(crate) fn event(event: &RecordedEventRef<'_>) -> Self {
        let metadata = Metadata::of(event.correlation_id, event.causation_id);
        Cause {
            time: event.time,
            event: Some(ReactedEvent {
                id: event.id,
                log: event.log,
                position: event.position,
                stream: StreamName::from_store(event.stream),
                version: event.version,
            }),
            metadata: metadata.with_headers(event.headers.to_owned()),
        }
    }

    /// Returns the cause that is an answer. Its sender's clock may be ahead: it was not sent later than now.
    pub(crate) fn answer(message: &Message, now: Timestamp) -> Self {
        let metadata = Metadata::of(message.correlation_id, message.causation_id);
        Cause {
            time: message.time.map_or(now, |sent| sent.min(now)),
            event: None,
            metadata: metadata.with_headers(message.headers.clone()),
        }
    }

    /// Returns a cause of which only the time and the metadata are known.
    pub(crate) const fn at(time: Timestamp, metadata: Metadata) -> Self {
        Cause {
            time,
            event: None,
            metadata,
        }
    }
}

/// A [`Cause`], as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordedCause {
    /// Microseconds since 1970.
    time: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<RecordedPlace>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    causation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
}

/// A [`ReactedEvent`], as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RecordedPlace {
    id: String,
    #[serde(default, skip_serializing_if = "is_main")]
    log: u32,
    position: u64,
    stream: String,
    version: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
const fn is_main(log: &u32) -> bool {
    *log == LogId::MAIN.0
}

impl From<&Cause> for RecordedCause {
    fn from(cause: &Cause) -> Self {
        let id = |id: Option<EventId>| id.map(|id| id.to_string());
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let headers: HeadersRef<'_> = cause.metadata.headers();
        RecordedCause {
            time: cause.time.as_micros(),
            event: cause.event.as_ref().map(|event| RecordedPlace {
                id: event.id.to_string(),
                log: event.log.0,
                position: event.position.0,
                stream: event.stream.to_string(),
                version: event.version.0,
            }),
            correlation_id: id(cause.metadata.correlation_id()),
            causation_id: id(cause.metadata.causation_id()),
            headers: headers.iter().map(owned).collect(),
        }
    }
}

impl From<RecordedCause> for Cause {
    /// A malformed id is left out.
    fn from(recorded: RecordedCause) -> Self {
        let id = |id: Option<String>| id.and_then(|id| id.parse().ok());
        let metadata = Metadata::of(id(recorded.correlation_id), id(recorded.causation_id));
        let headers: Headers = recorded.headers.into_iter().collect();
        let event = recorded.event.and_then(|event| {
            Some(ReactedEvent {
                id: event.id.parse().ok()?,
                log: LogId(event.log),
                position: Position(event.position),
                stream: StreamName::from_store(&event.stream),
                version: Version(event.version),
            })
        });
        Cause {
            time: Timestamp::from_micros(recorded.time),
            event,
            metadata: metadata.with_headers(headers),
        }
    }
}
