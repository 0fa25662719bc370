//! The rules on what was parsed. What comes out is complete: where a value is missing or wrong, the
//! mistake has been reported and a stand-in is in its place, so that code can still be generated.

mod name;

use crate::attr::{self, AggregateAttrs, EventAttrs, Variant};
use crate::ctxt::Ctxt;
use name::Kind;
use proc_macro2::Ident;
use quote::{ToTokens as _, format_ident};
use syn::{Data, DeriveInput, Fields, Generics, Member, Path, Type};

/// A value, or what stands in for one that was missing or wrong.
pub(crate) enum Checked<T> {
    Good(T),
    Bad,
}

/// What `#[derive(Event)]` has to generate.
pub(crate) struct Event<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: Checked<String>,
    pub(crate) version: Checked<u32>,
    pub(crate) upcast_from: Option<Path>,
    pub(crate) tags: Vec<Tag<'a>>,
    /// Whether nothing had to be reported.
    pub(crate) sound: bool,
}

/// A field whose value is a tag.
pub(crate) struct Tag<'a> {
    pub(crate) key: String,
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
}

/// What `#[derive(EventSet)]` has to generate.
pub(crate) struct EventSet<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: Path,
    pub(crate) variants: Vec<Variant>,
    pub(crate) sound: bool,
}

/// What `#[derive(Aggregate)]` has to generate.
pub(crate) struct Aggregate<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: String,
    pub(crate) id: Checked<Type>,
    pub(crate) event_enum: Ident,
    pub(crate) events: Checked<Vec<Variant>>,
}

pub(crate) fn event<'a>(cx: &Ctxt, input: &'a DeriveInput) -> Event<'a> {
    let attrs = attr::event(cx, &input.attrs);
    let ident = &input.ident;
    let mut tags = Vec::new();
    match &input.data {
        Data::Struct(data) => tags = tags_of(cx, &data.fields),
        Data::Enum(_) => cx.error(
            ident,
            "an event is a struct: write one struct with `#[derive(Event)]` for each variant, \
             and `#[derive(EventSet)]` for an enum of them",
        ),
        Data::Union(_) => cx.error(ident, "an event is a struct, not a union"),
    }
    refuse_generics(
        cx,
        &input.generics,
        "an event cannot be generic, because its stored name stands for one type: \
         write a struct for each type that it is used with",
    );
    let name = event_name(cx, ident, &attrs);
    let version = event_version(cx, ident, &attrs);
    Event {
        input,
        krate: attrs.krate,
        name,
        version,
        upcast_from: attrs.upcast_from.value,
        tags,
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

fn event_version(cx: &Ctxt, ident: &Ident, attrs: &EventAttrs) -> Checked<u32> {
    let Some(literal) = &attrs.version.value else {
        if attrs.version.seen || !attrs.complete {
            return Checked::Bad;
        }
        if let Some(previous) = &attrs.upcast_from.value {
            cx.error(
                previous,
                "an event that is upcast from another has a version above 1: write `version = 2`",
            );
            return Checked::Bad;
        }
        return Checked::Good(1);
    };
    let version = match literal.base10_parse::<u32>() {
        Ok(0) => {
            cx.error(
                literal,
                "versions count from 1: write `version = 1`, or leave it out",
            );
            return Checked::Bad;
        }
        Ok(version) => version,
        Err(_) => {
            cx.error(
                literal,
                format_args!("a version is a whole number from 1 to {}", u32::MAX),
            );
            return Checked::Bad;
        }
    };
    match &attrs.upcast_from.value {
        Some(previous) if previous.is_ident(ident) || previous.is_ident("Self") => {
            cx.error(
                previous,
                "an event cannot be upcast from itself: keep the struct of the version before under \
                 a name of its own, and write that name here",
            );
            Checked::Bad
        }
        Some(previous) if version == 1 => {
            cx.error(
                previous,
                "version 1 is the first, so there is nothing to upcast from: write `version = 2`, \
                 or leave out `upcast_from`",
            );
            Checked::Bad
        }
        None if version > 1 && attrs.complete && !attrs.upcast_from.seen => {
            let before = version - 1;
            cx.error(
                literal,
                format_args!(
                    "version {version} cannot read what version {before} has stored: keep the struct \
                     of version {before} and write `upcast_from = {ident}V{before}`"
                ),
            );
            Checked::Good(version)
        }
        _ => Checked::Good(version),
    }
}

fn tags_of<'a>(cx: &Ctxt, fields: &'a Fields) -> Vec<Tag<'a>> {
    let mut tags = Vec::new();
    for (field, member) in fields.iter().zip(fields.members()) {
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

pub(crate) fn event_set<'a>(cx: &Ctxt, input: &'a DeriveInput) -> EventSet<'a> {
    let krate = attr::event_set(cx, &input.attrs);
    let mut variants = Vec::new();
    match &input.data {
        Data::Enum(data) => {
            for variant in &data.variants {
                let ident = &variant.ident;
                let message = "write `#[event_set(..)]` above the enum";
                attr::refuse(cx, &variant.attrs, "event_set", message);
                let mut fields = variant.fields.iter();
                match (&variant.fields, fields.next(), fields.next()) {
                    (Fields::Unnamed(_), Some(field), None) => {
                        attr::refuse(cx, &field.attrs, "event_set", message);
                        variants.push(Variant {
                            ident: ident.clone(),
                            ty: field.ty.clone(),
                        });
                    }
                    (Fields::Unnamed(_), Some(_), Some(_)) => cx.error(
                        &variant.fields,
                        "a variant of an event set holds one event: write a variant for each",
                    ),
                    _ => cx.error(
                        variant,
                        format_args!(
                            "a variant of an event set holds one event: write `{ident}(Some{ident})`, \
                             where `struct Some{ident}` has `#[derive(Event)]` and the fields"
                        ),
                    ),
                }
            }
            if data.variants.is_empty() {
                cx.error(&input.ident, "an event set has at least one event");
            }
        }
        _ => cx.error(
            &input.ident,
            "an event set is an enum with one event in each variant; for a single event write \
             `#[derive(Event)]`",
        ),
    }
    refuse_generics(
        cx,
        &input.generics,
        "an event set cannot be generic: its events are known by their stored names",
    );
    refuse_repeated(cx, &variants);
    EventSet {
        input,
        krate,
        variants: without_repeated(&variants),
        sound: cx.count() == 0,
    }
}

pub(crate) fn aggregate<'a>(cx: &Ctxt, input: &'a DeriveInput) -> Aggregate<'a> {
    let attrs = attr::aggregate(cx, &input.attrs);
    let ident = &input.ident;
    if matches!(input.data, Data::Union(_)) {
        cx.error(ident, "an aggregate is a struct or an enum, not a union");
    }
    for field in fields_of(&input.data) {
        let message = "write `#[aggregate(..)]` above the type";
        attr::refuse(cx, &field.attrs, "aggregate", message);
    }
    refuse_generics(
        cx,
        &input.generics,
        "an aggregate cannot be generic, because its name stands for one type: \
         write a type for each that it is used with",
    );
    let name = aggregate_name(cx, ident, &attrs);
    let id = aggregate_id(cx, ident, &attrs);
    let events = aggregate_events(cx, ident, &attrs);
    let event_enum = match attrs.event_enum.value {
        Some(ident) => ident,
        None => format_ident!("{ident}Event"),
    };
    if let Checked::Good(events) = &events {
        refuse_enum_name(cx, &event_enum, events);
    }
    Aggregate {
        input,
        krate: attrs.krate,
        name,
        id,
        event_enum,
        events,
    }
}

fn fields_of(data: &Data) -> Vec<&syn::Field> {
    match data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|one| &one.fields).collect(),
        Data::Union(_) => Vec::new(),
    }
}

fn aggregate_name(cx: &Ctxt, ident: &Ident, attrs: &AggregateAttrs) -> String {
    let suggestion = name::suggest(&ident.to_string(), Kind::Aggregate);
    match &attrs.name.value {
        Some(name) => {
            if let Err(message) = name::check(&name.value(), Kind::Aggregate, &suggestion) {
                cx.error(name, message);
            }
            name.value()
        }
        None => {
            if attrs.complete && !attrs.name.seen {
                cx.error(
                    ident,
                    format_args!(
                        "this aggregate has no name for its streams: write \
                         `#[aggregate(name = \"{suggestion}\", ..)]`"
                    ),
                );
            }
            suggestion
        }
    }
}

fn aggregate_id(cx: &Ctxt, ident: &Ident, attrs: &AggregateAttrs) -> Checked<Type> {
    if let Some(id) = &attrs.id.value {
        return Checked::Good(id.clone());
    }
    if attrs.complete && !attrs.id.seen {
        cx.error(
            ident,
            format_args!(
                "this aggregate has no type for its ids: write `#[aggregate(id = {ident}Id, ..)]`"
            ),
        );
    }
    Checked::Bad
}

fn aggregate_events(cx: &Ctxt, ident: &Ident, attrs: &AggregateAttrs) -> Checked<Vec<Variant>> {
    match &attrs.events.value {
        Some(events) if !events.is_empty() => {
            refuse_repeated(cx, events);
            return Checked::Good(without_repeated(events));
        }
        None if !attrs.complete || attrs.events.seen => {}
        _ => cx.error(
            ident,
            format_args!(
                "this aggregate has no events: write `#[aggregate(events({ident}Created, ..), ..)]`"
            ),
        ),
    }
    Checked::Bad
}

/// A second enum of the same name would be an error of rustc's in the middle of generated code.
fn refuse_enum_name(cx: &Ctxt, event_enum: &Ident, events: &[Variant]) {
    let clash = events.iter().find(|event| match &event.ty {
        Type::Path(ty) => ty.path.is_ident(event_enum),
        _ => false,
    });
    if let Some(event) = clash {
        cx.error(
            &event.ty,
            format_args!(
                "the enum of the events would also be called `{event_enum}`: \
                 write `event_enum = SomeOtherName`"
            ),
        );
    }
}

fn refuse_generics(cx: &Ctxt, generics: &Generics, message: &str) {
    if !generics.params.is_empty() {
        cx.error(generics, message);
    }
}

fn refuse_repeated(cx: &Ctxt, variants: &[Variant]) {
    for (i, variant) in variants.iter().enumerate() {
        let (ident, ty) = (&variant.ident, text(&variant.ty));
        let mut earlier = variants.iter().take(i);
        if earlier.clone().any(|one| text(&one.ty) == ty) {
            cx.error(
                &variant.ty,
                format_args!("event `{ty}` is listed twice: keep one"),
            );
        } else if earlier.any(|one| one.ident == *ident) {
            cx.error(
                &variant.ty,
                format_args!(
                    "two events would be the variant `{ident}`: give one another name, \
                     as in `Other{ident} = {ty}`"
                ),
            );
        }
    }
}

fn without_repeated(variants: &[Variant]) -> Vec<Variant> {
    let mut kept: Vec<Variant> = Vec::new();
    for variant in variants {
        let repeats =
            |one: &Variant| one.ident == variant.ident || text(&one.ty) == text(&variant.ty);
        if !kept.iter().any(repeats) {
            kept.push(variant.clone());
        }
    }
    kept
}

/// The type as someone would write it.
pub(crate) fn text(ty: &Type) -> String {
    ty.to_token_stream()
        .to_string()
        .replace(" :: ", "::")
        .replace(":: ", "::")
        .replace(" <", "<")
        .replace("< ", "<")
        .replace(" >", ">")
}
