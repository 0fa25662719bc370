//! `#[derive(Projection)]`.

use super::{anonymous, private};
use crate::ctxt::Ctxt;
use crate::fallback;
use crate::valid::{self, Checked, Projection};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, quote};
use syn::spanned::Spanned as _;
use syn::{DeriveInput, Token, Type};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let projection = valid::projection(&cx, input);
    let code = match &projection.views {
        Checked::Good(views) if projection.sound => impls(&projection, views),
        _ => fallback::projection(&projection),
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
        ignore,
        covers,
        ..
    } = projection;
    let private = private(krate);
    let ident = &input.ident;
    let store = store(projection);
    let sets: Vec<_> = events
        .iter()
        .map(|ty| quote!(<#ty as #krate::EventSet>::DESCRIPTORS))
        .collect();
    let handlers = events.iter().zip(&sets).map(|(ty, set)| {
        // As of an aggregate: rustc blames `Self` for a missing `Project`, and go-to-definition on the
        // event also finds its handler.
        let (this, project) = (Token![Self](ty.span()), Ident::new("project", ty.span()));
        quote! {
            if #private::has(#set, __event.name) {
                return match __event.decode::<#ty>() {
                    #private::Ok(__decoded) => {
                        <#this as #krate::Project<#ty>>::#project(self, __decoded, __context)
                            .await
                            .map_err(#krate::projection::ProjectError::Handler)
                    }
                    #private::Err(__error) => {
                        #private::Err(#krate::projection::ProjectError::Decode(__error))
                    }
                };
            }
        }
    });
    anonymous(&quote! {
        const __LEN: #private::usize = 0 #(+ #sets.len())*;

        #[automatically_derived]
        impl #krate::Projection for #ident {
            const NAME: &'static #private::str = #name;
            const VERSION: #private::u32 = #version;
            const EVENTS: &'static [&'static #krate::EventDescriptor] =
                &#private::concat_descriptors::<__LEN>(&[#(#sets),*]);
            type Store = #store;

            fn views() -> #private::Vec<#krate::view::ViewDefinition> {
                #private::vec![#(#krate::view::ViewDefinition::of::<#views>()),*]
            }

            async fn project_event(
                &self,
                __event: &#krate::RecordedEventRef<'_>,
                __context: &mut #krate::Context<'_, Self>,
            ) -> #private::Result<(), #krate::projection::ProjectError> {
                #(#handlers)*
                #private::Ok(())
            }
        }

        #(
            #[automatically_derived]
            impl #krate::projection::Keeps<#views> for #ident {}
        )*
    })
}

/// The place of the views.
pub(crate) fn store(projection: &Projection<'_>) -> TokenStream {
    match &projection.store {
        Some(store) => store.to_token_stream(),
        None => {
            let krate = &projection.krate;
            quote!(#krate::Views)
        }
    }
}
