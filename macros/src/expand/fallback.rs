//! Parts of what is generated after a mistake has been reported: impls that let the rest of the program
//! compile, so that one mistake is one error. Each derive has its own beside its impls.

use super::private;
use crate::ctxt::Ctxt;
use crate::valid::Checked;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Generics, Ident, Path};

/// `impl<..> #implemented for Ident<..>`, also for the generic type that was just refused.
///
/// What the trait asks of a generic type is put into the impl's own bounds: whether it holds is
/// nobody's question any more.
pub(super) fn header(
    implemented: &TokenStream,
    bound: &TokenStream,
    ident: &Ident,
    generics: &Generics,
) -> TokenStream {
    if generics.params.is_empty() {
        return quote!(impl #implemented for #ident);
    }
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let bounds = bounds.map(|bounds| {
        let predicates = &bounds.predicates;
        quote!(#predicates,)
    });
    quote!(impl #parameters #implemented for #ident #arguments where #bounds Self: #bound)
}

/// The name, or one that no other type has and the checks know.
pub(super) fn name_or_stand_in(
    name: &Checked<String>,
    ident: &Ident,
    private: &TokenStream,
) -> TokenStream {
    match name {
        Checked::Good(name) => quote!(#name),
        Checked::Bad => {
            let ident = format!("::{ident}");
            quote!(#private::concat!("\0", #private::module_path!(), #ident))
        }
    }
}

/// As [`header`], of a trait that has a parameter `__T`, for whatever that is.
pub(super) fn blanket_header(
    implemented: &TokenStream,
    bound: &TokenStream,
    ident: &Ident,
    generics: &Generics,
) -> TokenStream {
    let mut with_parameter = generics.clone();
    with_parameter.params.push(syn::parse_quote!(__T));
    let (parameters, ..) = with_parameter.split_for_impl();
    let (_, arguments, bounds) = generics.split_for_impl();
    let bounds = bounds.map(|bounds| {
        let predicates = &bounds.predicates;
        quote!(#predicates,)
    });
    quote!(impl #parameters #implemented<__T> for #ident #arguments where #bounds Self: #bound)
}

/// A type that is one of the reported errors. Unlike a made-up type, it makes no further errors where
/// it is used.
///
/// An array, since an error that stands for the whole of a type makes it `()`, and an error that stands
/// for its length makes it one that rustc says nothing more of.
pub(super) fn error_type(cx: &Ctxt, krate: &Path) -> TokenStream {
    match cx.take() {
        Some(error) => {
            let error = error.to_compile_error();
            quote!([(); #error])
        }
        None => {
            let private = private(krate);
            quote!(#private::u32)
        }
    }
}
