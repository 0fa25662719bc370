//! The rules on a set of events.

use super::{distinct, refuse_generics};
use crate::attr::{self, Variant};
use crate::ctxt::Ctxt;
use syn::ext::IdentExt as _;
use syn::{Data, DeriveInput, Fields, Path};

/// What `#[derive(EventSet)]` has to generate.
pub(crate) struct EventSet<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: Path,
    pub(crate) variants: Vec<Variant>,
    pub(crate) sound: bool,
}

pub(crate) fn event_set<'a>(cx: &Ctxt, input: &'a DeriveInput) -> EventSet<'a> {
    let krate = attr::event_set(cx, &input.attrs);
    let mut variants = Vec::new();
    match &input.data {
        Data::Enum(data) => {
            for variant in &data.variants {
                let (ident, plain) = (&variant.ident, variant.ident.unraw());
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
                        "a variant of an event set holds one event: write one variant for each event",
                    ),
                    _ => cx.error(
                        variant,
                        format_args!(
                            "a variant of an event set holds one event: write `{ident}(Some{plain})`, \
                             where `struct Some{plain}` has `#[derive(Event)]` and the fields"
                        ),
                    ),
                }
            }
            if data.variants.is_empty() {
                cx.error(&input.ident, "an event set needs at least one event: add a variant, such as `Created(UserCreated)`");
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
        "an event set cannot be generic, because its events are found by their stored names: \
         write a separate enum for each type argument",
    );
    let variants = distinct(cx, variants);
    EventSet {
        input,
        krate,
        variants,
        sound: cx.count() == 0,
    }
}
