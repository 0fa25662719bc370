//! That nothing is listed twice, also by way of a set or under one name.
//!
//! One const finds all of it. What it found becomes a trait error, as that lands on the tokens of the entry; a
//! panic in a const would land on the derive.

use super::private;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{Path, Type};

/// The events that each entry stands for.
pub(super) fn sets(events: &[&Type], krate: &Path) -> Vec<TokenStream> {
    events
        .iter()
        .map(|ty| quote!(<#ty as #krate::EventSet>::DESCRIPTORS))
        .collect()
}

/// That each event is listed once.
pub(super) fn events_once(ident: &Ident, events: &[&Type], krate: &Path) -> TokenStream {
    let private = private(krate);
    let sets = sets(events, krate);
    let len = events.len();
    let once = events.iter().enumerate().map(|(i, ty)| {
        quote! {
            <#ty as #private::ListedOnce<#ident, { __LISTED_ONCE[#i] }>>::HOLDS;
        }
    });
    quote! {
        const __LISTED_ONCE: [#private::bool; #len] =
            #private::distinct_names::<#len, { 0 #(+ #sets.len())* }>(&[#(#sets),*]);
        const _: () = { #(#once)* };
    }
}

/// That each name is that of one entry. `of` is the trait that knows it, and `once` the one that says what is wrong.
pub(super) fn names_once(
    ident: &Ident,
    types: &[Type],
    [of, once]: [&str; 2],
    krate: &Path,
) -> Option<TokenStream> {
    if types.is_empty() {
        return None;
    }
    let private = private(krate);
    let [of, once] = [of, once].map(|name| {
        let name = format_ident!("{name}");
        quote!(#private::#name)
    });
    let len = types.len();
    let checks = types.iter().enumerate().map(|(i, ty)| {
        quote! {
            <#ty as #once<#ident, { __NAMED_ONCE[#i] }>>::HOLDS;
        }
    });
    Some(quote! {
        const _: () = {
            const __NAMED_ONCE: [#private::bool; #len] =
                #private::distinct_texts(&[#(<#types as #of>::NAME),*]);
            #(#checks)*
        };
    })
}

/// That the type lists each of these: an impl of `listing`, which the trait of their handlers asks for.
pub(super) fn listings<'a>(
    ident: &Ident,
    listing: &TokenStream,
    types: impl Iterator<Item = &'a Type>,
) -> TokenStream {
    types
        .map(|ty| {
            quote! {
                #[automatically_derived]
                impl #listing<#ty> for #ident {}
            }
        })
        .collect()
}
