//! `#[derive(Projection)]`.

use super::fallback::{blanket_header, header};
use super::{anonymous, handled, listed, of_set, private, respanned};
use crate::ctxt::Ctxt;
use crate::valid::{self, Checked, Projection};
use proc_macro2::{Delimiter, Group, TokenStream};
use quote::{ToTokens as _, quote};
use syn::spanned::Spanned as _;
use syn::{DeriveInput, Type};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let projection = valid::projection(&cx, input);
    let code = match &projection.views {
        Checked::Good(views) if projection.sound => impls(&projection, views),
        _ => fallback(&projection),
    };
    let errors = cx.into_tokens();
    quote!(#errors #code)
}

fn impls(projection: &Projection<'_>, views: &[Type]) -> TokenStream {
    let Projection {
        input,
        krate,
        name,
        version,
        events,
        ..
    } = projection;
    let private = private(krate);
    let ident = &input.ident;
    let store = store(projection);
    let sets: Vec<_> = events
        .iter()
        .map(|ty| quote!(<#ty as #krate::EventSet>::DESCRIPTORS))
        .collect();
    let handlers = events.iter().map(|ty| {
        let handled = handled(
            &quote!(#krate::Project),
            ty,
            "project",
            quote!(self, __decoded, __context),
        );
        let take = of_set(krate, ty, "__take", quote!(&mut __reader));
        quote! {
            for __decoded in #take.map_err(|__reason| {
                #krate::projection::ProjectError::Decode(#private::unreadable(__event, __reason))
            })? {
                #handled.await.map_err(#krate::projection::ProjectError::Handler)?;
            }
        }
    });
    let definitions = match &projection.tables {
        Some(tables) => quote!(#tables()),
        None => quote!(#private::vec![#(<#views as #private::OneView>::definition()),*]),
    };
    let checks = checks(projection, views);
    // With no impl or a single one, rustc would not name the view that is meant where another one is used.
    let no_view = views
        .is_empty()
        .then(|| quote!(#private::NoView))
        .into_iter();
    let keeps = quote! {
        #(
            #[automatically_derived]
            impl #krate::projection::Keeps<#views> for #ident {}
        )*
        #(
            #[automatically_derived]
            impl #krate::projection::Keeps<#no_view> for #ident {}
        )*
        // That a reference is no view is said by `View` alone.
        #[automatically_derived]
        impl<__V> #krate::projection::Keeps<&__V> for #ident {}
    };
    let projects = listed::listings(ident, &quote!(#krate::projection::Projects), events.iter());
    anonymous(&quote! {
        const __LEN: #private::usize = 0 #(+ #sets.len())*;

        #[automatically_derived]
        impl #krate::Projection for #ident {
            const NAME: &'static #private::str = #name;
            const VERSION: #private::u32 = #version;
            const EVENTS: &'static [&'static #krate::event::EventDescriptor] =
                &#private::concat_descriptors::<__LEN>(&[#(#sets),*]);
            type Store = #store;

            fn views() -> #private::Vec<#krate::projection::ViewDefinition> {
                #definitions
            }

            async fn project_event(
                &self,
                __event: &#krate::event::RecordedEventRef<'_>,
                __context: &mut #krate::Context<'_, Self>,
            ) -> #private::Result<(), #krate::projection::ProjectError> {
                let mut __reader =
                    #private::read_recorded(__event, <Self as #krate::Projection>::EVENTS)?;
                loop {
                    #(#handlers)*
                    if !__reader.goes_on() {
                        return #private::Ok(());
                    }
                }
            }
        }

        #projects

        #keeps

        #checks
    })
}

/// What stands in for the impls after a mistake.
fn fallback(projection: &Projection<'_>) -> TokenStream {
    let Projection {
        input, krate, name, ..
    } = projection;
    let private = private(krate);
    let store = store(projection);
    let (ident, generics) = (&input.ident, &input.generics);
    let bound = quote!(#private::Send + #private::Sync + 'static);
    let this = header(&quote!(#krate::Projection), &bound, ident, generics);
    let keeps = blanket_header(&quote!(#krate::projection::Keeps), &bound, ident, generics);
    let projects = blanket_header(
        &quote!(#krate::projection::Projects),
        &bound,
        ident,
        generics,
    );
    quote! {
        #[automatically_derived]
        #this {
            const NAME: &'static #private::str = #name;
            const VERSION: #private::u32 = 1;
            const EVENTS: &'static [&'static #krate::event::EventDescriptor] = &[];
            type Store = #store;

            fn views() -> #private::Vec<#krate::projection::ViewDefinition> {
                #private::refused()
            }

            async fn project_event(
                &self,
                _: &#krate::event::RecordedEventRef<'_>,
                _: &mut #krate::Context<'_, Self>,
            ) -> #private::Result<(), #krate::projection::ProjectError> {
                #private::refused()
            }
        }

        #[automatically_derived]
        #projects {}

        #[automatically_derived]
        #keeps {}
    }
}

/// That no event is listed twice, also by way of a set, that nothing is missing of what is covered, and that each view has
/// a name of its own.
fn checks(projection: &Projection<'_>, views: &[Type]) -> TokenStream {
    let Projection {
        input,
        krate,
        events,
        ignore,
        covers,
        ..
    } = projection;
    let private = private(krate);
    let ident = &input.ident;
    let listed: Vec<_> = events.iter().chain(ignore).collect();
    let [handled, ignored] = [events, ignore].map(|list| {
        let list: Vec<_> = list.iter().collect();
        listed::sets(&list, krate)
    });
    let once = listed::events_once(ident, &listed, krate);
    let this = ident.to_string();
    let covered = covers.iter().map(|ty| {
        let name = valid::text(ty);
        let call = respanned(&quote!(#private::assert_covered), ty.span());
        let mut arguments = Group::new(
            Delimiter::Parenthesis,
            quote!(#this, #name, <#ty as #krate::EventSet>::DESCRIPTORS, __HANDLED, __IGNORED),
        );
        arguments.set_span(ty.span());
        quote!(const _: () = #call #arguments;)
    });
    let tables = listed::names_once(ident, views, ["OneView", "OneTable"], krate);
    quote! {
        const __HANDLED: &[&[&#krate::event::EventDescriptor]] = &[#(#handled),*];
        const __IGNORED: &[&[&#krate::event::EventDescriptor]] = &[#(#ignored),*];
        #once
        #(#covered)*
        #tables
    }
}

/// The place of the views.
fn store(projection: &Projection<'_>) -> TokenStream {
    match &projection.store {
        Some(store) => store.to_token_stream(),
        None => {
            let krate = &projection.krate;
            quote!(#krate::Views)
        }
    }
}
