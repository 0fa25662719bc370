//! Reads the fields of an event by name only.
//!
//! Serde accepts two changes of a struct that read something other than what was stored: an `Option` missing from a
//! payload is `None`, even when it has another name there; and a list is taken for the fields in their order.

use super::serde_methods::deserializes;
use crate::event::Event;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The names that a field may have in a payload.
type Names = [&'static str];

/// Reads an event whose fields have names. Each of the `needed` fields must be there under one of its names, even if
/// only as `null`; serde reports other missing fields, or they have a default.
///
/// # Errors
/// The deserializer's error when the payload does not fit.
pub(crate) fn by_name<'de, E: Event, D: Deserializer<'de>, const N: usize>(
    needed: &'static [&'static Names; N],
    deserializer: D,
) -> Result<E, D::Error> {
    E::__deserialize(Fields {
        needed,
        inner: deserializer,
    })
}

/// Forwards the methods that do not concern the fields of a derived struct.
macro_rules! forward {
    ($before:ident: $($method:ident($($argument:ident: $ty:ty),*);)*) => {
        $(
            fn $method<V: Visitor<'de>>(
                self,
                $($argument: $ty,)*
                visitor: V,
            ) -> Result<V::Value, D::Error> {
                self.$before().$method($($argument,)* visitor)
            }
        )*

        fn is_human_readable(&self) -> bool {
            self.inner.is_human_readable()
        }
    };
}

/// The next step when a field is missing.
pub(crate) const FIELD_IS_MISSING: &str = ": if it is new, write `#[serde(default)]` above it; if it had another name, \
                                           `#[serde(alias = \"..\")]`; or give the event a new version";

/// The next step when a payload has fields without names.
pub(crate) const FIELDS_HAVE_NAMES: &str = "it is a list, and the fields of this event have names: read what was stored \
                                            without names by `#[serde(from = \"..\")]`, or as an older version of the event";

/// The deserializer of an event's fields.
struct Fields<D, const N: usize> {
    needed: &'static [&'static Names; N],
    inner: D,
}

impl<D, const N: usize> Fields<D, N> {
    fn inner(self) -> D {
        self.inner
    }
}

impl<'de, D: Deserializer<'de>, const N: usize> Deserializer<'de> for Fields<D, N> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = FieldsVisitor {
            needed: self.needed,
            known: Some(fields),
            inner: visitor,
        };
        self.inner.deserialize_struct(name, fields, visitor)
    }

    /// Serde reads a struct with a flattened field as a map.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(FieldsVisitor {
            needed: self.needed,
            known: None,
            inner: visitor,
        })
    }

    deserializes!(forward! { inner: deserialize_any(); deserialize_identifier(); });
}

struct FieldsVisitor<V, const N: usize> {
    needed: &'static [&'static Names; N],
    /// All names that the struct knows, unless a field is flattened.
    known: Option<&'static Names>,
    inner: V,
}

impl<'de, V: Visitor<'de>, const N: usize> Visitor<'de> for FieldsVisitor<V, N> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        if N == 0 {
            return self.inner.visit_map(map);
        }
        let mut seen = [false; N];
        let value = self.inner.visit_map(Keys {
            needed: self.needed,
            seen: &mut seen,
            inner: map,
        })?;
        match seen.iter().position(|seen| !seen) {
            None => Ok(value),
            Some(index) => lacks(self.needed[index], self.known).map_or(Ok(value), Err),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<V::Value, A::Error> {
        Err(A::Error::custom(FIELDS_HAVE_NAMES))
    }
}

/// Returns the error for a missing field; `None` when the struct does not match its attributes.
#[cold]
fn lacks<E: Error>(names: &'static Names, known: Option<&'static Names>) -> Option<E> {
    let name = names.first()?;
    if known.is_some_and(|known| !known.contains(name)) {
        return None;
    }
    Some(E::custom(format_args!(
        "missing field `{name}`{FIELD_IS_MISSING}"
    )))
}

/// The map of an event, and which of the needed fields were seen so far.
struct Keys<'s, A, const N: usize> {
    needed: &'static [&'static Names; N],
    seen: &'s mut [bool; N],
    inner: A,
}

impl<'de, A: MapAccess<'de>, const N: usize> MapAccess<'de> for Keys<'_, A, N> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.inner.next_key_seed(Key {
            needed: self.needed,
            seen: self.seen,
            inner: seed,
        })
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// A key in one of its roles: its seed, its deserializer, or its visitor.
struct Key<'s, T, const N: usize> {
    needed: &'static [&'static Names; N],
    seen: &'s mut [bool; N],
    inner: T,
}

impl<'s, T, const N: usize> Key<'s, T, N> {
    fn with<U>(self, inner: U) -> (T, Key<'s, U, N>) {
        let key = Key {
            needed: self.needed,
            seen: self.seen,
            inner,
        };
        (self.inner, key)
    }

    fn see(&mut self, name: &str) {
        for (names, seen) in self.needed.iter().zip(&mut *self.seen) {
            *seen |= names.contains(&name);
        }
    }

    /// For keys that are not read as derived structs read them: their own reader is responsible.
    fn unknown(self) -> T {
        *self.seen = [true; N];
        self.inner
    }
}

impl<'de, K: DeserializeSeed<'de>, const N: usize> DeserializeSeed<'de> for Key<'_, K, N> {
    type Value = K::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K::Value, D::Error> {
        let (seed, key) = self.with(deserializer);
        seed.deserialize(key)
    }
}

impl<'de, D: Deserializer<'de>, const N: usize> Deserializer<'de> for Key<'_, D, N> {
    type Error = D::Error;

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let (deserializer, key) = self.with(visitor);
        deserializer.deserialize_identifier(key)
    }

    deserializes!(forward! { unknown:
        deserialize_any();
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
    });
}

impl<'de, V: Visitor<'de>, const N: usize> Visitor<'de> for Key<'_, V, N> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_str<E: Error>(mut self, name: &str) -> Result<V::Value, E> {
        self.see(name);
        self.inner.visit_str(name)
    }

    fn visit_borrowed_str<E: Error>(mut self, name: &'de str) -> Result<V::Value, E> {
        self.see(name);
        self.inner.visit_borrowed_str(name)
    }

    fn visit_string<E: Error>(mut self, name: String) -> Result<V::Value, E> {
        self.see(&name);
        self.inner.visit_string(name)
    }

    fn visit_u64<E: Error>(self, index: u64) -> Result<V::Value, E> {
        self.unknown().visit_u64(index)
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<V::Value, E> {
        self.unknown().visit_bytes(name)
    }

    fn visit_borrowed_bytes<E: Error>(self, name: &'de [u8]) -> Result<V::Value, E> {
        self.unknown().visit_borrowed_bytes(name)
    }
}
