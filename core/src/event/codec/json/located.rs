//! Reads a text again that could not be read, to find out where it does not fit.
//!
//! The types here stand between a deserializer and the type that reads from it. So they see each error where it is
//! made: before it becomes a message with the value in it, and while its field is known.

use super::error::{JsonError, Part};
use crate::event::serde_methods::{deserializes, visits};
use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use std::cell::RefCell;
use std::fmt::{self, Display};
use std::marker::PhantomData;

/// Keeps an error while a stand-in of the deserializer's own error type is passed on.
#[derive(Default)]
pub(super) struct Slot(RefCell<Option<JsonError>>);

impl Slot {
    fn keep<E: Error>(&self, error: JsonError) -> E {
        self.0.replace(Some(error));
        E::custom("kept")
    }

    fn take(&self, stand_in: impl Display) -> JsonError {
        let kept = self.0.take();
        kept.unwrap_or_else(|| JsonError::of_words(&stand_in.to_string()))
    }
}

/// A part of the reading, with the slot for its errors.
pub(super) struct Located<'s, T> {
    pub(super) inner: T,
    pub(super) slot: &'s Slot,
}

impl<'s, T> Located<'s, T> {
    const fn new(inner: T, slot: &'s Slot) -> Self {
        Located { inner, slot }
    }
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, JsonError> {
            let visitor = Visiting { inner: visitor, slot: self.slot, fields: None };
            self.inner.$method($($argument,)* visitor).map_err(|error| self.slot.take(error))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Located<'_, D> {
    type Error = JsonError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        let visitor = Visiting {
            inner: visitor,
            slot: self.slot,
            fields: Some(fields),
        };
        let read = self.inner.deserialize_struct(name, fields, visitor);
        read.map_err(|error| self.slot.take(error))
    }

    deserializes!(forward! { deserialize_any(); deserialize_map(); deserialize_identifier(); });

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

struct Visiting<'s, V> {
    inner: V,
    slot: &'s Slot,
    /// The names of the fields that a struct knows.
    fields: Option<&'static [&'static str]>,
}

macro_rules! visit {
    ($($method:ident($type:ty);)*) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value).map_err(|error| self.slot.keep(error))
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Visiting<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visits!(visit);

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        let read = self.inner.visit_none();
        read.map_err(|error| self.slot.keep(error))
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        let read = self.inner.visit_unit();
        read.map_err(|error| self.slot.keep(error))
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        let read = self.inner.visit_some(Located::new(value, self.slot));
        read.map_err(|error| self.slot.keep(error))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        let value = Located::new(value, self.slot);
        let read = self.inner.visit_newtype_struct(value);
        read.map_err(|error| self.slot.keep(error))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<V::Value, A::Error> {
        let read = self.inner.visit_seq(Elements {
            inner: elements,
            slot: self.slot,
            next: 0,
        });
        read.map_err(|error| self.slot.keep(error))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let read = self.inner.visit_map(Entries {
            inner: entries,
            slot: self.slot,
            fields: self.fields,
            at: Part::Entry,
        });
        read.map_err(|error| self.slot.keep(error))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, value: A) -> Result<V::Value, A::Error> {
        let read = self.inner.visit_enum(Located::new(value, self.slot));
        read.map_err(|error| self.slot.keep(error))
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Located<'_, T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        let read = self
            .inner
            .deserialize(Located::new(deserializer, self.slot));
        read.map_err(|error| self.slot.keep(error))
    }
}

struct Elements<'s, A> {
    inner: A,
    slot: &'s Slot,
    next: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = JsonError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, JsonError> {
        let at = Part::Element(self.next);
        self.next += 1;
        let read = self.inner.next_element_seed(Located::new(seed, self.slot));
        read.map_err(|error| self.slot.take(error).within(at))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

struct Entries<'s, A> {
    inner: A,
    slot: &'s Slot,
    fields: Option<&'static [&'static str]>,
    at: Part,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'_, A> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, JsonError> {
        let Some(fields) = self.fields else {
            let read = self.inner.next_key_seed(Located::new(seed, self.slot));
            return read.map_err(|error| self.slot.take(error).within(Part::Entry));
        };
        let name = self.inner.next_key_seed(PhantomData::<String>);
        let Some(name) = name.map_err(|error| self.slot.take(error))? else {
            return Ok(None);
        };
        // An unknown name may contain anything.
        let known = fields.iter().find(|known| **known == name);
        self.at = known.map_or(Part::Entry, |known| Part::Field(known));
        seed.deserialize(StringDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, JsonError> {
        let read = self.inner.next_value_seed(Located::new(seed, self.slot));
        read.map_err(|error| self.slot.take(error).within(self.at))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, 's, A: EnumAccess<'de>> EnumAccess<'de> for Located<'s, A> {
    type Error = JsonError;
    type Variant = Located<'s, A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self::Variant), JsonError> {
        let read = self.inner.variant_seed(Located::new(seed, self.slot));
        let (value, variant) = read.map_err(|error| self.slot.take(error))?;
        Ok((value, Located::new(variant, self.slot)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Located<'_, A> {
    type Error = JsonError;

    fn unit_variant(self) -> Result<(), JsonError> {
        let read = self.inner.unit_variant();
        read.map_err(|error| self.slot.take(error))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, JsonError> {
        let seed = Located::new(seed, self.slot);
        let read = self.inner.newtype_variant_seed(seed);
        read.map_err(|error| self.slot.take(error))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        let visitor = Visiting {
            inner: visitor,
            slot: self.slot,
            fields: None,
        };
        let read = self.inner.tuple_variant(length, visitor);
        read.map_err(|error| self.slot.take(error))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        let visitor = Visiting {
            inner: visitor,
            slot: self.slot,
            fields: Some(fields),
        };
        let read = self.inner.struct_variant(fields, visitor);
        read.map_err(|error| self.slot.take(error))
    }
}
