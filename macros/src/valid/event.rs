//! The rules on an event.

use super::message_key::{self, MessageKey};
use super::name::{self, Kind};
use super::payload::{self, Payload};
use super::versions::{self, EVENT};
use super::{Checked, refuse_generics};
use crate::attr::{self, EventAttrs};
use crate::ctxt::Ctxt;
use proc_macro2::Ident;
use syn::{Data, DeriveInput, Fields, Member, Path, Type};

/// What `#[derive(Event)]` has to generate.
pub(crate) struct Event<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: Checked<String>,
    pub(crate) version: Checked<u32>,
    pub(crate) upcast_from: Option<Path>,
    pub(crate) upcast_with: Option<Path>,
    pub(crate) split_from: Vec<Type>,
    pub(crate) tags: Vec<Tag<'a>>,
    pub(crate) payload: Payload,
    /// Whether it may leave the service, and under which key.
    pub(crate) publish: Option<Option<MessageKey<'a>>>,
    /// Whether nothing had to be reported.
    pub(crate) sound: bool,
}

/// A field whose value is a tag.
pub(crate) struct Tag<'a> {
    pub(crate) key: String,
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
}

pub(crate) fn event<'a>(cx: &Ctxt, input: &'a DeriveInput) -> Event<'a> {
    let attrs = attr::event(cx, &input.attrs);
    let ident = &input.ident;
    let publish = attr::publish(cx, &input.attrs);
    let mut published = publish.as_ref().map(|_| None);
    let mut tags = Vec::new();
    let mut payload = Payload::Other;
    match &input.data {
        Data::Struct(data) => {
            tags = tags_of(cx, &data.fields);
            payload = payload::payload(cx, &input.attrs, &data.fields);
            published = publish
                .map(|publish| message_key::find(cx, ident, publish.key.as_ref(), &data.fields));
        }
        Data::Enum(_) => cx.error(
            ident,
            "an event is a struct: write one struct with `#[derive(Event)]` for each variant, \
             and `#[derive(EventSet)]` for an enum of them",
        ),
        Data::Union(_) => cx.error(ident, "an event is a struct, not a union: write a struct"),
    }
    refuse_generics(
        cx,
        &input.generics,
        "an event cannot be generic, because its stored name stands for one type: \
         write a separate struct for each type argument",
    );
    let name = event_name(cx, ident, &attrs);
    let version = versions::version(
        cx,
        ident,
        &EVENT,
        (&attrs.version, &attrs.upcast_from),
        attrs.complete,
    );
    if let (Some(function), None, false) = (
        &attrs.upcast_with.value,
        &attrs.upcast_from.value,
        attrs.upcast_from.seen,
    ) {
        cx.error(
            function,
            "`upcast_with` needs the type of the previous version: add `upcast_from = ..`",
        );
    }
    Event {
        input,
        krate: attrs.krate,
        name,
        version,
        upcast_from: attrs.upcast_from.value,
        upcast_with: attrs.upcast_with.value,
        split_from: attrs.split_from.value.unwrap_or_default(),
        tags,
        payload,
        publish: published,
        sound: cx.count() == 0,
    }
}

fn event_name(cx: &Ctxt, ident: &Ident, attrs: &EventAttrs) -> Checked<String> {
    let suggestion = name::suggest(&ident.to_string(), Kind::Event);
    match &attrs.name.value {
        Some(name) => {
            if let Err(message) = name::check(&name.value(), Kind::Event, &suggestion) {
                cx.error(name, message);
            }
            // Also when it is refused: other versions of the event may well say the same.
            Checked::Good(name.value())
        }
        None => {
            if attrs.complete && !attrs.name.seen {
                cx.error(
                    ident,
                    format_args!(
                        "this event has no name in the store: write `#[event(name = \"{suggestion}\")]`"
                    ),
                );
            }
            Checked::Bad
        }
    }
}

fn tags_of<'a>(cx: &Ctxt, fields: &'a Fields) -> Vec<Tag<'a>> {
    let mut tags = Vec::new();
    for (field, member) in fields.iter().zip(fields.members()) {
        let message = "write `#[publish(key = ..)]` above the struct, with the name of the field";
        attr::refuse(cx, &field.attrs, "publish", message);
        let Some(key) = attr::field(cx, &field.attrs) else {
            continue;
        };
        let suggestion = match &member {
            Member::Named(name) => name::suggest(&name.to_string(), Kind::Tag),
            Member::Unnamed(_) => "email".to_owned(),
        };
        if let Err(message) = name::check(&key.value(), Kind::Tag, &suggestion) {
            cx.error(key, message);
            continue;
        }
        tags.push(Tag {
            key: key.value(),
            member,
            ty: &field.ty,
        });
    }
    tags
}
