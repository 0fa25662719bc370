//! What rows can be looked up with: keys, stand-ins for keys, and ranges of them.

use super::key::{KeyBytes, ViewKey};
use std::ops::{
    Bound, Range, RangeBounds, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive,
};

/// A value that looks up rows whose key, or value in an index, is a `K`: a `K` or a `&K`; for a `String`, also a `&str`, even
/// within a pair; for an `Option<T>`, also a `T`.
#[diagnostic::on_unimplemented(
    message = "a key of type `{K}` cannot be looked up with `{Self}`",
    label = "expected `{K}` or `&{K}`",
    note = "pass a value of the key's own type or a reference to one; a `String` may also be looked up with a `&str`, and an `Option` with the value in it"
)]
// No bound on `K`, so that a type that is not yet a key is reported once, where a view has it.
pub trait KeyOf<K> {
    /// Writes the same bytes that `encode`, which is [`ViewKey::encode`] of the key, writes for the key.
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
    /// Returns the bounds, in the bytes that `encode`, which is [`ViewKey::encode`] of the key, writes.
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

/// The range of keys with the same beginning: of texts with a prefix, or of tuples with a first value.
///
/// ```
/// use midgard::view::Select;
/// use midgard::View;
/// use midgard::view::StartingWith;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, View)]
/// #[view(key = (order, line), index(article, ordered))]
/// struct OrderLine {
///     order: u64,
///     line: u32,
///     article: String,
/// }
///
/// let of_order_7 = Select::<OrderLine>::keys(StartingWith(7));
/// let pencils = OrderLine::by_article_range(StartingWith("pencil"));
/// # let _ = (of_order_7, pencils);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct StartingWith<Q>(pub Q);

/// Returns the bounds of all keys that begin with these bytes. As no value's bytes are the beginning of another's, both
/// bounds are these bytes.
fn starting_with(bytes: KeyBytes) -> (Bound<KeyBytes>, Bound<KeyBytes>) {
    (Bound::Included(bytes.clone()), Bound::Included(bytes))
}

#[diagnostic::do_not_recommend]
impl RangeOf<String> for StartingWith<&str> {
    fn encode_bounds(&self, _: fn(&String, &mut KeyBytes)) -> (Bound<KeyBytes>, Bound<KeyBytes>) {
        let mut bytes = KeyBytes::new();
        bytes.push_beginning(self.0);
        starting_with(bytes)
    }
}

macro_rules! tuples {
    ($(($($other:ident),*))*) => {$(
        #[diagnostic::do_not_recommend]
        impl<K: ViewKey, $($other,)* Q: KeyOf<K>> RangeOf<(K, $($other),*)> for StartingWith<Q> {
            fn encode_bounds(
                &self,
                _: fn(&(K, $($other),*), &mut KeyBytes),
            ) -> (Bound<KeyBytes>, Bound<KeyBytes>) {
                let mut bytes = KeyBytes::new();
                self.0.encode_key(K::encode, &mut bytes);
                starting_with(bytes)
            }
        }
    )*};
}

tuples! { (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) }
