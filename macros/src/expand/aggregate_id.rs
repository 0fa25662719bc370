//! `#[derive(AggregateId)]`.

use super::{anonymous, private};
use crate::ctxt::Ctxt;
use crate::valid::{self, AggregateId};
use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let id = valid::aggregate_id(&cx, input);
    let code = if id.inner.is_some() || input.generics.params.is_empty() {
        impls(&id)
    } else {
        // Refused, and nothing that names it without its parameters would compile.
        TokenStream::new()
    };
    let errors = cx.into_tokens();
    quote!(#errors #code)
}

/// A newtype is written, read, printed and sorted as what it holds; after a mistake, as nothing.
fn impls(id: &AggregateId<'_>) -> TokenStream {
    let AggregateId {
        input,
        krate,
        inner,
    } = id;
    let private = private(krate);
    let ident = &input.ident;
    let Some((member, ty)) = inner else {
        return refused(id);
    };
    anonymous(&quote! {
        #[automatically_derived]
        impl #private::Display for #ident {
            fn fmt(&self, __f: &mut #private::Formatter<'_>) -> #private::fmt::Result {
                <#ty as #private::Display>::fmt(&self.#member, __f)
            }
        }

        #[automatically_derived]
        impl #private::FromStr for #ident {
            type Err = <#ty as #private::FromStr>::Err;

            fn from_str(__text: &#private::str) -> #private::Result<Self, Self::Err> {
                <#ty as #private::FromStr>::from_str(__text).map(|__inner| #ident { #member: __inner })
            }
        }

        #[automatically_derived]
        impl #private::Serialize for #ident {
            fn serialize<__S>(&self, __serializer: __S) -> #private::Result<__S::Ok, __S::Error>
            where
                __S: #private::Serializer,
            {
                <#ty as #private::Serialize>::serialize(&self.#member, __serializer)
            }
        }

        #[automatically_derived]
        impl<'__de> #private::Deserialize<'__de> for #ident {
            fn deserialize<__D>(__deserializer: __D) -> #private::Result<Self, __D::Error>
            where
                __D: #private::Deserializer<'__de>,
            {
                <#ty as #private::Deserialize<'__de>>::deserialize(__deserializer)
                    .map(|__inner| #ident { #member: __inner })
            }
        }

        // With a lifetime in the bound, rustc asks for it where it is used: what it holds may be no key of views.
        #[automatically_derived]
        impl #krate::ViewKey for #ident
        where
            for<'__any> #ty: #krate::ViewKey,
        {
            fn describe(__form: &mut #private::String) {
                <#ty as #krate::ViewKey>::describe(__form);
            }

            fn encode(&self, __bytes: &mut #krate::view::KeyBytes) {
                <#ty as #krate::ViewKey>::encode(&self.#member, __bytes);
            }

            const __IS_OPTIONAL: #private::bool = <#ty as #krate::ViewKey>::__IS_OPTIONAL;
        }
    })
}

/// The impls after a mistake, so that it stays the only error.
fn refused(id: &AggregateId<'_>) -> TokenStream {
    let private = private(&id.krate);
    let (krate, ident) = (&id.krate, &id.input.ident);
    anonymous(&quote! {
        #[automatically_derived]
        impl #private::Display for #ident {
            fn fmt(&self, _: &mut #private::Formatter<'_>) -> #private::fmt::Result {
                #private::refused()
            }
        }

        #[automatically_derived]
        impl #private::FromStr for #ident {
            type Err = #private::fmt::Error;

            fn from_str(_: &#private::str) -> #private::Result<Self, Self::Err> {
                #private::refused()
            }
        }

        #[automatically_derived]
        impl #private::Serialize for #ident {
            fn serialize<__S: #private::Serializer>(
                &self,
                _: __S,
            ) -> #private::Result<__S::Ok, __S::Error> {
                #private::refused()
            }
        }

        #[automatically_derived]
        impl<'__de> #private::Deserialize<'__de> for #ident {
            fn deserialize<__D: #private::Deserializer<'__de>>(
                _: __D,
            ) -> #private::Result<Self, __D::Error> {
                #private::refused()
            }
        }

        #[automatically_derived]
        impl #krate::ViewKey for #ident {
            fn describe(_: &mut #private::String) {}

            fn encode(&self, _: &mut #krate::view::KeyBytes) {}
        }
    })
}
