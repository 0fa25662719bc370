//! What rows can be looked up with: keys, what stands for a key, and ranges of them.

use super::key::{KeyBytes, ViewKey};
use std::ops::{
    Bound, Range, RangeBounds, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive,
};

/// What rows can be looked up with where the key, or the value of an index, is a `K`: a `K` or a `&K`; a
/// `&str` where it is a `String`, also within a pair; a `T` where it is an `Option<T>`.
#[diagnostic::on_unimplemented(
    message = "a key of type `{K}` cannot be looked up with `{Self}`",
    label = "expected `{K}` or `&{K}`",
    note = "pass a value of the key's own type or a reference to one; a `String` may also be looked up with a `&str`, and an `Option` with what is in it"
)]
// Asks nothing of `K`, so that a type that was forgotten to be a key is said so once, where a view has it.
pub trait KeyOf<K> {
    /// Writes the same bytes as `encode`, which is [`ViewKey::encode`] of the key, writes of the key.
    fn encode_key(&self, encode: fn(&K, &mut KeyBytes), bytes: &mut KeyBytes);
}

impl<K> KeyOf<K> for K {
    fn encode_key(&self, encode: fn(&K, &mut KeyBytes), bytes: &mut KeyBytes) {
        encode(self, bytes);
    }
}

impl<K> KeyOf<K> for &K {
    fn encode_key(&self, encode: fn(&K, &mut KeyBytes), bytes: &mut KeyBytes) {
        encode(self, bytes);
    }
}

macro_rules! stands_for {
    ($([$($parameter:ident)?] $own:ty as $key:ty: |$value:ident, $bytes:ident| $encode:expr;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl$(<$parameter: ViewKey>)? KeyOf<$key> for $own {
            fn encode_key(&self, _: fn(&$key, &mut KeyBytes), $bytes: &mut KeyBytes) {
                let $value = self;
                $encode;
            }
        }
    )*};
}

stands_for! {
    [] &str as String: |text, bytes| bytes.push_text(text);
    [] &str as Option<String>: |text, bytes| some(bytes).push_text(text);
    [T] T as Option<T>: |value, bytes| value.encode(some(bytes));
    [T] &T as Option<T>: |value, bytes| (*value).encode(some(bytes));
    [] (&str, &str) as (String, String): |pair, bytes| {
        bytes.push_text(pair.0);
        bytes.push_text(pair.1);
    };
    [T] (&str, T) as (String, T): |pair, bytes| {
        bytes.push_text(pair.0);
        pair.1.encode(bytes);
    };
    [T] (T, &str) as (T, String): |pair, bytes| {
        pair.0.encode(bytes);
        bytes.push_text(pair.1);
    };
}

/// Begins an `Option` that is not `None`.
pub(super) fn some(bytes: &mut KeyBytes) -> &mut KeyBytes {
    bytes.push_fixed(&[1]);
    bytes
}

/// A range of keys, or of values of an index, of type `K`: any range of what [stands for a key](KeyOf),
/// such as `10..20`, `"a"..="b"`, `..`, or a pair of [`Bound`]s.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a range of keys of type `{K}`",
    label = "expected a range of `{K}`",
    note = "write a range such as `low..high`, `low..=high`, `low..` or `..high`, or a pair of `std::ops::Bound`s"
)]
pub trait RangeOf<K> {
    /// The bounds, in the bytes that `encode`, which is [`ViewKey::encode`] of the key, writes.
    fn encode_bounds(&self, encode: fn(&K, &mut KeyBytes)) -> (Bound<KeyBytes>, Bound<KeyBytes>);
}

impl<K> RangeOf<K> for RangeFull {
    fn encode_bounds(&self, _: fn(&K, &mut KeyBytes)) -> (Bound<KeyBytes>, Bound<KeyBytes>) {
        (Bound::Unbounded, Bound::Unbounded)
    }
}

macro_rules! ranges {
    ($($range:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<K, Q: KeyOf<K>> RangeOf<K> for $range {
            fn encode_bounds(
                &self,
                encode: fn(&K, &mut KeyBytes),
            ) -> (Bound<KeyBytes>, Bound<KeyBytes>) {
                let encoded = |key: &Q| {
                    let mut bytes = KeyBytes::new();
                    key.encode_key(encode, &mut bytes);
                    bytes
                };
                (
                    RangeBounds::<Q>::start_bound(self).map(encoded),
                    RangeBounds::<Q>::end_bound(self).map(encoded),
                )
            }
        }
    )*};
}

ranges! {
    Range<Q> RangeInclusive<Q> RangeFrom<Q> RangeTo<Q> RangeToInclusive<Q> (Bound<Q>, Bound<Q>)
}
