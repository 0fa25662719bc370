//! Code from what was found to be right.
//!
//! Generated code names only `#krate::..` and `#krate::__private::..`, and its own names begin with
//! two underscores, so that nothing that a program calls `Option` or `event` can get in its way.

pub(crate) mod aggregate;
pub(crate) mod event;
pub(crate) mod event_set;
pub(crate) mod projection;
pub(crate) mod view;
pub(crate) mod view_key;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Path;

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
