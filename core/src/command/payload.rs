//! The payloads of commands, written and read.

use super::definition::RemoteCommand;
use crate::bus::{Message, MessageError};
use crate::event::codec::{
    self, Codec, DecodeReason, EncodeError, Form, JsonError, ReadBack, from_json, to_json,
};
use crate::event::{Encoded, EncodedRef};
use serde::de::DeserializeSeed;
use serde::{Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// Writes a command, as JSON, and reads it back.
///
/// # Errors
/// [`EncodeError`] when it cannot be written, or does not read back as it is.
pub(crate) fn encode_command<C: RemoteCommand>(command: &C) -> Result<Encoded, EncodeError> {
    codec::encode_as::<AsCommand, C>(command, ReadBack::Yes)
}

/// Reads the payload of a command, upcasting old versions. Its name is ignored.
///
/// ```
/// use midgard::RemoteCommand;
/// use midgard::command::read_command;
/// use midgard::event::Encoded;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
/// #[remote_command(name = "shop.close", service = "shop")]
/// struct CloseShop { hour: u32 }
///
/// let encoded = Encoded::json(CloseShop::NAME, 1, br#"{"hour":20}"#.to_vec());
/// assert_eq!(read_command::<CloseShop>(&encoded.view()).unwrap().hour, 20);
/// ```
///
/// # Errors
/// [`DecodeReason`] says what is wrong with the payload.
pub fn read_command<C: RemoteCommand>(encoded: &EncodedRef<'_>) -> Result<C, DecodeReason> {
    if let Some(reason) = codec::unknown_version(C::VERSION, encoded) {
        return Err(reason);
    }
    if encoded.codec != Codec::JSON {
        return Err(DecodeReason::UnknownCodec(encoded.codec));
    }
    let seed = CommandSeed::new(encoded.schema_version);
    from_json(encoded.payload, seed).map_err(DecodeReason::Payload)
}

/// Reads the command in a message.
///
/// # Errors
/// [`MessageError`] names the message and its fault.
pub(crate) fn command_in<C: RemoteCommand>(message: &Message) -> Result<C, MessageError> {
    read_command(&message.encoded()).map_err(|reason| message.unreadable(reason))
}

struct AsCommand;

impl<C: RemoteCommand> Form<C> for AsCommand {
    const KIND: &'static str = "command";

    fn name(_: &C) -> &'static str {
        C::NAME
    }

    fn schema_version(_: &C) -> u32 {
        C::VERSION
    }

    fn write(command: &C, json: &mut Vec<u8>) -> Result<(), JsonError> {
        struct Payload<'a, C>(&'a C);
        impl<C: RemoteCommand> Serialize for Payload<'_, C> {
            fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
                self.0.__serialize(serializer)
            }
        }
        to_json(json, &Payload(command))
    }

    fn read(_: &C, json: &[u8]) -> Result<C, JsonError> {
        from_json(json, CommandSeed::new(C::VERSION))
    }

    fn fmt(command: &C, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        command.__fmt(f)
    }
}

/// Reads a command.
struct CommandSeed<C> {
    schema_version: u32,
    command: PhantomData<C>,
}

impl<C> CommandSeed<C> {
    const fn new(schema_version: u32) -> Self {
        CommandSeed {
            schema_version,
            command: PhantomData,
        }
    }
}

impl<C> Copy for CommandSeed<C> {}

impl<C> Clone for CommandSeed<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'de, C: RemoteCommand> DeserializeSeed<'de> for CommandSeed<C> {
    type Value = C;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<C, D::Error> {
        C::__deserialize_version(self.schema_version, deserializer)
    }
}
