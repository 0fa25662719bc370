//! `#[derive(EventSet)]`, and the same for the enum that `#[derive(Aggregate)]` generates.

use super::fallback::header;
use super::{anonymous, private};
use crate::attr::Variant;
use crate::ctxt::Ctxt;
use crate::valid::{self, EventSet};
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{DeriveInput, Path};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let set = valid::event_set(&cx, input);
    let code = if set.sound {
        impls(&input.ident, &set.variants, &set.krate)
    } else {
        fallback(&set)
    };
    let errors = cx.into_tokens();
    quote!(#errors #code)
}

pub(crate) fn impls(ident: &Ident, variants: &[Variant], krate: &Path) -> TokenStream {
    let private = private(krate);
    let set = set(ident, variants, krate);
    let conversions = conversions(ident, variants, variants.len() == 1, &private);
    let len = variants.len();
    // One const finds all repeated names: a bound for each pair would cost quadratic compile time.
    // What the const found becomes a trait error, as that lands on the event's tokens; a panic in a
    // const would land on the derive.
    let distinct = variants.iter().enumerate().map(|(i, variant)| {
        let ty = &variant.ty;
        quote! {
            <#ty as #private::Distinct<#ident, { __DISTINCT[#i] }>>::HOLDS;
        }
    });
    let types = variants.iter().map(|variant| &variant.ty);
    anonymous(&quote! {
        #set

        #[automatically_derived]
        impl #private::Serialize for #ident {
            fn serialize<__S>(&self, __serializer: __S) -> #private::Result<__S::Ok, __S::Error>
            where
                __S: #private::Serializer,
            {
                #private::serialize_tagged(self, __serializer)
            }
        }

        #[automatically_derived]
        impl<'__de> #private::Deserialize<'__de> for #ident {
            fn deserialize<__D>(__deserializer: __D) -> #private::Result<Self, __D::Error>
            where
                __D: #private::Deserializer<'__de>,
            {
                #private::deserialize_tagged(__deserializer)
            }
        }

        #conversions

        const __DISTINCT: [#private::bool; #len] =
            #private::distinct_names::<#len, __LEN>(&[#(<#types as #krate::EventSet>::DESCRIPTORS),*]);
        const _: () = { #(#distinct)* };
    })
}

/// What stands in for the impls after a mistake.
fn fallback(set: &EventSet<'_>) -> TokenStream {
    let krate = &set.krate;
    let private = private(krate);
    let ident = &set.input.ident;
    let conversions = set
        .input
        .generics
        .params
        .is_empty()
        .then(|| conversions(ident, &set.variants, false, &private));
    let header = header(
        &quote!(#krate::EventSet),
        &quote!(#private::Send + #private::Sync + 'static),
        ident,
        &set.input.generics,
    );
    quote! {
        #[automatically_derived]
        #header {
            const DESCRIPTORS: &'static [&'static #krate::event::EventDescriptor] = &[];

            fn descriptor(&self) -> &'static #krate::event::EventDescriptor {
                #private::refused()
            }

            fn serialize_payload<__S>(&self, _: __S) -> #private::Result<__S::Ok, __S::Error>
            where
                __S: #private::Serializer,
            {
                #private::refused()
            }

            fn __from_any(_: #private::AnyBox) -> #private::Result<Self, #private::AnyBox> {
                #private::refused()
            }

            fn deserialize_payload<'__de, __D>(
                _: &#krate::event::UpcastContext<'_>,
                _: __D,
            ) -> #private::Result<#krate::event::Decoded<Self>, __D::Error>
            where
                __D: #private::Deserializer<'__de>,
            {
                #private::refused()
            }

            fn collect_tags(&self, _: &mut #krate::event::Tags) {}

            fn __fmt(&self, _: &mut #private::Formatter<'_>) -> #private::fmt::Result {
                #private::refused()
            }

            fn __clone(&self) -> Self {
                #private::refused()
            }
        }
        #conversions
    }
}

fn set(ident: &Ident, variants: &[Variant], krate: &Path) -> TokenStream {
    let private = private(krate);
    let idents: Vec<_> = variants.iter().map(|variant| &variant.ident).collect();
    let sets: Vec<_> = variants
        .iter()
        .map(|Variant { ty, .. }| quote!(<#ty as #krate::EventSet>))
        .collect();
    quote! {
        const __LEN: #private::usize = 0 #(+ #sets::DESCRIPTORS.len())*;

        #[automatically_derived]
        impl #krate::EventSet for #ident {
            const DESCRIPTORS: &'static [&'static #krate::event::EventDescriptor] =
                &#private::concat_descriptors::<__LEN>(&[#(#sets::DESCRIPTORS),*]);

            fn descriptor(&self) -> &'static #krate::event::EventDescriptor {
                match self {
                    #(#ident::#idents(__event) => #sets::descriptor(__event),)*
                }
            }

            fn serialize_payload<__S>(
                &self,
                __serializer: __S,
            ) -> #private::Result<__S::Ok, __S::Error>
            where
                __S: #private::Serializer,
            {
                match self {
                    #(#ident::#idents(__event) => #sets::serialize_payload(__event, __serializer),)*
                }
            }

            fn deserialize_payload<'__de, __D>(
                __context: &#krate::event::UpcastContext<'_>,
                __deserializer: __D,
            ) -> #private::Result<#krate::event::Decoded<Self>, __D::Error>
            where
                __D: #private::Deserializer<'__de>,
            {
                #(
                    if #private::has(#sets::DESCRIPTORS, __context.name()) {
                        return match #sets::deserialize_payload(__context, __deserializer) {
                            #private::Ok(__events) => #private::Ok(__events.map(#ident::#idents)),
                            #private::Err(__error) => #private::Err(__error),
                        };
                    }
                )*
                #private::Err(#private::unknown_event::<__D>(__context.name()))
            }

            fn collect_tags(&self, __tags: &mut #krate::event::Tags) {
                match self {
                    #(#ident::#idents(__event) => #sets::collect_tags(__event, __tags),)*
                }
            }

            fn __fmt(&self, __f: &mut #private::Formatter<'_>) -> #private::fmt::Result {
                match self {
                    #(#ident::#idents(__event) => #sets::__fmt(__event, __f),)*
                }
            }

            fn __from_any(__event: #private::AnyBox) -> #private::Result<Self, #private::AnyBox> {
                #(
                    let __event = match #sets::__from_any(__event) {
                        #private::Ok(__event) => return #private::Ok(#ident::#idents(__event)),
                        #private::Err(__event) => __event,
                    };
                )*
                #private::Err(__event)
            }

            fn __clone(&self) -> Self {
                match self {
                    #(#ident::#idents(__event) => #ident::#idents(#sets::__clone(__event)),)*
                }
            }
        }
    }
}

/// `From` each member, and `TryFrom` back.
///
/// The only variant of an enum is always the right one, and a second arm would be unreachable.
fn conversions(
    ident: &Ident,
    variants: &[Variant],
    only_one: bool,
    private: &TokenStream,
) -> TokenStream {
    let other = (!only_one).then(|| quote!(__other => #private::Err(__other),));
    variants
        .iter()
        .map(|Variant { ident: variant, ty }| {
            quote! {
                #[automatically_derived]
                impl #private::From<#ty> for #ident {
                    fn from(__event: #ty) -> Self {
                        #ident::#variant(__event)
                    }
                }

                #[automatically_derived]
                impl #private::TryFrom<#ident> for #ty {
                    type Error = #ident;

                    fn try_from(__event: #ident) -> #private::Result<Self, #ident> {
                        match __event {
                            #ident::#variant(__event) => #private::Ok(__event),
                            #other
                        }
                    }
                }
            }
        })
        .collect()
}
