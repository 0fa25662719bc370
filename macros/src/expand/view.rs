//! `#[derive(View)]`.

use super::fallback::{error_type, header};
use super::{anonymous, private, view_key};
use crate::attr;
use crate::ctxt::Ctxt;
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
            let (row, selections) = (fallback(&cx, &view), selections(&view));
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
    let (describe_key, encode_key) = (describe(view, key, "describe"), encode(view, key));
    let (column_key, key_fields) = (describe(view, key, "column"), names(key));
    let write_key = write(view, key, &quote!(self));
    let indexes = view.indexes.iter().filter_map(|index| {
        let Checked::Good(fields) = &index.fields else {
            return None;
        };
        let (name, unique) = (&index.name, index.unique);
        let is_optional = match fields.as_slice() {
            [field] => {
                let ty = &field.ty;
                quote!(<#ty as #krate::ViewKey>::__IS_OPTIONAL)
            }
            _ => quote!(false),
        };
        let column = describe(view, fields, "column");
        let describe = describe(view, fields, "describe");
        let names = names(fields);
        let write = write(view, fields, &quote!(__row));
        Some(quote! {
            #krate::view::ViewIndex::__new(
                (#name, &[#(#names),*]),
                #unique,
                #is_optional,
                #describe,
                |__row: &Self, __bytes: &mut #krate::view::KeyBytes| { #write },
                #column,
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
            const KEY: #krate::view::KeyForm<#key_type> =
                #krate::view::KeyForm::__new(#describe_key, #encode_key, #column_key);
            const KEY_FIELDS: &'static [&'static #private::str] = &[#(#key_fields),*];

            fn encode_key(&self, __bytes: &mut #krate::view::KeyBytes) {
                #write_key
            }

            fn describe(__form: &mut #private::String) {
                #private::String::push_str(__form, #form);
            }
        }
    })
}

/// What stands in for the impl of a view without a key, or of one that is generic.
fn fallback(cx: &Ctxt, view: &View<'_>) -> TokenStream {
    let View { krate, name, .. } = view;
    let private = private(krate);
    let key = error_type(cx, krate);
    let header = header(
        &quote!(#krate::View),
        &quote!(#krate::view::ViewRow),
        &view.input.ident,
        &view.input.generics,
    );
    quote! {
        #[automatically_derived]
        #header {
            const NAME: &'static #private::str = #name;
            const INDEXES: &'static [#krate::view::ViewIndex<Self>] = &[];
            type Key = #key;
            const KEY: #krate::view::KeyForm<Self::Key> =
                #krate::view::KeyForm::__new(|_| {}, |_, _| {}, |_| {});

            fn encode_key(&self, _: &mut #krate::view::KeyBytes) {}

            fn describe(_: &mut #private::String) {}
        }
    }
}

// A field's type is only ever named as `<Type as ViewKey>::..`, even where it is a part of a tuple: all
// that rustc then has to say of a type that is no key is the same, in the same place, and so said once.

/// The type of one field, or the tuple of several.
fn value_type(fields: &[&Field]) -> Type {
    let types = fields.iter().map(|field| &field.ty);
    match fields {
        [field] => field.ty.clone(),
        _ => syn::parse_quote!((#(#types),*)),
    }
}

/// What describes the value of these fields, as `ViewKey::describe` or `ViewKey::column` of its type does.
fn describe(view: &View<'_>, fields: &[&Field], function: &str) -> TokenStream {
    let krate = &view.krate;
    if let [field] = fields {
        let (ty, function) = (&field.ty, format_ident!("{function}"));
        return quote!(<#ty as #krate::ViewKey>::#function);
    }
    let private = private(krate);
    let types = fields.iter().map(|field| &field.ty);
    let describes = view_key::describe_tuple(krate, types, function);
    quote!(|__form: &mut #private::String| { #describes })
}

fn names(fields: &[&Field]) -> Vec<String> {
    fields.iter().map(|field| valid::name_of(field)).collect()
}

/// What writes the value of these fields, as `ViewKey::encode` does.
fn encode(view: &View<'_>, fields: &[&Field]) -> TokenStream {
    let krate = &view.krate;
    if let [field] = fields {
        let ty = &field.ty;
        return quote!(<#ty as #krate::ViewKey>::encode);
    }
    let value_type = value_type(fields);
    let writes = fields.iter().enumerate().map(|(i, field)| {
        let (number, ty) = (syn::Index::from(i), &field.ty);
        quote!(<#ty as #krate::ViewKey>::encode(&__value.#number, __bytes);)
    });
    quote! {
        |__value: &#value_type, __bytes: &mut #krate::view::KeyBytes| { #(#writes)* }
    }
}

/// Writes the fields of a row one after another, which is how a tuple of them would be written.
fn write(view: &View<'_>, fields: &[&Field], row: &TokenStream) -> TokenStream {
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
        .map(|attr| source::line(attr.meta.to_token_stream()))
        // Where `#[midgard::view(..)]` finds serde: a view has one form, however its derives are written.
        .filter(|said| !said.ends_with("::__private::serde\")"))
        .map(|said| format!("#[{said}] "))
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
            _ => selections_after_a_mistake(view, index),
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
    let (vis, ty) = (&input.vis, value_type(fields));
    let encode = encode(view, fields);
    let (name, span) = (&index.name, index.ident.span());
    let names = names(fields);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let what = attr::list(&names);
    let by = format_ident!("by_{name}", span = span);
    let doc = if index.unique {
        format!("The row with this {what}, if there is one.")
    } else {
        format!("The rows with this {what}, in the order of their keys.")
    };
    let equal = quote! {
        #[doc = #doc]
        #vis fn #by(value: impl #krate::view::KeyOf<#ty>) -> #krate::view::Select<Self> {
            #krate::view::Select::__equal(#number, value, #encode)
        }
    };
    let ordered = index.ordered.then(|| {
        let (by_range, in_order) = (
            format_ident!("by_{name}_range", span = span),
            format_ident!("ordered_by_{name}", span = span),
        );
        let doc_range = format!("The rows whose {what} is in a range, in its order.");
        let doc_order = format!("All rows, in the order of {what}.");
        quote! {
            #[doc = #doc_range]
            #vis fn #by_range(range: impl #krate::view::RangeOf<#ty>) -> #krate::view::Select<Self> {
                #krate::view::Select::__range(#number, range, #encode)
            }

            #[doc = #doc_order]
            #vis fn #in_order() -> #krate::view::Select<Self> {
                #krate::view::Select::__in_order(#number)
            }
        }
    });
    quote!(#equal #ordered)
}

/// The functions of an index whose type is not known.
fn selections_after_a_mistake(view: &View<'_>, index: &Index<'_>) -> TokenStream {
    let View { input, krate, .. } = view;
    let private = private(krate);
    let (vis, name) = (&input.vis, &index.name);
    let names = [format_ident!("by_{name}"), format_ident!("by_{name}_range")];
    let names = names.iter().take(if index.ordered { 2 } else { 1 });
    let ordered = index.ordered.then(|| {
        let name = format_ident!("ordered_by_{name}");
        quote! {
            #[allow(missing_docs)]
            #vis fn #name() -> #krate::view::Select<Self> {
                #private::refused()
            }
        }
    });
    quote! {
        #(
            #[allow(missing_docs)]
            #vis fn #names<__T>(_: __T) -> #krate::view::Select<Self> {
                #private::refused()
            }
        )*
        #ordered
    }
}
