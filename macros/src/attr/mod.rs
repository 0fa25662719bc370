//! Parsing of the derives' attributes into plain data.
//!
//! Only the shape is looked at here; what the values may be is the subject of `valid`.

mod inbox;
mod key;
mod process_manager;
mod projection;
mod publish;
mod remote_command;
mod serde;
mod view;

pub(crate) use inbox::{InboxAttrs, inbox};
pub(crate) use key::{Key, list, nearest};
pub(crate) use process_manager::{ProcessManagerAttrs, process_manager};
pub(crate) use projection::{ProjectionAttrs, projection};
pub(crate) use publish::publish;
pub(crate) use remote_command::{RemoteCommandAttrs, remote_command};
pub(crate) use serde::{SerdeField, renamed, serde_field, serde_struct};
pub(crate) use view::{Index, ViewAttrs, view, view_key};

use crate::ctxt::Ctxt;
use key::{Form, read};
use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Attribute, Lit, LitInt, LitStr, Path, Result, Token, Type};

const EVENT: Form = Form {
    attribute: "event",
    keys: &[
        "name",
        "version",
        "upcast_from",
        "upcast_with",
        "split_from",
        "crate",
    ],
    example: "#[event(name = \"user.created\")]",
    elsewhere: &[(
        "tag",
        "`tag` belongs on a field: write `#[event(tag = \"..\")]` above the field whose value is the tag",
    )],
};

const FIELD: Form = Form {
    attribute: "event",
    keys: &["tag"],
    example: "#[event(tag = \"email\")]",
    elsewhere: &[
        ("name", FIELD_TAKES_TAG),
        ("version", FIELD_TAKES_TAG),
        ("upcast_from", FIELD_TAKES_TAG),
        ("upcast_with", FIELD_TAKES_TAG),
        ("split_from", FIELD_TAKES_TAG),
        ("crate", FIELD_TAKES_TAG),
    ],
};
const FIELD_TAKES_TAG: &str = "this key belongs on the struct; a field takes only `tag = \"..\"`";

const EVENT_SET: Form = Form {
    attribute: "event_set",
    keys: &["crate"],
    example: "#[event_set(crate = path::to::midgard)]",
    elsewhere: &[],
};

const AGGREGATE: Form = Form {
    attribute: "aggregate",
    keys: &["name", "id", "events", "event_enum", "apply", "crate"],
    example: "#[aggregate(name = \"user\", id = UserId, events(UserCreated))]",
    elsewhere: &[],
};

const AGGREGATE_ID: Form = Form {
    attribute: "aggregate_id",
    keys: &["crate"],
    example: "#[aggregate_id(crate = path::to::midgard)]",
    elsewhere: &[],
};

const CRATE: &str = "`crate` is the path of midgard: write `crate = path::to::midgard`";

/// What `#[event(..)]` on a struct says.
pub(crate) struct EventAttrs {
    pub(crate) name: Key<LitStr>,
    pub(crate) version: Key<LitInt>,
    pub(crate) upcast_from: Key<Path>,
    pub(crate) upcast_with: Key<Path>,
    pub(crate) split_from: Key<Vec<Type>>,
    pub(crate) krate: Path,
    /// Whether all of it could be read. If not, a key that was not seen may still be there.
    pub(crate) complete: bool,
}

/// What `#[aggregate(..)]` says.
pub(crate) struct AggregateAttrs {
    pub(crate) name: Key<LitStr>,
    pub(crate) id: Key<Type>,
    pub(crate) events: Key<Vec<Variant>>,
    pub(crate) event_enum: Key<Ident>,
    /// `apply = enum`: one function takes the whole enum.
    pub(crate) apply: Key<Token![enum]>,
    pub(crate) krate: Path,
    /// As of an event.
    pub(crate) complete: bool,
}

/// One entry of `events(..)`: `UserCreated` or `Created = UserCreated`.
#[derive(Clone)]
pub(crate) struct Variant {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
}

impl Parse for Variant {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]) {
            let ident = input.parse()?;
            input.parse::<Token![=]>()?;
            let ty = input.parse()?;
            return Ok(Variant { ident, ty });
        }
        let ty: Type = input.parse()?;
        match last_ident(&ty) {
            Some(ident) => Ok(Variant { ident, ty }),
            None => Err(syn::Error::new_spanned(
                &ty,
                "this type has no name that the variant could take: write `SomeName = ` before it",
            )),
        }
    }
}

/// The name at the end of a type's path, looking through the invisible groups of `macro_rules!`.
fn last_ident(ty: &Type) -> Option<Ident> {
    match ty {
        Type::Path(ty) => ty.path.segments.last().map(|last| last.ident.clone()),
        Type::Group(ty) => last_ident(&ty.elem),
        Type::Paren(ty) => last_ident(&ty.elem),
        _ => None,
    }
}

pub(crate) fn event(cx: &Ctxt, attrs: &[Attribute]) -> EventAttrs {
    let (mut name, mut version) = (Key::new(), Key::new());
    let (mut upcast_from, mut upcast_with) = (Key::new(), Key::new());
    let (mut split_from, mut krate) = (Key::new(), Key::new());
    let complete = read(cx, attrs, &EVENT, |key, meta| match key {
        "name" => {
            let help = "`name` is a string: write `name = \"user.created\"`";
            name.value(cx, meta, help, <LitStr as Parse>::parse)
        }
        "version" => {
            let help = "`version` is a whole number: write `version = 2`";
            version.value(cx, meta, help, LitInt::parse)
        }
        "upcast_from" => {
            let help = "`upcast_from` is the type of the version before: write `upcast_from = UserCreatedV1`";
            upcast_from.value(cx, meta, help, Path::parse)
        }
        "upcast_with" => {
            let help = "`upcast_with` is the function that upcasts: write `upcast_with = upcast_user_created`";
            upcast_with.value(cx, meta, help, Path::parse)
        }
        "split_from" => {
            let help = "`split_from` is a list of events: write `split_from(UserRegistered)`";
            split_from.list(cx, meta, help, types)
        }
        _ => krate.value(cx, meta, CRATE, |input| path_of_crate(cx, input)),
    });
    EventAttrs {
        name,
        version,
        upcast_from,
        upcast_with,
        split_from,
        krate: krate.value.unwrap_or_else(default_crate),
        complete,
    }
}

/// The key of the tag that a field is marked as.
pub(crate) fn field(cx: &Ctxt, attrs: &[Attribute]) -> Option<LitStr> {
    let mut tag = Key::new();
    let complete = read(cx, attrs, &FIELD, |_, meta| {
        let help = "`tag` is a string: write `tag = \"email\"`";
        tag.value(cx, meta, help, <LitStr as Parse>::parse)
    });
    let attr = attrs.iter().find(|attr| attr.path().is_ident("event"));
    if let (true, false, Some(attr)) = (complete, tag.seen, attr) {
        cx.error(
            attr,
            format_args!("this says nothing: write `{}`", FIELD.example),
        );
    }
    tag.value
}

pub(crate) fn event_set(cx: &Ctxt, attrs: &[Attribute]) -> Path {
    let mut krate = Key::new();
    read(cx, attrs, &EVENT_SET, |_, meta| {
        krate.value(cx, meta, CRATE, |input| path_of_crate(cx, input))
    });
    krate.value.unwrap_or_else(default_crate)
}

pub(crate) fn aggregate(cx: &Ctxt, attrs: &[Attribute]) -> AggregateAttrs {
    let (mut name, mut id, mut events) = (Key::new(), Key::new(), Key::new());
    let (mut event_enum, mut apply, mut krate) = (Key::new(), Key::new(), Key::new());
    let complete = read(cx, attrs, &AGGREGATE, |key, meta| match key {
        "name" => {
            let help = "`name` is a string: write `name = \"user\"`";
            name.value(cx, meta, help, <LitStr as Parse>::parse)
        }
        "id" => {
            let help = "`id` is a type: write `id = UserId`";
            id.value(cx, meta, help, Type::parse)
        }
        "events" => {
            let help =
                "`events` is a list of event types: write `events(UserCreated, UserRenamed)`";
            events.list(cx, meta, help, |input| {
                let list = Punctuated::<Variant, Token![,]>::parse_terminated(input)?;
                Ok(list.into_iter().collect())
            })
        }
        "event_enum" => {
            let help =
                "`event_enum` is the name of the enum to generate: write `event_enum = UserEvent`";
            event_enum.value(cx, meta, help, Ident::parse)
        }
        "apply" => {
            let help = "write `apply = enum` for one `Apply` of the whole enum, with a `match`; \
                leave it out for an `Apply` of each event";
            apply.value(cx, meta, help, <Token![enum] as Parse>::parse)
        }
        _ => krate.value(cx, meta, CRATE, |input| path_of_crate(cx, input)),
    });
    AggregateAttrs {
        name,
        id,
        events,
        event_enum,
        apply,
        krate: krate.value.unwrap_or_else(default_crate),
        complete,
    }
}

pub(crate) fn aggregate_id(cx: &Ctxt, attrs: &[Attribute]) -> Path {
    let mut krate = Key::new();
    read(cx, attrs, &AGGREGATE_ID, |_, meta| {
        krate.value(cx, meta, CRATE, |input| path_of_crate(cx, input))
    });
    krate.value.unwrap_or_else(default_crate)
}

/// Reports attributes of a derive at places where it reads none, which would be ignored in silence.
pub(crate) fn refuse(cx: &Ctxt, attrs: &[Attribute], attribute: &str, message: &str) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(attribute)) {
        cx.error(attr, message);
    }
}

/// A list of types, as in `events(..)`.
fn types(input: ParseStream<'_>) -> Result<Vec<Type>> {
    let mut types = Vec::new();
    while !input.is_empty() {
        // The parser would name everything that a type can begin with.
        if input.peek(Lit) {
            return Err(input.error("expected a type"));
        }
        types.push(input.parse()?);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(types)
}

fn default_crate() -> Path {
    syn::parse_quote!(::midgard)
}

/// Also takes the path from a string, as other derives want it: the mistake is reported, and what is
/// generated after it still finds the crate.
fn path_of_crate(cx: &Ctxt, input: ParseStream<'_>) -> Result<Path> {
    if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        let path = text.parse_with(Path::parse_mod_style)?;
        cx.error(
            &text,
            format_args!(
                "this is a path, not a string: write `crate = {}`",
                text.value()
            ),
        );
        return Ok(path);
    }
    Path::parse_mod_style(input)
}

/// The path of midgard that the arguments of an attribute give; what is wrong with them is said elsewhere.
pub(crate) fn crate_of(arguments: &TokenStream) -> Path {
    let mut krate = None;
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("crate") {
            krate = Some(meta.value()?.call(Path::parse_mod_style)?);
        } else {
            skip_value(meta.input)?;
        }
        Ok(())
    });
    let _ = parser.parse2(arguments.clone());
    krate.unwrap_or_else(default_crate)
}

/// Takes everything up to the next comma.
fn skip_value(input: ParseStream<'_>) -> Result<Vec<TokenTree>> {
    let mut skipped = Vec::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        skipped.push(input.parse()?);
    }
    Ok(skipped)
}
