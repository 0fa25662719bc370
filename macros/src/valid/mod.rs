//! The rules on what was parsed. What comes out is complete: where a value is missing or wrong, the
//! mistake has been reported and a stand-in is in its place, so that code can still be generated.

mod aggregate;
mod aggregate_id;
mod decision_model;
mod event;
mod event_set;
mod inbox;
mod message_key;
mod name;
mod payload;
mod process_manager;
mod projection;
mod remote_command;
mod versions;
mod view;
mod view_key;

pub(crate) use aggregate::{Aggregate, aggregate};
pub(crate) use aggregate_id::{AggregateId, aggregate_id};
pub(crate) use decision_model::{DecisionModel, ModelField, decision_model};
pub(crate) use event::{Event, Tag, event};
pub(crate) use event_set::{EventSet, event_set};
pub(crate) use inbox::{Inbox, inbox};
pub(crate) use message_key::MessageKey;
pub(crate) use payload::Payload;
pub(crate) use process_manager::{ProcessManager, process_manager};
pub(crate) use projection::{Projection, projection};
pub(crate) use remote_command::{RemoteCommand, remote_command};
pub(crate) use view::{Index, View, name_of, view};
pub(crate) use view_key::{Form, ViewKey, view_key};

use crate::attr::{self, Variant};
use crate::ctxt::Ctxt;
use proc_macro2::Ident;
use quote::ToTokens as _;
use std::collections::HashSet;
use syn::ext::IdentExt as _;
use syn::{Data, Generics, Type};

/// A value, or what stands in for one that was missing or wrong.
pub(crate) enum Checked<T> {
    Good(T),
    Bad,
}

fn refuse_generics(cx: &Ctxt, generics: &Generics, message: &str) {
    if !generics.params.is_empty() {
        cx.error(generics, message);
    }
}

/// Reports attributes of a derive within the type, where they belong above it.
fn refuse_inner(cx: &Ctxt, data: &Data, attribute: &str) {
    let message = format!("write `#[{attribute}(..)]` above the type");
    let fields: Vec<_> = match data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => {
            for variant in &data.variants {
                attr::refuse(cx, &variant.attrs, attribute, &message);
            }
            data.variants.iter().flat_map(|one| &one.fields).collect()
        }
        Data::Union(data) => data.fields.named.iter().collect(),
    };
    for field in fields {
        attr::refuse(cx, &field.attrs, attribute, &message);
    }
}

/// A key that an attribute must have.
struct Needed {
    is_there: bool,
    what: &'static str,
    /// How it is written.
    key: String,
}

/// All that is missing is one mistake: the attribute is written at once.
fn needed(cx: &Ctxt, ident: &Ident, kind: &str, attribute: &str, keys: &[Needed]) {
    let missing: Vec<_> = keys.iter().filter(|key| !key.is_there).collect();
    if missing.is_empty() {
        return;
    }
    let what: Vec<_> = missing
        .iter()
        .map(|key| format!("no {}", key.what))
        .collect();
    let what = what
        .join(" and ")
        .replacen(" and ", ", ", what.len().saturating_sub(2));
    let more = if missing.len() < keys.len() {
        ", .."
    } else {
        ""
    };
    let missing: Vec<_> = missing.iter().map(|key| key.key.as_str()).collect();
    let missing = missing.join(", ");
    cx.error(
        ident,
        format_args!("this {kind} has {what}: write `#[{attribute}({missing}{more})]`"),
    );
}

/// The types that are there once; what repeats an earlier one is reported.
fn distinct_types(cx: &Ctxt, list: Vec<Type>, what: &str) -> Vec<Type> {
    let mut kept: Vec<Type> = Vec::new();
    for ty in list {
        let name = text(&ty);
        if kept.iter().any(|other| text(other) == name) {
            cx.error(
                &ty,
                format_args!("{what} `{name}` is listed twice: keep one"),
            );
        } else {
            kept.push(ty);
        }
    }
    kept
}

/// The variants that are there once; what repeats an earlier one is reported.
fn distinct(cx: &Ctxt, variants: Vec<Variant>) -> Vec<Variant> {
    let (mut idents, mut types) = (HashSet::new(), HashSet::new());
    let mut kept = Vec::new();
    for variant in variants {
        let (ident, ty) = (&variant.ident, text(&variant.ty));
        if types.contains(&ty) {
            cx.error(
                &variant.ty,
                format_args!("event `{ty}` is listed twice: keep one"),
            );
        } else if !idents.insert(ident.clone()) {
            cx.error(
                &variant.ty,
                format_args!(
                    "two events would become the variant `{ident}`: name one of the variants, \
                     as in `Other{} = {ty}`",
                    ident.unraw()
                ),
            );
        } else {
            types.insert(ty);
            kept.push(variant);
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
