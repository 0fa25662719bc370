use crate::attr;
use crate::ctxt::Ctxt;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::new();
    let attrs = attr::event(&cx, &input.attrs);
    let ident = &input.ident;

    if !matches!(input.data, Data::Struct(_)) {
        cx.error(
            ident,
            "an event is a struct; for an enum of events use `#[derive(EventSet)]`",
        );
    }
    if !input.generics.params.is_empty() {
        cx.error(
            &input.generics,
            "an event cannot be generic: one stored name must stand for exactly one type",
        );
    }
    if attrs.name.is_none() {
        cx.error(
            ident,
            format_args!(
                "missing event name: add `#[event(name = \"{}\")]`; it is written to the store, \
                 so it is never taken from the type",
                suggest(&ident.to_string())
            ),
        );
    }
    if let Some(name) = &attrs.name {
        let ok =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
        if name.value().is_empty() || !name.value().chars().all(ok) {
            cx.error(
                name,
                "an event name is made of `a-z`, `0-9`, `.`, `-` and `_`",
            );
        }
    }
    if attrs.version > 1 && attrs.upcast_from.is_none() {
        cx.error(
            ident,
            format_args!(
                "event version {} has no `upcast_from`: version {} in the store could not be read",
                attrs.version,
                attrs.version - 1
            ),
        );
    }
    if let Err(errors) = cx.check() {
        return fallback(input, &attrs, &errors);
    }

    let krate = &attrs.krate;
    let private = attr::private(krate);
    let (name, version) = (&attrs.name, attrs.version);
    let type_name = ident.to_string();

    let (previous, older, checks) = match &attrs.upcast_from {
        None => (
            quote!(#private::None),
            quote!(#private::Err(#private::unknown_version::<Self, __D>(version))),
            quote!(),
        ),
        Some(prev) => (
            quote!(#private::Some(<#prev as #krate::Event>::DESCRIPTOR)),
            quote!(#private::upcast::<#prev, Self, __D>(version, deserializer)),
            // Not `const _: () = assert!(..)`: rustc puts a const panic at the derive, but a trait
            // error at `prev`.
            quote! {
                const _: fn() = || {
                    #private::precedes::<#prev, #ident,
                        { <#prev as #krate::Event>::VERSION + 1 == #version }>();
                    #private::same_name::<#prev, #ident,
                        { #private::str_eq(<#prev as #krate::Event>::NAME, #name) }>();
                };
            },
        ),
    };

    quote! {
        const _: () = {

            #[automatically_derived]
            impl #krate::Event for #ident {
                const NAME: &'static #private::str = #name;
                const VERSION: #private::u32 = #version;
                const DESCRIPTOR: &'static #krate::EventDescriptor = &#krate::EventDescriptor::new::<Self>(
                    #private::concat!(#private::module_path!(), "::", #type_name),
                    #previous,
                );

                fn deserialize_version<'de, __D>(
                    version: #private::u32,
                    deserializer: __D,
                ) -> #private::Result<Self, __D::Error>
                where
                    __D: #private::Deserializer<'de>,
                {
                    if version == #version {
                        #private::current::<Self, __D>(deserializer)
                    } else {
                        #older
                    }
                }
            }

            #checks

            #private::inventory::submit! {
                #private::Registration(<#ident as #krate::Event>::DESCRIPTOR)
            }
        };
    }
}

/// After an attribute error, still implement the traits: one mistake, one error.
fn fallback(input: &DeriveInput, attrs: &attr::EventAttrs, errors: &TokenStream) -> TokenStream {
    if !input.generics.params.is_empty() {
        return errors.clone();
    }
    let (krate, private, ident) = (&attrs.krate, attr::private(&attrs.krate), &input.ident);
    quote! {
        #errors

        #[automatically_derived]
        impl #krate::Event for #ident {
            const NAME: &'static #private::str = #private::module_path!();
            const VERSION: #private::u32 = 1;
            const DESCRIPTOR: &'static #krate::EventDescriptor =
                &#krate::EventDescriptor::new::<Self>("error", #private::None);
            fn deserialize_version<'de, __D>(_: #private::u32, _: __D) -> #private::Result<Self, __D::Error>
            where __D: #private::Deserializer<'de> { ::core::unreachable!() }
        }
    }
}

/// `UserCreated` -> `user.created`.
fn suggest(ident: &str) -> String {
    let mut out = String::new();
    for c in ident.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('.');
        }
        out.extend(c.to_lowercase());
    }
    out
}
