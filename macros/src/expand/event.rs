//! `#[derive(Event)]`.

use super::fallback::{header, name_or_stand_in};
use super::versions::Versions;
use super::{anonymous, message_key, private, respanned};
use crate::ctxt::Ctxt;
use crate::valid::{self, Checked, Event, Payload, Tag};
use proc_macro2::{Delimiter, Group, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Path, Token};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let event = valid::event(&cx, input);
    let code = match (&event.name, &event.version) {
        (Checked::Good(name), Checked::Good(version)) if event.sound => {
            impls(&event, name, *version)
        }
        _ => fallback(&event),
    };
    let errors = cx.into_tokens();
    quote!(#errors #code)
}

fn impls(event: &Event<'_>, name: &str, version: u32) -> TokenStream {
    let (ident, krate) = (&event.input.ident, &event.krate);
    let private = private(krate);
    let type_name = format!("::{ident}");
    let previous = match &event.upcast_from {
        None => quote!(#private::None),
        Some(previous) => {
            quote!(#private::Some(<#previous as #private::OneEvent>::DESCRIPTOR))
        }
    };
    let versions = Versions {
        ident,
        private: &private,
        one: &quote!(#private::OneEvent),
        name,
        version,
        upcast_from: event.upcast_from.as_ref(),
    };
    let checks = versions.checks();
    let current = match &event.payload {
        Payload::Named(needed) => {
            let needed = needed.iter().map(|names| quote!(&[#(#names),*]));
            quote!(#private::by_name::<Self, __D, _>(&[#(#needed),*], __deserializer))
        }
        Payload::Other => quote!(#private::current::<Self, __D>(__deserializer)),
    };
    let read = read(event, version, name, &current);
    let split = split(event, name);
    let sources = (!event.split_from.is_empty()).then(|| {
        let sources = &event.split_from;
        quote!(.split_from(const { &[#(#krate::event::SplitSource::of::<#sources>()),*] }))
    });
    let described = described(&event.tags);
    let types = types_of_tags(event);
    let tags = tags(&event.tags, krate);
    let publish = publish(event);
    anonymous(&quote! {
        #[automatically_derived]
        impl #krate::Event for #ident {
            const NAME: &'static #private::str = #name;
            const VERSION: #private::u32 = #version;
            const DESCRIPTOR: &'static #krate::event::EventDescriptor =
                &#krate::event::EventDescriptor::new::<Self>(
                    #private::concat!(#private::module_path!(), #type_name),
                    #previous,
                )
                #sources
                #described;

            fn deserialize_version<'__de, __D>(
                __context: &#krate::event::UpcastContext<'_>,
                __deserializer: __D,
            ) -> #private::Result<#krate::event::Decoded<Self>, __D::Error>
            where
                __D: #private::Deserializer<'__de>,
            {
                #read
            }

            #tags
        }

        #types

        #publish

        #checks

        #split

        #private::inventory::submit! {
            #private::Registration(<#ident as #private::OneEvent>::DESCRIPTOR)
        }
    })
}

/// Reads `__deserializer` in the version of `__context`: its own by `current`, and an older one by way of the version before.
fn read(event: &Event<'_>, version: u32, name: &str, current: &TokenStream) -> TokenStream {
    let private = private(&event.krate);
    let version_of = quote!(__context.schema_version());
    let older = match &event.upcast_from {
        None => {
            quote!(#private::Err(#private::unknown_version::<__D>(#name, #version_of)))
        }
        Some(previous) => {
            let upcast = match &event.upcast_with {
                None => {
                    quote!(__old.map(|__old| <#previous as #private::UpcastTo<Self>>::upcast(__old)))
                }
                Some(function) => {
                    let span = function.span();
                    let call = respanned(&quote!(#private::upcast_with), span);
                    let arguments = quote!(__old, __context, #function);
                    let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
                    arguments.set_span(span);
                    // Where rustc says that the function returns something else.
                    let returned = Token![_](span);
                    quote!(#call::<#previous, Self, _, #returned> #arguments)
                }
            };
            quote! {
                match <#previous as #private::OneEvent>::read(__context, __deserializer) {
                    #private::Ok(__old) => #private::Ok(#upcast),
                    #private::Err(__error) => #private::Err(__error),
                }
            }
        }
    };
    quote! {
        if #version_of == #version {
            #current
        } else {
            #older
        }
    }
}

/// That it is read in the place of others, which have other names. An earlier version is not.
fn split(event: &Event<'_>, name: &str) -> TokenStream {
    let (ident, krate) = (&event.input.ident, &event.krate);
    let private = private(krate);
    let sources = &event.split_from;
    let moved = event.upcast_from.as_ref().map(|previous| {
        quote! {
            const _: () = <#previous as #private::SplitsNothing<
                #ident,
                { !#private::is_split(<#previous as #private::OneEvent>::DESCRIPTOR) },
            >>::HOLDS;
        }
    });
    quote! {
        #(
            #[automatically_derived]
            impl #krate::event::SplitFrom<#sources> for #ident {}

            const _: () = <#sources as #private::OtherName<
                #ident,
                { !#private::str_eq(<#sources as #private::OneEvent>::NAME, #name) },
            >>::HOLDS;
        )*
        #moved
    }
}

/// What stands in for the impls after a mistake.
fn fallback(event: &Event<'_>) -> TokenStream {
    let (ident, krate) = (&event.input.ident, &event.krate);
    let private = private(krate);
    if matches!(event.input.data, Data::Union(_)) {
        // Serde has no derive for it, so that an impl of `Event` would be the next error.
        return TokenStream::new();
    }
    // The checks of later versions know these stand-ins, and are content with them.
    let name = name_or_stand_in(&event.name, ident, &private);
    let version = match event.version {
        Checked::Good(version) => version,
        Checked::Bad => 0,
    };
    let bound = quote!(#krate::event::EventPayload);
    let generics = &event.input.generics;
    let publish = event.publish.as_ref().map(|_| {
        let header = header(&quote!(#krate::outbox::Publish), &bound, ident, generics);
        quote! {
            #[automatically_derived]
            #header {
                const HAS_KEY: #private::bool = false;

                fn key(&self) -> #private::Option<#private::Cow<'_, #private::str>> {
                    #private::refused()
                }
            }
        }
    });
    let header = header(&quote!(#krate::Event), &bound, ident, generics);
    // Whether it is read in the place of others is nobody's question then.
    let split_from = event.input.generics.params.is_empty().then(|| {
        let sources = &event.split_from;
        quote!(#(impl #krate::event::SplitFrom<#sources> for #ident {})*)
    });
    quote! {
        #publish

        #split_from

        #[automatically_derived]
        #header {
            const NAME: &'static #private::str = #name;
            const VERSION: #private::u32 = #version;
            const DESCRIPTOR: &'static #krate::event::EventDescriptor =
                &#krate::event::EventDescriptor::new::<Self>("", #private::None);

            fn deserialize_version<'__de, __D>(
                _: &#krate::event::UpcastContext<'_>,
                _: __D,
            ) -> #private::Result<#krate::event::Decoded<Self>, __D::Error>
            where
                __D: #private::Deserializer<'__de>,
            {
                #private::refused()
            }
        }
    }
}

/// That it may leave the service.
fn publish(event: &Event<'_>) -> Option<TokenStream> {
    let key = event.publish.as_ref()?.as_ref();
    let (ident, krate) = (&event.input.ident, &event.krate);
    let private = private(krate);
    let has_key = key.is_some();
    let key = message_key(key, &private);
    Some(quote! {
        #[automatically_derived]
        impl #krate::outbox::Publish for #ident {
            const HAS_KEY: #private::bool = #has_key;

            #key
        }
    })
}

/// Its tags, for decision models.
fn described(tags: &[Tag<'_>]) -> Option<TokenStream> {
    if tags.is_empty() {
        return None;
    }
    let tags = tags.iter().map(|Tag { key, ty, .. }| {
        let ty = valid::text(ty);
        quote!((#key, #ty))
    });
    Some(quote!(.tags(&[#(#tags),*])))
}

/// The types of its tags, which decision models compare with their own.
fn types_of_tags(event: &Event<'_>) -> TokenStream {
    let ident = &event.input.ident;
    let private = private(&event.krate);
    let types = event
        .tags
        .iter()
        .enumerate()
        .map(|(index, Tag { ty, .. })| {
            quote! {
                #[automatically_derived]
                impl #private::TagAt<#index> for #ident {
                    type Field = #ty;
                }
            }
        });
    types.collect()
}

/// The trait finds out what an `Option` is, so that an alias of it is one too. The field's type stands
/// in the place that rustc blames for a type that cannot be a tag.
fn tags(tags: &[Tag<'_>], krate: &Path) -> Option<TokenStream> {
    if tags.is_empty() {
        return None;
    }
    let private = private(krate);
    let pushes = tags.iter().map(|Tag { key, member, ty }| {
        let of = quote_spanned!(ty.span()=> #private::TagValue<_>);
        quote!(<#ty as #of>::push(&self.#member, #key, __tags);)
    });
    Some(quote! {
        fn collect_tags(&self, __tags: &mut #krate::event::Tags) {
            #(#pushes)*
        }
    })
}
