//! Numbers when the feature `arbitrary_precision` of `serde_json` is on.
//!
//! Any crate of a program can turn the feature on for all. A number is then a map with one text, for every reader
//! that does not ask for a number, as serde does for all values that it keeps before it knows the type:
//! `#[serde(flatten)]`, `tag`, `untagged`. Such a struct does not find its numbers there, or takes them for maps.
//!
//! The types here stand in between, and pass such a number on as a number, if its text is the one that a number is
//! written as. All others remain texts, which the types that the feature is for can read: their digits are kept.

use crate::event::serde_methods::{deserializes, visits};
use serde::Deserializer;
use serde::de::value::MapDeserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, Error, IntoDeserializer as _, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde_json::Number;
use std::fmt;
use std::iter::once;

/// Whether the feature is on: numbers then keep their text.
pub(super) const ARE_TEXTS: bool = {
    /// Provides `as_str` when `Number` has none of its own.
    #[allow(dead_code)]
    trait WithoutText: Sized {
        fn as_str(&self) {}
    }
    impl WithoutText for Number {}

    const fn size_of_output<T>(_: fn(&'static Number) -> T) -> usize {
        size_of::<T>()
    }
    size_of_output(Number::as_str) > 0
};

/// The key under which `serde_json` hands over the text of a number.
const TEXT: &str = "$serde_json::private::Number";

/// A deserializer, or a part of one, whose numbers are numbers.
pub(super) struct Numbers<T>(pub(super) T);

/// A visitor that accepts any type.
struct Any<V>(V);

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($argument,)* Numbers(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Numbers<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Any(visitor))
    }

    deserializes!(forward! {
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_map();
        deserialize_identifier();
    });

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! visit {
    ($($method:ident($type:ty);)*) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
    (all) => {
        type Value = V::Value;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.expecting(f)
        }

        visits!(visit);

        fn visit_none<E: Error>(self) -> Result<V::Value, E> {
            self.0.visit_none()
        }

        fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
            self.0.visit_unit()
        }

        fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
            self.0.visit_some(Numbers(value))
        }

        fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
            self.0.visit_newtype_struct(Numbers(value))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<V::Value, A::Error> {
            self.0.visit_seq(Numbers(values))
        }

        fn visit_enum<A: EnumAccess<'de>>(self, value: A) -> Result<V::Value, A::Error> {
            self.0.visit_enum(Numbers(value))
        }
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Numbers<V> {
    visit!(all);

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Numbers(entries))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Any<V> {
    visit!(all);

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<V::Value, A::Error> {
        let first: Option<String> = entries.next_key()?;
        if first.as_deref() == Some(TEXT) {
            let text: String = entries.next_value()?;
            return number(&text, self.0).map_err(Error::custom);
        }
        self.0.visit_map(Entries {
            first,
            rest: entries,
        })
    }
}

/// Passes a text on as a number, or as text if no Rust number is written so.
fn number<'de, V: Visitor<'de>>(text: &str, visitor: V) -> Result<V::Value, serde_json::Error> {
    if let Ok(number) = text.parse::<u64>()
        && number.to_string() == text
    {
        return visitor.visit_u64(number);
    }
    if let Ok(number) = text.parse::<i64>()
        && number.to_string() == text
    {
        return visitor.visit_i64(number);
    }
    if let Ok(number) = text.parse::<f64>()
        && is_written_of_float(text, number)
    {
        return visitor.visit_f64(number);
    }
    visitor.visit_map(MapDeserializer::new(once((TEXT, text))))
}

/// Returns whether `serde_json` writes a float, large or small, as this text. Older releases did not write the sign of
/// an exponent.
fn is_written_of_float(text: &str, number: f64) -> bool {
    let plain = |text: &str| text.replace('+', "");
    let is_written =
        |written: Result<String, _>| written.is_ok_and(|written| plain(&written) == plain(text));
    is_written(serde_json::to_string(&number))
        || is_written(
            text.parse::<f32>()
                .map_err(Error::custom)
                .and_then(|small| serde_json::to_string(&small)),
        )
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Numbers<T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        self.0.deserialize(Numbers(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Numbers<A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(Numbers(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Numbers<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(Numbers(seed))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(Numbers(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Numbers<A> {
    type Error = A::Error;
    type Variant = Numbers<A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self::Variant), A::Error> {
        let (value, variant) = self.0.variant_seed(Numbers(seed))?;
        Ok((value, Numbers(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Numbers<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.0.newtype_variant_seed(Numbers(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(length, Numbers(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Numbers(visitor))
    }
}

/// A map whose first key was read.
struct Entries<A> {
    first: Option<String>,
    rest: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        match self.first.take() {
            Some(first) => seed.deserialize(first.into_deserializer()).map(Some),
            None => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.rest.next_value_seed(Numbers(seed))
    }
}
