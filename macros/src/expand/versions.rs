//! What reads the versions of a payload, one step at a time, and holds each to the one before it.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::Path;

/// A type that has versions, and the trait that knows those before it.
pub(super) struct Versions<'a> {
    pub(super) ident: &'a Ident,
    pub(super) private: &'a TokenStream,
    /// `OneEvent` or `OneCommand`.
    pub(super) one: &'a TokenStream,
    pub(super) name: &'a str,
    pub(super) version: u32,
    pub(super) upcast_from: Option<&'a Path>,
}

impl Versions<'_> {
    /// Reads `__version` from `__deserializer`: its own by `current`, and an older one by way of the version before.
    pub(super) fn read(&self, current: &TokenStream) -> TokenStream {
        let Versions {
            private,
            one,
            name,
            version,
            upcast_from,
            ..
        } = self;
        let older = match upcast_from {
            None => quote!(#private::Err(#private::unknown_version::<__D>(#name, __version))),
            Some(previous) => quote! {
                match <#previous as #one>::read(__version, __deserializer) {
                    #private::Ok(__old) => {
                        #private::Ok(<#previous as #private::UpcastTo<Self>>::upcast(__old))
                    }
                    #private::Err(__error) => #private::Err(__error),
                }
            },
        };
        quote! {
            if __version == #version {
                #current
            } else {
                #older
            }
        }
    }

    /// Holds the version before to the same name and the number before.
    ///
    /// Not `assert!` in a const: rustc puts the panic of a const at the derive, but the error of a trait at
    /// the type that does not implement it, which is the path in `upcast_from`.
    pub(super) fn checks(&self) -> Option<TokenStream> {
        let Versions {
            ident,
            private,
            one,
            name,
            version,
            upcast_from,
        } = self;
        let previous = (*upcast_from)?;
        let before = version.saturating_sub(1);
        let of = quote!(<#previous as #one>);
        Some(quote! {
            const _: () = <#previous as #private::Precedes<
                #ident,
                { #private::is_version(#of::VERSION, #before) },
            >>::HOLDS;
            const _: () = <#previous as #private::SameName<
                #ident,
                { #private::is_name(#of::NAME, #name) },
            >>::HOLDS;
        })
    }
}
