//! `#[midgard::event(..)]` and the like: the derives that always come together, and their attribute, in one line.

use super::private;
use crate::attr;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{DeriveInput, ItemImpl, Path, Token};

/// Defines attributes that stand for a derive, its own attribute, and the derives that always come with it.
macro_rules! one_line {
    ($(
        $(#[$doc:meta])*
        $attribute:ident = $derive:ident, $standard:expr, is_data = $is_data:expr $(, methods = $methods:ident)?;
    )*) => { $(
        $(#[$doc])*
        ///
        #[doc = concat!("It takes what [`#[", stringify!($attribute), "(..)]`](derive@", stringify!($derive), ") takes.")]
        /// Write it with its path: imported, its name would be that of the derive's attribute. What is also derived explicitly
        /// below, except by midgard, is not derived again.
        #[proc_macro_attribute]
        pub fn $attribute(arguments: TokenStream, item: TokenStream) -> TokenStream {
            let line = $crate::expand::one_line::OneLine {
                derive: stringify!($derive),
                attribute: stringify!($attribute),
                standard: &$standard,
                is_data: $is_data,
                methods: None$(.or(Some($crate::expand::methods::$methods)))?,
            };
            $crate::expand::one_line::expand(&line, &arguments.into(), &item.into()).into()
        }
    )* };
}
pub(crate) use one_line;

/// What one line stands for.
pub(crate) struct OneLine {
    /// The derive of midgard.
    pub(crate) derive: &'static str,
    /// Its attribute.
    pub(crate) attribute: &'static str,
    /// Derives of the standard library that belong to it.
    pub(crate) standard: &'static [&'static str],
    /// Whether it is stored or sent, and so needs serde's derives too.
    pub(crate) is_data: bool,
    /// What is generated of an `impl` with the handlers, where it may stand above one.
    pub(crate) methods: Option<fn(&TokenStream, &ItemImpl) -> TokenStream>,
}

const SERDE: [&str; 2] = ["Serialize", "Deserialize"];

/// Adds what is missing above the item; a mistake leaves the item as it is.
pub(crate) fn expand(line: &OneLine, arguments: &TokenStream, item: &TokenStream) -> TokenStream {
    if let Some(of_methods) = line.methods
        && let Ok(input) = syn::parse2::<ItemImpl>(item.clone())
    {
        let generated = of_methods(arguments, &input);
        return quote!(#item #generated);
    }
    match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(input) => derives(line, arguments, &input, item),
        Err(error) => {
            let error = error.to_compile_error();
            quote!(#error #item)
        }
    }
}

fn derives(
    line: &OneLine,
    arguments: &TokenStream,
    input: &DeriveInput,
    item: &TokenStream,
) -> TokenStream {
    let krate = attr::crate_of(arguments);
    let private = private(&krate);
    let derived = derived(input);
    let is_missing = |name: &&str| !derived.iter().any(|one| one == name);
    let ident = |name: &str| Ident::new(name, Span::call_site());
    let standard = line.standard.iter().copied().filter(is_missing).map(ident);
    let serde: &[&str] = if line.is_data { &SERDE } else { &[] };
    let serde: Vec<_> = serde
        .iter()
        .copied()
        .filter(is_missing)
        .map(ident)
        .collect();
    // The program may have no serde of its own. Where it derives one of the two, the path is its own too.
    let path = (serde.len() == SERDE.len()).then(|| {
        let path = quote!(#private::serde).to_string().replace(' ', "");
        quote!(#[serde(crate = #path)])
    });
    let own = ident(line.derive);
    let attribute = ident(line.attribute);
    quote! {
        #[derive(#(#private::#standard,)* #(#private::serde::#serde,)* #krate::#own)]
        #path
        #[#attribute(#arguments)]
        #item
    }
}

/// The names of what is derived below the attribute.
fn derived(input: &DeriveInput) -> Vec<Ident> {
    let derives = input
        .attrs
        .iter()
        .filter(|attr| attr.path().is_ident("derive"));
    let paths = derives.filter_map(|attr| {
        let list = Punctuated::<Path, Token![,]>::parse_terminated;
        list.parse2(attr.meta.require_list().ok()?.tokens.clone())
            .ok()
    });
    let names = paths.flatten();
    names
        .filter_map(|path| path.segments.last().map(|last| last.ident.clone()))
        .collect()
}
