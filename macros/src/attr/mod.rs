//! Parsing of the derives' attributes into plain data.
//!
//! Only the shape is looked at here; what the values may be is the subject of `valid`.

mod aggregate;
mod aggregate_id;
mod decision_model;
mod event;
mod event_set;
mod inbox;
mod key;
mod manifest;
mod process_manager;
mod projection;
mod publish;
mod remote_command;
mod serde;
mod view;

pub(crate) use aggregate::{AggregateAttrs, Variant, aggregate};
pub(crate) use aggregate_id::aggregate_id;
pub(crate) use decision_model::{DecisionAttrs, decision, decision_tag};
pub(crate) use event::{EventAttrs, event, field};
pub(crate) use event_set::event_set;
pub(crate) use inbox::{InboxAttrs, inbox};
pub(crate) use key::{Key, list, nearest};
pub(crate) use process_manager::{ProcessManagerAttrs, process_manager};
pub(crate) use projection::{ProjectionAttrs, projection};
pub(crate) use publish::publish;
pub(crate) use remote_command::{RemoteCommandAttrs, remote_command};
pub(crate) use serde::{SerdeField, renamed, serde_field, serde_struct};
pub(crate) use view::{Index, ViewAttrs, view, view_key};

use crate::ctxt::Ctxt;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, Lit, LitStr, Path, Result, Token, Type};

const CRATE: &str = "`crate` is the path of midgard: write `crate = path::to::midgard`";

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

/// Where midgard is, when nothing is said: under the name that the package's manifest gives it.
fn default_crate() -> Path {
    let name = manifest::renamed().unwrap_or_else(|| "midgard".to_owned());
    let name = Ident::new(&name, Span::call_site());
    syn::parse_quote!(::#name)
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
                "`crate` is a path, not a string: write `crate = {}`",
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
