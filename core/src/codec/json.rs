//! Reads JSON as whatever type is asked for, whichever features of `serde_json` the program has turned on.

mod numbers;

use crate::command::RemoteCommand;
use crate::event::EventSet;
use numbers::{ARE_TEXTS, Numbers};
use serde::Deserializer;
use serde::de::DeserializeSeed;
use std::marker::PhantomData;

/// Reads a JSON text, all of it.
///
/// # Errors
/// That of `serde_json`, or of what `seed` reads.
pub(crate) fn from_json<'de, T: DeserializeSeed<'de>>(
    text: &'de [u8],
    seed: T,
) -> Result<T::Value, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(text);
    // Known to the compiler, which leaves the other of the two out.
    let read = if ARE_TEXTS {
        seed.deserialize(Numbers(&mut json))?
    } else {
        seed.deserialize(&mut json)?
    };
    json.end()?;
    Ok(read)
}

/// Reads one event of a set.
pub(crate) struct EventSeed<'a, S> {
    name: &'a str,
    schema_version: u32,
    set: PhantomData<S>,
}

impl<'a, S> EventSeed<'a, S> {
    pub(crate) const fn new(name: &'a str, schema_version: u32) -> Self {
        EventSeed {
            name,
            schema_version,
            set: PhantomData,
        }
    }
}

impl<'de, S: EventSet> DeserializeSeed<'de> for EventSeed<'_, S> {
    type Value = S;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S, D::Error> {
        S::deserialize_payload(self.name, self.schema_version, deserializer)
    }
}

/// Reads a command.
pub(super) struct CommandSeed<C> {
    schema_version: u32,
    command: PhantomData<C>,
}

impl<C> CommandSeed<C> {
    pub(super) const fn new(schema_version: u32) -> Self {
        CommandSeed {
            schema_version,
            command: PhantomData,
        }
    }
}

impl<'de, C: RemoteCommand> DeserializeSeed<'de> for CommandSeed<C> {
    type Value = C;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<C, D::Error> {
        C::__deserialize_version(self.schema_version, deserializer)
    }
}
