//! Payloads: how events are encoded and decoded.

mod encode;
mod excerpt;
mod json;
mod read_back;
mod unordered;

pub use encode::{EncodeError, EncodeReason};
pub(crate) use encode::{Form, ReadBack, encode, encode_as};
use json::EventSeed;
pub use json::JsonError;
pub(crate) use json::{from_json, to_json};
pub(crate) use unordered::is_same_json;

use super::upcast::{Decoded, Record, UpcastContext};
use crate::event::EventSet;
use crate::event::encoded::EncodedRef;
use crate::event::record::RecordedEventRef;
use crate::place::{Position, Version};
use std::error::Error;
use std::fmt;

/// The encoding of a payload. Every record names its codec, so one store can hold several.
///
/// Only self-describing formats are offered: others silently misread a changed struct.
///
/// ```
/// use midgard::event::Codec;
///
/// assert_eq!(Codec::JSON.to_string(), "json");
/// assert_eq!(Codec::from_code(Codec::JSON.code()), Codec::JSON);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Codec(u8);

impl Codec {
    /// JSON (RFC 8259), UTF-8. The default.
    ///
    /// Payloads stay readable whichever features of `serde_json` the crates of a program turn on.
    pub const JSON: Codec = Codec(1);

    /// Returns the codec of a stored code. A code that this release does not know is kept as it is, so that stores
    /// can copy payloads that they cannot read.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        Codec(code)
    }

    /// Returns the code to store.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Codec::JSON => f.write_str("json"),
            Codec(code) => write!(f, "codec {code}"),
        }
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A recorded event that could not be read. The event stays in the store as it is.
#[derive(Debug)]
pub struct DecodeError {
    /// The stored name of the event.
    pub name: String,
    /// The stored version of the event's payload.
    pub schema_version: u32,
    /// The stream of the event.
    pub stream: String,
    /// Its version in the stream.
    pub version: Version,
    /// Its position in the log.
    pub position: Position,
    /// The reason.
    pub reason: DecodeReason,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DecodeError {
            name,
            schema_version,
            stream,
            version,
            position,
            reason,
        } = self;
        write!(
            f,
            "event \"{name}\" version {schema_version} in stream \"{stream}\" at version {version} \
             (position {position}) cannot be read: {reason}"
        )
    }
}

impl Error for DecodeError {
    /// Returns the part that the message does not include.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason.source()
    }
}

impl DecodeError {
    pub(crate) fn new(event: &RecordedEventRef<'_>, reason: DecodeReason) -> Self {
        DecodeError {
            name: event.name.to_owned(),
            schema_version: event.schema_version,
            stream: event.stream.to_owned(),
            version: event.version,
            position: event.position,
            reason,
        }
    }
}

/// Why a recorded event could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeReason {
    /// The reader's set has no event of this name.
    #[error(
        "no event of this name is known here; list it in the set that reads it, select other events, or run the release that wrote it"
    )]
    UnknownEvent,
    /// The name is known, but only in older versions.
    #[error(
        "this program knows versions 1 to {newest}; run the release that wrote it, or add the new version"
    )]
    UnknownVersion {
        /// The newest version known here.
        newest: u32,
    },
    /// This release does not know the codec.
    #[error("its payload is written with {0}, which this release of midgard cannot read")]
    UnknownCodec(Codec),
    /// The payload does not fit the event's struct.
    #[error(
        "its payload does not fit the event's struct ({0}); if the struct has changed since it was written, give \
         the change a new `version` and `upcast_from`; if not, let the struct read what it wrote"
    )]
    Payload(JsonError),
    /// An upcast returned an event that cannot be encoded.
    #[error("the event that an upcast makes of it cannot be written: {0}")]
    Rewritten(Box<EncodeReason>),
    /// It was recorded as one event, and upcasts turn it into none or several now.
    #[error(
        "upcasts make {events} events of it, but one is expected here; read it with `decode_all`"
    )]
    NotOne {
        /// The number of events.
        events: usize,
    },
}

/// Decodes the payload of an event of the set `S`, upcasting old versions.
///
/// # Errors
/// [`DecodeReason`], the reason why it cannot be read.
pub(super) fn decode_payload<S: EventSet>(
    encoded: &EncodedRef<'_>,
    record: &dyn Record,
) -> Result<Decoded<S>, DecodeReason> {
    if encoded.codec != Codec::JSON {
        return Err(failed::<S>(
            encoded,
            DecodeReason::UnknownCodec(encoded.codec),
        ));
    }
    let context = UpcastContext::new(encoded.name, encoded.schema_version, record);
    from_json(encoded.payload, EventSeed::new(&context))
        .map_err(|error| failed::<S>(encoded, DecodeReason::Payload(error)))
}

/// Finds the reason why an event could not be read: the slow path.
#[cold]
fn failed<S: EventSet>(encoded: &EncodedRef<'_>, otherwise: DecodeReason) -> DecodeReason {
    let mut known = S::DESCRIPTORS.iter();
    match known.find(|known| known.name == encoded.name) {
        None => DecodeReason::UnknownEvent,
        Some(known) => unknown_version(known.version, encoded).unwrap_or(otherwise),
    }
}

/// Returns the reason why a payload cannot be read when versions up to this one are known.
pub(crate) fn unknown_version(newest: u32, encoded: &EncodedRef<'_>) -> Option<DecodeReason> {
    let is_known = (1..=newest).contains(&encoded.schema_version);
    (!is_known).then_some(DecodeReason::UnknownVersion { newest })
}
