//! `#[midgard::inbox(..)]` and `#[midgard::process_manager(..)]` above an `impl`: its methods are the handlers, each of the type of
//! its first argument.
//!
//! The `impl` stays as it is; impls of the handlers' traits call its methods. A listed type without a method has the error of
//! the derive, as nothing implements its trait.

mod process_manager;

pub(crate) use process_manager::of_process_manager;

use super::{anonymous, inbox, private};
use crate::ctxt::Ctxt;
use crate::valid::{self, text};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{DeriveInput, FnArg, ImplItem, ItemImpl, Type};

pub(crate) fn of_inbox(arguments: &TokenStream, item: &ItemImpl) -> TokenStream {
    let cx = Ctxt::default();
    let Some(input) = described(&cx, "inbox", arguments, item) else {
        return cx.into_tokens();
    };
    // What is wrong with the arguments is reported by the derive.
    let said = valid::inbox(&Ctxt::default(), &input);
    let (krate, private, ident) = (&said.krate, private(&said.krate), &input.ident);
    let methods = methods(item);
    let mut handled = Handled::default();
    let mut impls = TokenStream::new();
    for method in &methods {
        let [first, context] = method.arguments.as_slice() else {
            continue;
        };
        if !method.has_self || is_reference(first) || !refers_to(context, "MessageContext") {
            continue;
        }
        let call = method.call(&["__message", "__context"]);
        let awaited = quote_spanned!(method.output=> .await);
        let (handler, function, output) = if is_among(&said.commands, first) {
            let reply = quote!(<#first as #krate::RemoteCommand>::Reply);
            (quote!(Handle), quote!(handle), reply)
        } else if is_among(&said.events, first) {
            (quote!(Subscribe), quote!(receive), quote!(()))
        } else {
            let lists = "neither in `events(..)` nor in `commands(..)`";
            unlisted(&cx, said.sound, first, "inbox", lists);
            continue;
        };
        if handled.is_first(&cx, method, first, "") {
            impls.extend(quote! {
                #[automatically_derived]
                impl #krate::#handler<#first> for #ident {
                    async fn #function(
                        &self,
                        __message: #first,
                        __context: &mut #krate::MessageContext<'_>,
                    ) -> #private::Result<#output, #krate::HandlerError> {
                        #call #awaited
                    }
                }
            });
        }
    }
    let (impls, derived) = (anonymous(&impls), inbox::derive(&input));
    let errors = cx.into_tokens();
    quote!(#errors #impls #derived)
}

/// A function of the `impl`.
struct Method<'a> {
    name: &'a Ident,
    has_self: bool,
    arguments: Vec<&'a Type>,
    /// What it returns, or where it is named.
    output: Span,
}

impl Method<'_> {
    /// The call: what does not fit is said at the argument, or where the function says what it returns.
    fn call(&self, arguments: &[&str]) -> TokenStream {
        let name = self.name;
        let this = self.has_self.then(|| quote!(self,));
        let arguments = arguments.iter().zip(&self.arguments).map(|(name, ty)| {
            let span = ty.span().resolved_at(Span::call_site());
            Ident::new(name, span)
        });
        let arguments = quote!(#this #(#arguments),*);
        quote_spanned!(self.output=> Self::#name(#arguments))
    }
}

fn methods(item: &ItemImpl) -> Vec<Method<'_>> {
    let functions = item.items.iter().filter_map(|item| match item {
        ImplItem::Fn(function) => Some(&function.sig),
        _ => None,
    });
    let methods = functions.map(|signature| {
        let typed = signature
            .inputs
            .iter()
            .filter_map(|argument| match argument {
                FnArg::Typed(typed) => Some(&*typed.ty),
                FnArg::Receiver(_) => None,
            });
        Method {
            name: &signature.ident,
            has_self: signature.receiver().is_some(),
            arguments: typed.collect(),
            output: match &signature.output {
                syn::ReturnType::Default => signature.ident.span(),
                syn::ReturnType::Type(_, ty) => ty.span(),
            },
        }
    });
    methods.collect()
}

/// The methods that were found so far, by what they handle.
#[derive(Default)]
struct Handled(Vec<String>);

impl Handled {
    /// Whether no method before handles the same; otherwise that is reported.
    fn is_first(&mut self, cx: &Ctxt, method: &Method<'_>, ty: &Type, what: &str) -> bool {
        let name = text(ty);
        let of_what = if what.is_empty() {
            String::new()
        } else {
            format!(", {what}")
        };
        let key = format!("`{name}`{of_what}");
        let is_first = !self.0.contains(&key);
        if is_first {
            self.0.push(key);
        } else {
            let message = format!("another function of this `impl` handles {key}: keep one");
            cx.error(method.name, message);
        }
        is_first
    }
}

/// The type of the `impl`, as the derive would get it.
fn described(
    cx: &Ctxt,
    attribute: &str,
    arguments: &TokenStream,
    item: &ItemImpl,
) -> Option<DeriveInput> {
    let ident = match &*item.self_ty {
        Type::Path(path) if path.qself.is_none() => path.path.get_ident(),
        _ => None,
    };
    let (Some(ident), None) = (ident, &item.trait_) else {
        cx.error(
            &item.self_ty,
            format_args!(
                "`#[midgard::{attribute}(..)]` is written above a type, or above its own `impl`, beside which the type is, \
                 as in `impl Customers`"
            ),
        );
        return None;
    };
    let (attribute, generics) = (Ident::new(attribute, ident.span()), &item.generics);
    let input = quote!(#[#attribute(#arguments)] struct #ident #generics;);
    match syn::parse2(input) {
        Ok(input) => Some(input),
        Err(error) => {
            cx.push(error);
            None
        }
    }
}

fn unlisted(cx: &Ctxt, are_lists_known: bool, ty: &Type, attribute: &str, lists: &str) {
    if !are_lists_known {
        return;
    }
    let name = text(ty);
    cx.error(
        ty,
        format_args!(
            "`{name}` is {lists} of `#[midgard::{attribute}(..)]`, so that this method would never be called: add it to a \
             list, or move the method to another `impl`"
        ),
    );
}

fn is_among(list: &[Type], ty: &Type) -> bool {
    let name = text(ty);
    list.iter().any(|one| text(one) == name)
}

const fn is_reference(ty: &Type) -> bool {
    matches!(ty, Type::Reference(_))
}

/// Whether it is a reference to a type of this name.
fn refers_to(ty: &Type, name: &str) -> bool {
    let Type::Reference(reference) = ty else {
        return false;
    };
    let Type::Path(path) = &*reference.elem else {
        return false;
    };
    let last = path.path.segments.last();
    last.is_some_and(|last| last.ident == name)
}
