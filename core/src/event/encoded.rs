//! Encoded events and commands: payloads with all that is needed to read them.

use super::codec::{self, Codec, DecodeReason, EncodeError, ReadBack};
use super::reading;
use super::upcast::{Decoded, NoRecord};
use crate::event::EventSet;
use std::borrow::Cow;

/// An encoded event or command: its payload, name, version and codec.
///
/// ```
/// use midgard::event::{Codec, Encoded};
///
/// let encoded = Encoded::json("user.renamed", 1, br#"{"name":"jun"}"#.to_vec());
/// assert_eq!((&*encoded.name, encoded.schema_version, encoded.codec), ("user.renamed", 1, Codec::JSON));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct Encoded {
    /// The name of the event or the command.
    pub name: Cow<'static, str>,
    /// The version of the payload, from 1.
    pub schema_version: u32,
    /// The codec of the payload.
    pub codec: Codec,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Encoded {
    /// Wraps a JSON payload that is already encoded.
    #[must_use]
    pub fn json(name: impl Into<Cow<'static, str>>, schema_version: u32, payload: Vec<u8>) -> Self {
        Encoded {
            name: name.into(),
            schema_version,
            codec: Codec::JSON,
            payload,
        }
    }

    /// Encodes an event, and reads it back.
    ///
    /// # Errors
    /// [`EncodeError`] when the event cannot be written as JSON, or would come back different.
    pub fn of<S: EventSet>(event: &S) -> Result<Self, EncodeError> {
        codec::encode(event, ReadBack::Yes)
    }

    /// Returns a borrowed view.
    #[must_use]
    pub fn view(&self) -> EncodedRef<'_> {
        EncodedRef {
            name: &self.name,
            schema_version: self.schema_version,
            codec: self.codec,
            payload: &self.payload,
        }
    }
}

/// A borrowed [`Encoded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct EncodedRef<'a> {
    /// The name of the event or the command.
    pub name: &'a str,
    /// The version of the payload, from 1.
    pub schema_version: u32,
    /// The codec of the payload.
    pub codec: Codec,
    /// The payload.
    pub payload: &'a [u8],
}

impl EncodedRef<'_> {
    /// Decodes it as one event of the set `S`, upcasting old versions. Upcasts get no record here.
    ///
    /// # Errors
    /// [`DecodeReason`], the reason why it cannot be read; [`DecodeReason::NotOne`] when it stands for no event of
    /// the set, or for several.
    pub fn read<S: EventSet>(&self) -> Result<S, DecodeReason> {
        self.read_all()?.one()
    }

    /// Decodes it as all events of the set `S` that it stands for.
    ///
    /// # Errors
    /// [`DecodeReason`], the reason why it cannot be read.
    pub fn read_all<S: EventSet>(&self) -> Result<Decoded<S>, DecodeReason> {
        reading::read(self, &NoRecord)
    }

    /// Returns a copy that owns its bytes.
    #[must_use]
    pub fn to_owned(&self) -> Encoded {
        Encoded {
            name: Cow::Owned(self.name.to_owned()),
            schema_version: self.schema_version,
            codec: self.codec,
            payload: self.payload.to_vec(),
        }
    }
}
