//! `#[derive(View)]`.

use super::{anonymous, private};
use crate::ctxt::Ctxt;
use crate::fallback;
use crate::source;
use crate::valid::{self, Checked, Index, View};
use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote};
use syn::{Attribute, Data, DeriveInput, Field, Type};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let view = valid::view(&cx, input);
    let code = match (&input.data, &view.key) {
        // Serde has no derive for it, so that an impl of `View` would be the next error.
        (Data::Union(_), _) => TokenStream::new(),
        (_, Checked::Good(key)) if input.generics.params.is_empty() => {
            let (row, selections) = (row(&view, key), selections(&view));
            quote!(#row #selections)
        }
        _ => {
            let (row, selections) = (fallback::view(&cx, &view), selections(&view));
            quote!(#row #selections)
        }
    };
    let errors = cx.into_tokens();
    quote!(#errors #code)
}

/// The impl of the trait.
fn row(view: &View<'_>, key: &[&Field]) -> TokenStream {
    let View {
        input, krate, name, ..
    } = view;
    let private = private(krate);
    let ident = &input.ident;
    let key_type = value_type(key);
    let encode_key = encode(view, key, &quote!(self));
    let indexes = view.indexes.iter().filter_map(|index| {
        let Checked::Good(fields) = &index.fields else {
            return None;
        };
        let (name, unique) = (&index.name, index.unique);
        let ty = value_type(fields);
        let encode = encode(view, fields, &quote!(__row));
        Some(quote! {
            #krate::view::ViewIndex::new(
                #name,
                #unique,
                <#ty as #krate::ViewKey>::describe,
                |__row: &Self, __bytes: &mut #krate::view::KeyBytes| { #encode },
            )
        })
    });
    let form = form(view);
    anonymous(&quote! {
        #[automatically_derived]
        impl #krate::View for #ident {
            const NAME: &'static #private::str = #name;
            const INDEXES: &'static [#krate::view::ViewIndex<Self>] = &[#(#indexes),*];
            type Key = #key_type;

            fn encode_key(&self, __bytes: &mut #krate::view::KeyBytes) {
                #encode_key
            }

            fn describe(__form: &mut #private::String) {
                #private::String::push_str(__form, #form);
            }
        }
    })
}

/// The type of one field, or the tuple of several.
fn value_type(fields: &[&Field]) -> Type {
    let types = fields.iter().map(|field| &field.ty);
    match fields {
        [field] => field.ty.clone(),
        _ => syn::parse_quote!((#(#types),*)),
    }
}

/// Writes the fields one after another, which is how a tuple of them would be written.
fn encode(view: &View<'_>, fields: &[&Field], row: &TokenStream) -> TokenStream {
    let krate = &view.krate;
    let writes = fields.iter().map(|field| {
        let (ident, ty) = (&field.ident, &field.ty);
        quote!(<#ty as #krate::ViewKey>::encode(&#row.#ident, __bytes);)
    });
    quote!(#(#writes)*)
}

/// The fields as they are written, with what serde is told about them.
fn form(view: &View<'_>) -> String {
    let mut form = serde(&view.input.attrs);
    for (i, field) in view.fields.iter().enumerate() {
        if i > 0 {
            form.push_str(", ");
        }
        form.push_str(&serde(&field.attrs));
        form.push_str(&source::line(field.ident.to_token_stream()));
        form.push_str(": ");
        form.push_str(&source::line(field.ty.to_token_stream()));
    }
    form
}

fn serde(attrs: &[Attribute]) -> String {
    let attrs = attrs.iter().filter(|attr| attr.path().is_ident("serde"));
    attrs
        .map(|attr| format!("#[{}] ", source::line(attr.meta.to_token_stream())))
        .collect()
}

/// The functions that select rows by an index.
fn selections(view: &View<'_>) -> TokenStream {
    let ident = &view.input.ident;
    let (parameters, arguments, bounds) = view.input.generics.split_for_impl();
    if view.indexes.is_empty() {
        return TokenStream::new();
    }
    let functions = view
        .indexes
        .iter()
        .enumerate()
        .map(|(number, index)| match &index.fields {
            Checked::Good(fields) if view.input.generics.params.is_empty() => {
                selections_of(view, number, index, fields)
            }
            _ => fallback::selections_of(view, index),
        });
    // Not in a const without a name, as people read and follow these.
    quote! {
        #[automatically_derived]
        #[allow(
            dead_code,
            private_bounds,
            private_interfaces,
            unused_qualifications,
            clippy::absolute_paths
        )]
        impl #parameters #ident #arguments #bounds {
            #(#functions)*
        }
    }
}

fn selections_of(
    view: &View<'_>,
    number: usize,
    index: &Index<'_>,
    fields: &[&Field],
) -> TokenStream {
    let View { input, krate, .. } = view;
    let private = private(krate);
    let (vis, ty) = (&input.vis, value_type(fields));
    let ident = &index.ident;
    let names: Vec<_> = fields.iter().map(|field| valid::name_of(field)).collect();
    let what = names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let by = format_ident!("by_{ident}");
    let doc = if index.unique {
        format!("The row with this {what}, if there is one.")
    } else {
        format!("The rows with this {what}, in the order of their keys.")
    };
    let equal = quote! {
        #[doc = #doc]
        #vis fn #by(value: impl #krate::view::KeyOf<#ty>) -> #krate::Select<Self> {
            #krate::Select::__equal::<#ty>(#number, value)
        }
    };
    let ordered = index.ordered.then(|| {
        let (by_range, in_order) = (
            format_ident!("by_{ident}_range"),
            format_ident!("ordered_by_{ident}"),
        );
        let doc_range = format!("The rows whose {what} is in a range, in its order.");
        let doc_order = format!("All rows, in the order of {what}.");
        quote! {
            #[doc = #doc_range]
            #vis fn #by_range(range: impl #private::RangeBounds<#ty>) -> #krate::Select<Self> {
                #krate::Select::__range::<#ty>(#number, range)
            }

            #[doc = #doc_order]
            #vis fn #in_order() -> #krate::Select<Self> {
                #krate::Select::__in_order(#number)
            }
        }
    });
    quote!(#equal #ordered)
}
