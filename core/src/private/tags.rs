//! The fields of an event that can be tags. Not public API.
#![allow(missing_docs, missing_debug_implementations)]

use crate::event::Tags;
use core::marker::PhantomData;
use std::fmt::Display;

/// A field that is marked `#[event(tag = "..")]`.
///
/// `Kind` keeps the impls apart, and the compiler finds it by the field's type: what an `Option` is
/// does not depend on how the type is written.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot be a tag",
    label = "a tag is written as text, but this type does not implement `Display`",
    note = "a tag implements `std::fmt::Display`, or is an `Option` or a `Vec` of such values: implement it, or choose another field"
)]
pub trait TagValue<Kind> {
    fn push(&self, key: &str, tags: &mut Tags);
}

pub struct One;

pub struct Maybe<Kind>(PhantomData<Kind>);

pub struct Many<Kind>(PhantomData<Kind>);

#[diagnostic::do_not_recommend]
impl<T: Display> TagValue<One> for T {
    fn push(&self, key: &str, tags: &mut Tags) {
        tags.push(key, self);
    }
}

#[diagnostic::do_not_recommend]
impl<Kind, T: TagValue<Kind>> TagValue<Maybe<Kind>> for Option<T> {
    fn push(&self, key: &str, tags: &mut Tags) {
        self.iter().for_each(|value| value.push(key, tags));
    }
}

#[diagnostic::do_not_recommend]
impl<Kind, T: TagValue<Kind>> TagValue<Many<Kind>> for Vec<T> {
    fn push(&self, key: &str, tags: &mut Tags) {
        self.iter().for_each(|value| value.push(key, tags));
    }
}
