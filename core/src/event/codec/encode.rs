//! Encodes payloads, and checks that they can be read.

use super::json::{EventSeed, JsonError, from_json, to_json};
use super::{Codec, read_back};
use crate::event::encoded::Encoded;
use crate::event::upcast::UpcastContext;
use crate::event::{EventDescriptor, EventSet};
use crate::stream_name::StreamName;
use serde::{Serialize, Serializer};
use std::error::Error;
use std::fmt;

/// Whether a payload is read back before it goes anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadBack {
    Yes,
    No,
}

/// An event or a command that could not be encoded so that it can be read. Nothing was appended or sent.
#[derive(Debug)]
#[non_exhaustive]
pub struct EncodeError {
    /// The name of the event or the command.
    pub name: &'static str,
    /// The version of its payload.
    pub schema_version: u32,
    /// The stream it was meant for, if known.
    pub stream: Option<StreamName>,
    /// The codec it was encoded with.
    pub codec: Codec,
    /// The reason.
    pub reason: EncodeReason,
    kind: &'static str,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EncodeError {
            name,
            schema_version,
            stream,
            codec,
            reason,
            kind,
        } = self;
        write!(f, "{kind} \"{name}\" version {schema_version}")?;
        if let Some(stream) = stream {
            write!(f, " for stream \"{stream}\"")?;
        }
        write!(f, " cannot be written as {codec}: {reason}")
    }
}

impl Error for EncodeError {
    /// Returns the part that the message does not include.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason.source()
    }
}

impl EncodeError {
    /// The error of an event that an aggregate does not list.
    pub(crate) fn unlisted(
        event: &EventDescriptor,
        stream: StreamName,
        aggregate: &'static str,
    ) -> Self {
        EncodeError {
            name: event.name,
            schema_version: event.version,
            stream: Some(stream),
            codec: Codec::JSON,
            reason: EncodeReason::Unlisted { aggregate },
            kind: "event",
        }
    }

    /// Adds the stream it was meant for.
    pub(crate) fn for_stream(self, stream: &StreamName) -> Self {
        EncodeError {
            stream: Some(stream.clone()),
            ..self
        }
    }
}

/// Why an event or a command could not be encoded so that it can be read.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum EncodeReason {
    /// Its own `Serialize` failed, or it has a map whose keys are not texts.
    #[error("{0}; fix its `Serialize`")]
    Payload(JsonError),
    /// Its payload cannot be read: the event would have been stored, but could never have been loaded.
    #[error(
        "its payload cannot be read back ({0}); give it values that JSON has, \
         such as floats that are finite, and let its `Deserialize` read all that its `Serialize` writes, \
         such as with `#[serde(default)]` where a field is left out"
    )]
    Unreadable(JsonError),
    /// It would come back as another value. The message does not show the value, as it may be kept or logged.
    #[error(
        "it would come back changed: see `before` and `after` of this `EncodeReason::Changed`; let its `Deserialize` \
         return the same value from what its `Serialize` writes, and give it no values that cannot be written so"
    )]
    Changed {
        /// The part that changes, before it is written.
        before: String,
        /// The same part, as it would be read back.
        after: String,
    },
    /// It was decided for the stream of an aggregate that has no such event, and could not be loaded with it.
    #[error(
        "that is the stream of an aggregate \"{aggregate}\", which does not list the event and could not be loaded \
         with it; list the event in `events(..)` of the aggregate, or let `.to(..)` name another stream"
    )]
    Unlisted {
        /// The name of the aggregate.
        aggregate: &'static str,
    },
}

/// Shows no values, like the message.
impl fmt::Debug for EncodeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeReason::Payload(error) => f.debug_tuple("Payload").field(error).finish(),
            EncodeReason::Unreadable(error) => f.debug_tuple("Unreadable").field(error).finish(),
            EncodeReason::Changed { .. } => f.debug_struct("Changed").finish_non_exhaustive(),
            EncodeReason::Unlisted { aggregate } => f
                .debug_struct("Unlisted")
                .field("aggregate", aggregate)
                .finish(),
        }
    }
}

/// How a value is encoded and decoded.
pub(crate) trait Form<T> {
    const KIND: &'static str;

    fn name(value: &T) -> &'static str;
    fn schema_version(value: &T) -> u32;
    fn write(value: &T, json: &mut Vec<u8>) -> Result<(), JsonError>;
    /// Reads the JSON of this value.
    fn read(value: &T, json: &[u8]) -> Result<T, JsonError>;
    fn fmt(value: &T, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

struct AsEvent;

impl<S: EventSet> Form<S> for AsEvent {
    const KIND: &'static str = "event";

    fn name(event: &S) -> &'static str {
        event.name()
    }

    fn schema_version(event: &S) -> u32 {
        event.descriptor().version
    }

    fn write(event: &S, json: &mut Vec<u8>) -> Result<(), JsonError> {
        struct Payload<'a, S>(&'a S);
        impl<S: EventSet> Serialize for Payload<'_, S> {
            fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
                self.0.serialize_payload(serializer)
            }
        }
        to_json(json, &Payload(event))
    }

    fn read(event: &S, json: &[u8]) -> Result<S, JsonError> {
        let descriptor = event.descriptor();
        let context = UpcastContext::without_record(descriptor.name, descriptor.version);
        let decoded = from_json(json, EventSeed::new(&context))?;
        // In its newest version, it is one event.
        decoded.one().map_err(|_| JsonError::refused())
    }

    fn fmt(event: &S, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        event.__fmt(f)
    }
}

/// Encodes an event as JSON.
///
/// # Errors
/// [`EncodeError`] when it cannot be written, or would come back different when it is read back.
pub(crate) fn encode<S: EventSet>(event: &S, read_back: ReadBack) -> Result<Encoded, EncodeError> {
    encode_as::<AsEvent, S>(event, read_back)
}

/// Encodes an event or a command as JSON.
///
/// # Errors
/// As [`encode`].
pub(crate) fn encode_as<F: Form<T>, T>(
    value: &T,
    read_back: ReadBack,
) -> Result<Encoded, EncodeError> {
    // The capacity that `serde_json` begins with.
    let mut json = Vec::with_capacity(128);
    F::write(value, &mut json)
        .map_err(EncodeReason::Payload)
        .and_then(|()| match read_back {
            ReadBack::Yes => read_back::check::<F, T>(value, &json),
            ReadBack::No => Ok(()),
        })
        .map_err(|reason| EncodeError {
            name: F::name(value),
            schema_version: F::schema_version(value),
            stream: None,
            codec: Codec::JSON,
            reason,
            kind: F::KIND,
        })?;
    Ok(Encoded::json(
        F::name(value),
        F::schema_version(value),
        json,
    ))
}
