//! `#[derive(ViewKey)]`.

use super::{anonymous, private};
use crate::ctxt::Ctxt;
use crate::fallback;
use crate::valid::{self, Form, ViewKey};
use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::{DeriveInput, Member, Path, Type, Variant};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let key = valid::view_key(&cx, input);
    let code = if key.sound {
        impls(&key)
    } else {
        fallback::view_key(&key)
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
    let (describe, encode) = match form {
        Form::Fields(fields) => (describe_fields(krate, fields), encode_fields(krate, fields)),
        Form::Variants(variants) => (
            describe_variants(krate, variants),
            encode_variants(krate, variants),
        ),
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
        }
    })
}

/// A newtype is described as what it holds, and several fields as a tuple.
fn describe_fields(krate: &Path, fields: &[(Member, &Type)]) -> TokenStream {
    let ty = match fields {
        [(_, ty)] => quote!(#ty),
        _ => {
            let private = private(krate);
            let describes = fields.iter().enumerate().map(|(i, (_, ty))| {
                let before = if i == 0 { "(" } else { ", " };
                quote! {
                    #private::String::push_str(__form, #before);
                    <#ty as #krate::ViewKey>::describe(__form);
                }
            });
            return quote! {
                #(#describes)*
                #private::String::push_str(__form, ")");
            };
        }
    };
    quote!(<#ty as #krate::ViewKey>::describe(__form);)
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
