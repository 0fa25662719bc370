//! Error accumulation: report every mistake in one compile, not only the first.

use proc_macro2::TokenStream;
use quote::ToTokens;
use std::cell::RefCell;
use std::fmt::Display;

/// Collects errors while a macro input is read.
#[derive(Default)]
pub(crate) struct Ctxt {
    errors: RefCell<Vec<syn::Error>>,
}

impl Ctxt {
    /// One mistake, underlined at the given tokens.
    pub(crate) fn error(&self, at: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(at, message));
    }

    pub(crate) fn push(&self, error: syn::Error) {
        self.errors.borrow_mut().push(error);
    }

    /// The number of mistakes so far.
    pub(crate) fn count(&self) -> usize {
        self.errors.borrow().len()
    }

    /// Takes one error out, for a place where it does more good than at the side.
    pub(crate) fn take(&self) -> Option<syn::Error> {
        self.errors.borrow_mut().pop()
    }

    /// All errors as `compile_error!` invocations; no tokens when there are none.
    pub(crate) fn into_tokens(self) -> TokenStream {
        let errors = self.errors.into_inner();
        errors.iter().map(syn::Error::to_compile_error).collect()
    }
}
