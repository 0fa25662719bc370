//! The rules on a key of views.

use super::{payload, refuse_generics};
use crate::attr;
use crate::ctxt::Ctxt;
use proc_macro2::Ident;
use syn::{Data, DeriveInput, Fields, Member, Path, Type};

/// What `#[derive(ViewKey)]` has to generate.
pub(crate) struct ViewKey<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: Path,
    pub(crate) form: Form<'a>,
    pub(crate) sound: bool,
}

/// What a key is made of.
pub(crate) enum Form<'a> {
    Fields(Vec<(Member, &'a Type)>),
    /// One of these, which sort as they are declared.
    Variants(Vec<&'a syn::Variant>),
}

pub(crate) fn view_key<'a>(cx: &Ctxt, input: &'a DeriveInput) -> ViewKey<'a> {
    let krate = attr::view_key(cx, &input.attrs);
    let ident = &input.ident;
    let form = match &input.data {
        Data::Struct(data) => Form::Fields(fields_of(cx, ident, &data.fields)),
        Data::Enum(data) => {
            for variant in &data.variants {
                let message = "write `#[view_key(..)]` above the enum";
                attr::refuse(cx, &variant.attrs, "view_key", message);
                if !matches!(variant.fields, Fields::Unit) {
                    cx.error(
                        variant,
                        "a variant of a key cannot have fields: write a struct that has the enum in \
                         one field, and the values in others",
                    );
                }
            }
            if data.variants.is_empty() {
                cx.error(ident, "a key needs at least one value: add a variant");
            }
            payload::key(cx, data.variants.iter().map(|variant| &*variant.attrs));
            Form::Variants(data.variants.iter().collect())
        }
        Data::Union(_) => {
            cx.error(
                ident,
                "a key is a struct or an enum, not a union: write a struct",
            );
            Form::Fields(Vec::new())
        }
    };
    refuse_generics(
        cx,
        &input.generics,
        "a key cannot be generic, because its form is stored with the rows: \
         write a separate type for each type argument",
    );
    ViewKey {
        input,
        krate,
        form,
        sound: cx.count() == 0,
    }
}

fn fields_of<'a>(cx: &Ctxt, ident: &Ident, fields: &'a Fields) -> Vec<(Member, &'a Type)> {
    for field in fields {
        let message = "write `#[view_key(..)]` above the struct";
        attr::refuse(cx, &field.attrs, "view_key", message);
    }
    payload::key(cx, fields.iter().map(|field| &*field.attrs));
    if fields.is_empty() {
        cx.error(
            ident,
            "a key without fields cannot tell rows apart: add a field that is a key, such as an id",
        );
    }
    let types = fields.iter().map(|field| &field.ty);
    fields.members().zip(types).collect()
}
