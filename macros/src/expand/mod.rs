//! Code from what was found to be right.
//!
//! Generated code names only `#krate::..` and `#krate::__private::..`, and its own names begin with
//! two underscores, so that nothing that a program calls `Option` or `event` can get in its way.

pub(crate) mod aggregate;
pub(crate) mod aggregate_id;
pub(crate) mod decision_model;
pub(crate) mod event;
pub(crate) mod event_set;
mod fallback;
pub(crate) mod inbox;
mod listed;
pub(crate) mod methods;
pub(crate) mod one_line;
pub(crate) mod process_manager;
pub(crate) mod projection;
pub(crate) mod remote_command;
mod versions;
pub(crate) mod view;
pub(crate) mod view_key;

use crate::valid::MessageKey;
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Path, Token, Type};

/// The module of the facade that generated code goes through.
pub(crate) fn private(krate: &Path) -> TokenStream {
    quote!(#krate::__private)
}

/// Puts items where their names are nobody's business, and lints that are about style away.
fn anonymous(items: &TokenStream) -> TokenStream {
    quote! {
        #[doc(hidden)]
        #[allow(unused_qualifications, clippy::absolute_paths)]
        const _: () = { #items };
    }
}

/// The call of a handler of one of the listed types, as in `<Self as Project<E>>::project(..)`.
///
/// As of an aggregate: rustc blames `Self` for a missing handler, and go-to-definition on the type also
/// finds it. Within an async function it blames the call as well; both are one error where the
/// call begins and ends in the same place.
fn handled(handler: &TokenStream, ty: &Type, method: &str, arguments: TokenStream) -> TokenStream {
    let span = ty.span();
    let (open, close) = (Token![<](span), Token![>](span));
    let (this, method) = (Token![Self](span), Ident::new(method, span));
    let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
    arguments.set_span(span);
    quote!(#open #this as #handler<#ty> #close ::#method #arguments)
}

/// The call of a function of a listed event or set, as in `<E as EventSet>::__take(..)`. It begins and ends where the
/// type stands, as of a handler.
fn of_set(krate: &Path, ty: &Type, method: &str, arguments: TokenStream) -> TokenStream {
    let span = ty.span();
    let (open, close) = (Token![<](span), Token![>](span));
    let method = Ident::new(method, span);
    let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
    arguments.set_span(span);
    quote!(#open #ty as #krate::EventSet #close ::#method #arguments)
}

/// The function that gives the key of a message. As of a tag, the trait finds out what an `Option` is.
fn message_key(key: Option<&MessageKey<'_>>, private: &TokenStream) -> TokenStream {
    let key = match key {
        None => quote!(#private::None),
        Some(MessageKey { member, ty }) => {
            let of = quote_spanned!(ty.span()=> #private::KeyValue<_>);
            quote!(<#ty as #of>::key(&self.#member))
        }
    };
    quote! {
        fn key(&self) -> #private::Option<#private::Cow<'_, #private::str>> {
            #key
        }
    }
}

/// The same tokens, at another place: the panic of a const lands where its call begins and ends.
fn respanned(tokens: &TokenStream, span: Span) -> TokenStream {
    let tokens = tokens.clone().into_iter();
    tokens
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}
