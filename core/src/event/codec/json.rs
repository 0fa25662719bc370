//! Reads JSON as any type, whichever features of `serde_json` the program has turned on.

mod error;
mod located;
mod numbers;

pub use error::JsonError;

use crate::event::EventSet;
use crate::event::upcast::{Decoded, UpcastContext};
use located::{Located, Slot};
use numbers::{ARE_TEXTS, Numbers};
use serde::de::DeserializeSeed;
use serde::{Deserializer, Serialize};
use serde_json::error::Category;
use std::marker::PhantomData;

/// Reads a JSON text, all of it.
///
/// # Errors
/// [`JsonError`], with the path where it does not fit.
pub(crate) fn from_json<'de, T: DeserializeSeed<'de> + Copy>(
    text: &'de [u8],
    seed: T,
) -> Result<T::Value, JsonError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    // Known to the compiler, which leaves the other branch out.
    let read = if ARE_TEXTS {
        seed.deserialize(Numbers(&mut json))
    } else {
        seed.deserialize(&mut json)
    };
    match read.and_then(|read| json.end().map(|()| read)) {
        Ok(read) => Ok(read),
        Err(error) => Err(located(text, seed, &error)),
    }
}

/// Appends the JSON of a value.
///
/// # Errors
/// [`JsonError`], when it cannot be written.
pub(crate) fn to_json(json: &mut Vec<u8>, value: &impl Serialize) -> Result<(), JsonError> {
    serde_json::to_writer(json, value).map_err(|error| JsonError::of_writing(&error))
}

/// Finds out where a text does not fit.
#[cold]
fn located<'de, T: DeserializeSeed<'de>>(
    text: &'de [u8],
    seed: T,
    error: &serde_json::Error,
) -> JsonError {
    let otherwise = JsonError::of_reading(error);
    if error.classify() != Category::Data {
        return otherwise;
    }
    let slot = Slot::default();
    let inner = Numbers(&mut serde_json::Deserializer::from_slice(text));
    let read = seed.deserialize(Located { inner, slot: &slot });
    read.err().unwrap_or(otherwise)
}

/// Reads a payload as the events it stands for in a set.
pub(crate) struct EventSeed<'a, S> {
    context: &'a UpcastContext<'a>,
    set: PhantomData<S>,
}

impl<S> Copy for EventSeed<'_, S> {}

impl<S> Clone for EventSeed<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, S> EventSeed<'a, S> {
    pub(crate) const fn new(context: &'a UpcastContext<'a>) -> Self {
        EventSeed {
            context,
            set: PhantomData,
        }
    }
}

impl<'de, S: EventSet> DeserializeSeed<'de> for EventSeed<'_, S> {
    type Value = Decoded<S>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Decoded<S>, D::Error> {
        S::deserialize_payload(self.context, deserializer)
    }
}
