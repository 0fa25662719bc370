//! The rules on what was parsed. What comes out is complete: where a value is missing or wrong, the
//! mistake has been reported and a stand-in is in its place, so that code can still be generated.

mod aggregate;
mod event;
mod event_set;
mod name;
mod projection;
mod view;
mod view_key;

pub(crate) use aggregate::{Aggregate, aggregate};
pub(crate) use event::{Event, Tag, event};
pub(crate) use event_set::{EventSet, event_set};
pub(crate) use projection::{Projection, projection};
pub(crate) use view::{Index, View, name_of, view};
pub(crate) use view_key::{Form, ViewKey, view_key};

use crate::attr::Variant;
use crate::ctxt::Ctxt;
use quote::ToTokens as _;
use std::collections::HashSet;
use syn::{Generics, Type};

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
                    "two events would be the variant `{ident}`: give one another name, \
                     as in `Other{ident} = {ty}`"
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
