//! Parsing of `#[event(..)]` and `#[aggregate(..)]` into plain data.

use crate::ctxt::Ctxt;
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Attribute, LitInt, LitStr, Path, Result, Token, Type};

/// A value set at most once by an attribute; the second time is an error.
pub(crate) struct Attr<'c, T> {
    cx: &'c Ctxt,
    key: &'static str,
    value: Option<T>,
}

impl<'c, T> Attr<'c, T> {
    fn none(cx: &'c Ctxt, key: &'static str) -> Self {
        Attr {
            cx,
            key,
            value: None,
        }
    }

    fn set(&mut self, at: impl ToTokens, value: T) {
        if self.value.is_some() {
            self.cx
                .error(at, format_args!("duplicate key `{}`", self.key));
        } else {
            self.value = Some(value);
        }
    }
}

pub(crate) struct EventAttrs {
    pub name: Option<LitStr>,
    pub version: u32,
    pub upcast_from: Option<Path>,
    pub krate: Path,
}

pub(crate) struct AggregateAttrs {
    pub name: Option<LitStr>,
    pub id: Option<Type>,
    pub events: Vec<Variant>,
    pub event_enum: Option<Ident>,
    pub krate: Path,
}

/// One entry of `events(..)`: `UserCreated` or `Created = UserCreated`.
pub(crate) struct Variant {
    pub ident: Ident,
    pub ty: Path,
}

impl syn::parse::Parse for Variant {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(syn::Ident) && input.peek2(Token![=]) && !input.peek2(Token![==]) {
            let ident = input.parse()?;
            input.parse::<Token![=]>()?;
            return Ok(Variant {
                ident,
                ty: input.parse()?,
            });
        }
        let ty: Path = input.parse()?;
        let ident = ty.segments.last().unwrap().ident.clone();
        Ok(Variant { ident, ty })
    }
}

fn krate_default() -> Path {
    syn::parse_quote!(::midgard)
}

/// Reads one attribute key by key; an unknown key is reported and skipped so that the rest
/// of the attribute is still checked.
fn for_each_key(
    cx: &Ctxt,
    attrs: &[Attribute],
    name: &str,
    mut each: impl FnMut(&ParseNestedMeta<'_>) -> Result<bool>,
    known: &str,
) {
    for attr in attrs.iter().filter(|a| a.path().is_ident(name)) {
        let parsed = attr.parse_nested_meta(|meta| {
            if each(&meta)? {
                return Ok(());
            }
            cx.error(
                &meta.path,
                format_args!(
                    "unknown key `{}` in `#[{name}(..)]`, expected one of {known}",
                    meta.path.to_token_stream()
                ),
            );
            skip_value(meta.input)
        });
        if let Err(err) = parsed {
            cx.syn_error(err);
        }
    }
}

fn skip_value(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

pub(crate) fn event(cx: &Ctxt, attrs: &[Attribute]) -> EventAttrs {
    let mut name = Attr::none(cx, "name");
    let mut version = Attr::none(cx, "version");
    let mut upcast_from = Attr::none(cx, "upcast_from");
    let mut krate = Attr::none(cx, "crate");
    for_each_key(
        cx,
        attrs,
        "event",
        |meta| {
            if meta.path.is_ident("name") {
                name.set(&meta.path, meta.value()?.parse::<LitStr>()?);
            } else if meta.path.is_ident("version") {
                let lit: LitInt = meta.value()?.parse()?;
                match lit.base10_parse::<u32>() {
                    Ok(v) if v > 0 => version.set(&meta.path, v),
                    _ => cx.error(&lit, "`version` must be a positive integer"),
                }
            } else if meta.path.is_ident("upcast_from") {
                upcast_from.set(&meta.path, meta.value()?.parse::<Path>()?);
            } else if meta.path.is_ident("crate") {
                krate.set(&meta.path, meta.value()?.call(Path::parse_mod_style)?);
            } else {
                return Ok(false);
            }
            Ok(true)
        },
        "`name`, `version`, `upcast_from`, `crate`",
    );
    EventAttrs {
        name: name.value,
        version: version.value.unwrap_or(1),
        upcast_from: upcast_from.value,
        krate: krate.value.unwrap_or_else(krate_default),
    }
}

pub(crate) fn aggregate(cx: &Ctxt, attrs: &[Attribute]) -> AggregateAttrs {
    let mut name = Attr::none(cx, "name");
    let mut id = Attr::none(cx, "id");
    let mut events = Attr::none(cx, "events");
    let mut event_enum = Attr::none(cx, "event_enum");
    let mut krate = Attr::none(cx, "crate");
    for_each_key(
        cx,
        attrs,
        "aggregate",
        |meta| {
            if meta.path.is_ident("name") {
                name.set(&meta.path, meta.value()?.parse::<LitStr>()?);
            } else if meta.path.is_ident("id") {
                id.set(&meta.path, meta.value()?.parse::<Type>()?);
            } else if meta.path.is_ident("events") {
                let content;
                syn::parenthesized!(content in meta.input);
                let list = Punctuated::<Variant, Token![,]>::parse_terminated(&content)?;
                events.set(&meta.path, list.into_iter().collect::<Vec<_>>());
            } else if meta.path.is_ident("event_enum") {
                event_enum.set(&meta.path, meta.value()?.call(Ident::parse_any)?);
            } else if meta.path.is_ident("crate") {
                krate.set(&meta.path, meta.value()?.call(Path::parse_mod_style)?);
            } else {
                return Ok(false);
            }
            Ok(true)
        },
        "`name`, `id`, `events`, `event_enum`, `crate`",
    );
    AggregateAttrs {
        name: name.value,
        id: id.value,
        events: events.value.unwrap_or_default(),
        event_enum: event_enum.value,
        krate: krate.value.unwrap_or_else(krate_default),
    }
}

/// The private module of the facade that all generated code goes through.
pub(crate) fn private(krate: &Path) -> TokenStream {
    quote!(#krate::__private)
}
