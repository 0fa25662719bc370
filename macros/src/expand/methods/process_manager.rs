//! The methods of a process manager.

use super::{Handled, Method, described, is_among, is_reference, methods, refers_to, unlisted};
use crate::ctxt::Ctxt;
use crate::expand::{anonymous, private, process_manager};
use crate::valid::{self, text};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemImpl, Type};

pub(crate) fn of_process_manager(arguments: &TokenStream, item: &ItemImpl) -> TokenStream {
    let cx = Ctxt::default();
    let Some(input) = described(&cx, "process_manager", arguments, item) else {
        return cx.into_tokens();
    };
    let said = valid::process_manager(&Ctxt::default(), &input);
    let methods = methods(item);
    let mut handled = Handled::default();
    let (mut processes, mut reacts) = (Vec::new(), Vec::new());
    let (mut replied, mut refused, mut expired) = (Vec::new(), Vec::new(), Vec::new());
    for method in &methods {
        let (first, last) = match method.arguments.as_slice() {
            [first, .., last] => (*first, *last),
            [only] => (*only, *only),
            [] => continue,
        };
        if let (false, Type::Reference(event)) = (method.has_self, first) {
            if is_among(&said.events, &event.elem)
                && handled.is_first(&cx, method, &event.elem, "its process")
            {
                processes.push((&*event.elem, method));
            }
            continue;
        }
        if !method.has_self || is_reference(first) || !refers_to(last, "Reactions") {
            continue;
        }
        let (what, list) = match method.arguments.as_slice() {
            [_, _] if is_among(&said.events, first) => ("", &mut reacts),
            [_, _] if is_among(&said.deadlines, first) => ("", &mut expired),
            [_, reason, _] if is_among(&said.commands, first) => {
                if is_reference(reason) {
                    ("its refusal", &mut refused)
                } else {
                    ("its reply", &mut replied)
                }
            }
            [_, _] => {
                let lists = "neither in `events(..)` nor in `deadlines(..)`";
                unlisted(&cx, said.sound, first, "process_manager", lists);
                continue;
            }
            [_, _, _] => {
                unlisted(
                    &cx,
                    said.sound,
                    first,
                    "process_manager",
                    "not in `commands(..)`",
                );
                continue;
            }
            _ => continue,
        };
        if handled.is_first(&cx, method, first, what) {
            list.push((first, method));
        }
    }
    let handlers = Handlers {
        cx: &cx,
        said: &said,
        private: private(&said.krate),
    };
    let events = handlers.events(&processes, &reacts);
    let commands = handlers.commands(&replied, &refused);
    let deadlines = handlers.deadlines(&expired);
    let impls = anonymous(&quote!(#events #commands #deadlines));
    let derived = process_manager::derive(&input);
    let errors = cx.into_tokens();
    quote!(#errors #impls #derived)
}

/// The methods of one role, each with the type that it handles.
type Role<'a> = [(&'a Type, &'a Method<'a>)];

/// What implements the traits of a process manager's handlers.
struct Handlers<'a> {
    cx: &'a Ctxt,
    said: &'a valid::ProcessManager<'a>,
    private: TokenStream,
}

impl Handlers<'_> {
    fn events(&self, processes: &Role<'_>, reacts: &Role<'_>) -> TokenStream {
        let Handlers { cx, said, private } = self;
        let (krate, ident) = (&said.krate, &said.input.ident);
        let both = pairs(processes, reacts);
        let impls = both.into_iter().map(|(ty, process, react)| {
            let name = text(ty);
            let process = process.map_or_else(
                || {
                    let message = format!(
                        "nothing tells which process event `{name}` belongs to: write a function with the argument \
                         `(event: &{name})` that returns an `Option` of the id, in this `impl`"
                    );
                    cx.error(ty, message);
                    quote!(#private::refused())
                },
                |method| method.call(&["__event", "__recorded"]),
            );
            let react = react.map_or_else(
                || {
                    let message = format!(
                        "nothing reacts to event `{name}`: write a method with the arguments \
                         `(&mut self, event: {name}, reactions: &mut Reactions<Self>)` in this `impl`"
                    );
                    cx.error(ty, message);
                    quote!(#private::refused())
                },
                |method| method.call(&["__event", "__reactions"]),
            );
            quote! {
                #[automatically_derived]
                impl #krate::React<#ty> for #ident {
                    #[allow(unused_variables)]
                    fn process(
                        __event: &#ty,
                        __recorded: &#krate::event::RecordedEventRef<'_>,
                    ) -> #private::Option<<Self as #krate::ProcessManager>::Id> {
                        #process
                    }

                    fn react(&mut self, __event: #ty, __reactions: &mut #krate::Reactions<Self>) {
                        #react
                    }
                }
            }
        });
        impls.collect()
    }

    fn commands(&self, replied: &Role<'_>, refused: &Role<'_>) -> TokenStream {
        let Handlers { cx, said, private } = self;
        let (krate, ident) = (&said.krate, &said.input.ident);
        let impls = pairs(replied, refused).into_iter().map(|(ty, replied, refused)| {
            let name = text(ty);
            let missing = |what: &str, argument: &str| {
                let message = format!(
                    "nothing handles the {what} of command `{name}`: write a method with the arguments \
                     `(&mut self, command: {name}, {argument}, reactions: &mut Reactions<Self>)` in this `impl`"
                );
                cx.error(ty, message);
                quote!(#private::refused())
            };
            let replied = replied.map_or_else(
                || missing("reply", "reply: .."),
                |method| method.call(&["__command", "__reply", "__reactions"]),
            );
            let refused = refused.map_or_else(
                || missing("refusal", "reason: &str"),
                |method| method.call(&["__command", "__reason", "__reactions"]),
            );
            quote! {
                #[automatically_derived]
                impl #krate::Resolve<#ty> for #ident {
                    fn replied(
                        &mut self,
                        __command: #ty,
                        __reply: <#ty as #krate::RemoteCommand>::Reply,
                        __reactions: &mut #krate::Reactions<Self>,
                    ) {
                        #replied
                    }

                    fn refused(
                        &mut self,
                        __command: #ty,
                        __reason: &#private::str,
                        __reactions: &mut #krate::Reactions<Self>,
                    ) {
                        #refused
                    }
                }
            }
        });
        impls.collect()
    }

    fn deadlines(&self, expired: &Role<'_>) -> TokenStream {
        let (krate, ident) = (&self.said.krate, &self.said.input.ident);
        let impls = expired.iter().map(|(ty, method)| {
            let call = method.call(&["__deadline", "__reactions"]);
            quote! {
                #[automatically_derived]
                impl #krate::Expire<#ty> for #ident {
                    fn expired(
                        &mut self,
                        __deadline: #ty,
                        __reactions: &mut #krate::Reactions<Self>,
                    ) {
                        #call
                    }
                }
            }
        });
        impls.collect()
    }
}

/// The methods of two roles, by the type that they handle.
fn pairs<'a>(
    left: &Role<'a>,
    right: &Role<'a>,
) -> Vec<(&'a Type, Option<&'a Method<'a>>, Option<&'a Method<'a>>)> {
    let find = |role: &Role<'a>, ty: &Type| {
        let mut same = role.iter().filter(|(other, _)| text(other) == text(ty));
        same.next().map(|(_, method)| *method)
    };
    let both = left
        .iter()
        .map(|(ty, method)| (*ty, Some(*method), find(right, ty)));
    let only_right = right.iter().filter(|(ty, _)| find(left, ty).is_none());
    both.chain(only_right.map(|(ty, method)| (*ty, None, Some(*method))))
        .collect()
}
