//! Parsing of `#[aggregate(..)]`.

use super::key::{Form, Key, read};
use super::{CRATE, default_crate, path_of_crate};
use crate::ctxt::Ctxt;
use proc_macro2::Ident;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, LitStr, Path, Result, Token, Type};

const AGGREGATE: Form = Form {
    attribute: "aggregate",
    keys: &["name", "id", "events", "event_enum", "apply", "crate"],
    example: "#[aggregate(name = \"user\", id = UserId, events(UserCreated))]",
    elsewhere: &[],
};

/// What `#[aggregate(..)]` says.
pub(crate) struct AggregateAttrs {
    pub(crate) name: Key<LitStr>,
    pub(crate) id: Key<Type>,
    pub(crate) events: Key<Vec<Variant>>,
    pub(crate) event_enum: Key<Ident>,
    /// `apply = enum`: one function takes the whole enum.
    pub(crate) apply: Key<Token![enum]>,
    pub(crate) krate: Path,
    /// Whether all of it could be read, as of an event.
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
                "no variant can be named after this type: write `SomeName = ` before the type",
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
