//! `#[midgard::event(..)]`: the derives of an event, and its attribute, in one line.

use super::private;
use crate::attr;
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{DeriveInput, Path, Token};

/// What an event needs, by the last name of the path of its derive.
const STANDARD: [&str; 2] = ["Debug", "Clone"];
const SERDE: [&str; 2] = ["Serialize", "Deserialize"];

pub(crate) fn expand(arguments: &TokenStream, item: &TokenStream) -> syn::Result<TokenStream> {
    let input = syn::parse2::<DeriveInput>(item.clone())?;
    let krate = attr::crate_of(arguments);
    let private = private(&krate);
    let derived = derived(&input);
    let is_missing = |name: &&str| !derived.iter().any(|one| one == name);
    let ident = |name| Ident::new(name, proc_macro2::Span::call_site());
    let standard = STANDARD.into_iter().filter(is_missing).map(ident);
    let serde: Vec<_> = SERDE.into_iter().filter(is_missing).map(ident).collect();
    // The program may have no serde of its own. Where it derives one of the two, the path is its own too.
    let path = (serde.len() == SERDE.len()).then(|| {
        let path = quote!(#private::serde).to_string().replace(' ', "");
        quote!(#[serde(crate = #path)])
    });
    Ok(quote! {
        #[derive(#(#private::#standard,)* #(#private::serde::#serde,)* #krate::Event)]
        #path
        #[event(#arguments)]
        #item
    })
}

/// The names of what is derived below the attribute.
fn derived(input: &DeriveInput) -> Vec<Ident> {
    let derives = input
        .attrs
        .iter()
        .filter(|attr| attr.path().is_ident("derive"));
    let paths = derives.filter_map(|attr| {
        let list = Punctuated::<Path, Token![,]>::parse_terminated;
        list.parse2(attr.meta.require_list().ok()?.tokens.clone())
            .ok()
    });
    let names = paths.flatten();
    names
        .filter_map(|path| path.segments.last().map(|last| last.ident.clone()))
        .collect()
}
