//! `#[derive(ViewKey)]`.

use super::fallback::header;
use super::{anonymous, private, respanned};
use crate::ctxt::Ctxt;
use crate::valid::{self, Form, ViewKey};
use proc_macro2::{Delimiter, Group, Literal, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{DeriveInput, Member, Path, Type, Variant};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let key = valid::view_key(&cx, input);
    let code = if key.sound {
        impls(&key)
    } else {
        fallback(&key)
    };
    let errors = cx.into_tokens();
    quote!(#errors #code)
}

fn impls(key: &ViewKey<'_>) -> TokenStream {
    let ViewKey {
        input, krate, form, ..
    } = key;
    let private = private(krate);
    let ident = &input.ident;
    let (describe, column, encode, check) = match form {
        Form::Fields(fields) => (
            describe_fields(krate, fields, "describe"),
            Some(describe_fields(krate, fields, "column")),
            encode_fields(krate, fields),
            TokenStream::new(),
        ),
        Form::Variants(variants) => (
            describe_variants(krate, variants),
            None,
            encode_variants(krate, variants),
            check_numbers(key, variants),
        ),
    };
    let column = column.map(|column| {
        quote! {
            fn column(__form: &mut #private::String) {
                #column
            }
        }
    });
    let is_optional = match form {
        Form::Fields(fields) => match fields.as_slice() {
            [(_, ty)] => Some(quote! {
                const __IS_OPTIONAL: #private::bool = <#ty as #krate::ViewKey>::__IS_OPTIONAL;
            }),
            _ => None,
        },
        Form::Variants(_) => None,
    };
    anonymous(&quote! {
        #[automatically_derived]
        impl #krate::ViewKey for #ident {
            fn describe(__form: &mut #private::String) {
                #describe
            }

            fn encode(&self, __bytes: &mut #krate::view::KeyBytes) {
                #encode
            }

            #column

            #is_optional
        }

        #check
    })
}

/// What stands in for the impls after a mistake.
fn fallback(key: &ViewKey<'_>) -> TokenStream {
    let krate = &key.krate;
    let private = private(krate);
    let header = header(
        &quote!(#krate::ViewKey),
        &quote!(#private::Send + #private::Sync + 'static),
        &key.input.ident,
        &key.input.generics,
    );
    quote! {
        #[automatically_derived]
        #header {
            fn describe(_: &mut #private::String) {}

            fn encode(&self, _: &mut #krate::view::KeyBytes) {}
        }
    }
}

/// A newtype is described as what it holds, and several fields as a tuple.
fn describe_fields(krate: &Path, fields: &[(Member, &Type)], function: &str) -> TokenStream {
    match fields {
        [(_, ty)] => {
            let function = format_ident!("{function}");
            quote!(<#ty as #krate::ViewKey>::#function(__form);)
        }
        _ => describe_tuple(krate, fields.iter().map(|(_, ty)| *ty), function),
    }
}

/// Describes a tuple of these types, with a function of `ViewKey`: `describe` or `column`.
pub(crate) fn describe_tuple<'a>(
    krate: &Path,
    types: impl Iterator<Item = &'a Type>,
    function: &str,
) -> TokenStream {
    let (private, function) = (private(krate), format_ident!("{function}"));
    let describes = types.enumerate().map(|(i, ty)| {
        let before = if i == 0 { "(" } else { ", " };
        quote! {
            #private::String::push_str(__form, #before);
            <#ty as #krate::ViewKey>::#function(__form);
        }
    });
    quote! {
        #(#describes)*
        #private::String::push_str(__form, ")");
    }
}

fn encode_fields(krate: &Path, fields: &[(Member, &Type)]) -> TokenStream {
    fields
        .iter()
        .map(|(member, ty)| quote!(<#ty as #krate::ViewKey>::encode(&self.#member, __bytes);))
        .collect()
}

fn describe_variants(krate: &Path, variants: &[&Variant]) -> TokenStream {
    let private = private(krate);
    let names: Vec<_> = variants
        .iter()
        .map(|variant| variant.ident.unraw().to_string())
        .collect();
    let form = format!("one of {}", names.join("|"));
    quote!(#private::String::push_str(__form, #form);)
}

/// The number of the variant in one byte, or in two where there are more than one can count.
fn encode_variants(krate: &Path, variants: &[&Variant]) -> TokenStream {
    let is_wide = variants.len() > 256;
    let idents = variants.iter().map(|variant| &variant.ident);
    let numbers = (0_u16..).map(|number| match u8::try_from(number) {
        Ok(number) if !is_wide => Literal::u8_suffixed(number),
        _ => Literal::u16_suffixed(number),
    });
    let arms = idents
        .zip(numbers)
        .map(|(ident, number)| quote!(Self::#ident => #number,));
    let number = if is_wide { quote!(u16) } else { quote!(u8) };
    let private = private(krate);
    quote! {
        let __number: #private::#number = match self { #(#arms)* };
        <#private::#number as #krate::ViewKey>::encode(&__number, __bytes);
    }
}

/// Where variants have numbers of their own, Rust sorts by these, and so must not sort otherwise.
fn check_numbers(key: &ViewKey<'_>, variants: &[&Variant]) -> TokenStream {
    let private = private(&key.krate);
    let ident = &key.input.ident;
    let pairs = variants.iter().zip(variants.iter().skip(1));
    pairs
        .filter(|(_, next)| next.discriminant.is_some())
        .map(|(one, next)| {
            let (one, next) = (&one.ident, &next.ident);
            let check = respanned(&quote!(#private::assert_in_order), next.span());
            let mut arguments = Group::new(
                Delimiter::Parenthesis,
                quote!((#ident::#one as #private::i128) < (#ident::#next as #private::i128)),
            );
            arguments.set_span(next.span());
            quote!(const _: () = #check #arguments;)
        })
        .collect()
}
