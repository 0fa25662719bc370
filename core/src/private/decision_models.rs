//! Called by the derive of decision models. Not public API.
#![allow(missing_docs, missing_debug_implementations)]

use super::covers::Text;
use super::str_eq;
use crate::decision_model::{DecisionModel, Tagged};
use crate::store::QueryItem;
use core::marker::PhantomData;
use std::fmt::Display;

pub use crate::decision_model::{Part, take_decided};

/// The items of a model's query.
pub fn items<M: DecisionModel + Tagged>(model: &M) -> Vec<QueryItem> {
    model.selection().items().to_vec()
}

/// A field that is a tag of a model.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot be a tag of a decision model",
    label = "a tag is text, but this type lacks `Display` or `Clone`",
    note = "the tag of a model is one value that implements `std::fmt::Display` and `Clone`; the field of an event may also be an `Option` or a `Vec` of it"
)]
pub trait ModelTag {
    fn text(&self) -> String;
    fn copy(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Display + Clone> ModelTag for T {
    fn text(&self) -> String {
        self.to_string()
    }

    fn copy(&self) -> Self {
        self.clone()
    }
}

/// A field of a model that is not a tag.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot be in a decision model",
    label = "this type lacks `Default`, the value before the first event, or `Clone`",
    note = "implement both for `{Self}`, or mark the field with `#[decision(tag)]` if its value selects the events"
)]
pub trait ModelField {
    fn initial() -> Self;
    fn copy(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default + Clone> ModelField for T {
    fn initial() -> Self {
        T::default()
    }

    fn copy(&self) -> Self {
        self.clone()
    }
}

/// The type of an event's tag, by its index among the tags of the descriptor.
pub trait TagAt<const INDEX: usize> {
    type Field;
}

/// Of a tag that an event does not carry.
impl<E> TagAt<{ usize::MAX }> for E {
    type Field = ();
}

/// The tags of an event, the key and the type of each; `None` for a set of events.
type EventTags<'a> = Option<&'a [(&'a str, &'a str)]>;

/// Returns the index of a tag of an event; `usize::MAX` where it is not carried.
#[must_use]
pub const fn tag_at(event: EventTags<'_>, key: &str) -> usize {
    let Some(tags) = event else {
        return usize::MAX;
    };
    let mut i = 0;
    while i < tags.len() {
        if str_eq(tags[i].0, key) {
            return i;
        }
        i += 1;
    }
    usize::MAX
}

/// Whether the field of an event holds values of the model's type: `Same::<Model, Event>::IS`. The constants of the type itself come
/// before that of the trait.
pub struct Same<Model, Event>(PhantomData<(Model, Event)>);

impl<T> Same<T, T> {
    pub const IS: bool = true;
}

impl<T> Same<T, Option<T>> {
    pub const IS: bool = true;
}

impl<T> Same<T, Vec<T>> {
    pub const IS: bool = true;
}

impl<T> Same<T, Option<Vec<T>>> {
    pub const IS: bool = true;
}

impl<T> Same<T, Vec<Option<T>>> {
    pub const IS: bool = true;
}

pub trait NotSame {
    const IS: bool = false;
}

impl<Model, Event> NotSame for Same<Model, Event> {}

/// Checks an event of a model: it carries one of the model's tags, each with the model's type.
///
/// # Panics
/// When it does not.
#[track_caller]
#[allow(clippy::panic)]
pub const fn assert_tagged(
    model: &str,
    event: &str,
    own: EventTags<'_>,
    tags: &[(&str, &str, bool)],
) {
    let mut message = Text::new();
    let Some(carried_tags) = own else {
        message.push("`");
        message.push(event);
        message.push("` is a set of events, which may carry different tags: list its events in decision model `");
        message.push(model);
        message.push("`");
        panic!("{}", message.as_str());
    };
    let mut carried = 0;
    let mut i = 0;
    while i < tags.len() {
        let (key, of_model, is_same) = tags[i];
        let at = tag_at(own, key);
        if at != usize::MAX {
            carried += 1;
            if !is_same {
                message.push("tag `");
                message.push(key);
                message.push("` is a `");
                message.push(of_model);
                message.push("` in decision model `");
                message.push(model);
                message.push("`, and a `");
                message.push(carried_tags[at].1);
                message.push("` in event `");
                message.push(event);
                message.push("`: give both fields one type");
                panic!("{}", message.as_str());
            }
        }
        i += 1;
    }
    if carried > 0 {
        return;
    }
    message.push("event `");
    message.push(event);
    message.push(if tags.len() == 1 {
        "` does not carry the tag "
    } else {
        "` carries none of the tags "
    });
    let mut i = 0;
    while i < tags.len() {
        message.push(match i {
            0 => "`",
            _ if i + 1 == tags.len() => "` and `",
            _ => "`, `",
        });
        message.push(tags[i].0);
        i += 1;
    }
    message.push("` of decision model `");
    message.push(model);
    message.push("`: mark the field of the event with `#[event(tag = \"");
    message.push(tags[0].0);
    message.push("\")]`, or take the event out of the list");
    panic!("{}", message.as_str());
}
