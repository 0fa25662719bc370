//! `#[derive(ProcessManager)]`.

use super::fallback::{blanket_header, error_type, header};
use super::{anonymous, handled, listed, of_set, private, respanned};
use crate::ctxt::Ctxt;
use crate::valid::{self, Checked, ProcessManager};
use proc_macro2::{Delimiter, Group, TokenStream};
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{DeriveInput, Token, Type};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let manager = valid::process_manager(&cx, input);
    let code = match &manager.id {
        Checked::Good(id) if manager.sound => impls(&manager, id),
        _ => fallback(&cx, &manager),
    };
    let errors = cx.into_tokens();
    quote!(#errors #code)
}

fn impls(manager: &ProcessManager<'_>, id: &Type) -> TokenStream {
    let ProcessManager {
        input,
        krate,
        name,
        config,
        events,
        commands,
        ..
    } = manager;
    let private = private(krate);
    let ident = &input.ident;
    let config = config.as_ref().map_or_else(|| quote!(()), |ty| quote!(#ty));
    let listed: Vec<_> = events.iter().collect();
    let sets = listed::sets(&listed, krate);
    let processes = events.iter().map(|ty| {
        let process = handled(
            &quote!(#krate::React),
            ty,
            "process",
            quote!(__event, __recorded),
        );
        let take = of_set(krate, ty, "__take", quote!(&mut __reader));
        let encode = of_set(krate, ty, "__encode", quote!(__event));
        quote! {
            let __events =
                #take.map_err(|__reason| #private::unreadable(__recorded, __reason))?;
            #private::add_processes(
                __events,
                __recorded,
                |__event: &#ty| #process,
                |__event: &#ty| #encode,
                &mut __processes,
            )?;
        }
    });
    let reactions = reactions(manager, &sets);
    // The type stands where rustc says that it has no `Default`.
    let this = Token![Self](ident.span());
    let initial = quote!(<#this as #private::Default>::default());
    let sends = !commands.is_empty();
    let reacts = listed::listings(ident, &quote!(#krate::process::ReactsTo), events.iter());
    let listings = listings(manager);
    let checks = checks(manager);
    anonymous(&quote! {
        const __LEN: #private::usize = 0 #(+ #sets.len())*;

        #[automatically_derived]
        impl #krate::ProcessManager for #ident {
            const NAME: &'static #private::str = #name;
            type Id = #id;
            type Config = #config;
            const EVENTS: &'static [&'static #krate::event::EventDescriptor] =
                &#private::concat_descriptors::<__LEN>(&[#(#sets),*]);
            const SENDS: #private::bool = #sends;

            fn initial() -> Self {
                #initial
            }

            fn processes_of(
                __recorded: &#krate::event::RecordedEventRef<'_>,
            ) -> #private::Result<
                #private::Vec<#krate::process::Concerned<Self::Id>>,
                #krate::event::DecodeError,
            > {
                let mut __reader =
                    #private::read_recorded(__recorded, <Self as #krate::ProcessManager>::EVENTS)?;
                let mut __processes = #private::Vec::new();
                loop {
                    #(#processes)*
                    if !__reader.goes_on() {
                        return #private::Ok(__processes);
                    }
                }
            }

            fn react_to(
                &mut self,
                __input: &#krate::process::ProcessInput<'_>,
                __reactions: &mut #krate::Reactions<Self>,
            ) -> #private::Result<(), #krate::event::DecodeReason> {
                #reactions
                #private::Err(#krate::event::DecodeReason::UnknownEvent)
            }
        }

        #reacts

        #listings

        #checks
    })
}

/// What stands in for the impls after a mistake.
fn fallback(cx: &Ctxt, manager: &ProcessManager<'_>) -> TokenStream {
    let ProcessManager {
        input,
        krate,
        name,
        id,
        config,
        ..
    } = manager;
    let private = private(krate);
    let config = config.as_ref().map_or_else(|| quote!(()), |ty| quote!(#ty));
    let id = match id {
        Checked::Good(id) => quote!(#id),
        Checked::Bad => error_type(cx, krate),
    };
    let (ident, generics) = (&input.ident, &input.generics);
    let bound = quote!(#private::Send + #private::Sync + 'static);
    let this = header(&quote!(#krate::ProcessManager), &bound, ident, generics);
    let reacts = blanket_header(&quote!(#krate::process::ReactsTo), &bound, ident, generics);
    let sends = blanket_header(&quote!(#krate::process::Sends), &bound, ident, generics);
    let schedules = blanket_header(&quote!(#krate::process::Schedules), &bound, ident, generics);
    quote! {
        #[automatically_derived]
        #this {
            const NAME: &'static #private::str = #name;
            type Id = #id;
            type Config = #config;
            const EVENTS: &'static [&'static #krate::event::EventDescriptor] = &[];
            const SENDS: #private::bool = false;

            fn initial() -> Self {
                #private::refused()
            }

            fn processes_of(
                _: &#krate::event::RecordedEventRef<'_>,
            ) -> #private::Result<
                #private::Vec<#krate::process::Concerned<Self::Id>>,
                #krate::event::DecodeError,
            > {
                #private::refused()
            }

            fn react_to(
                &mut self,
                _: &#krate::process::ProcessInput<'_>,
                _: &mut #krate::Reactions<Self>,
            ) -> #private::Result<(), #krate::event::DecodeReason> {
                #private::refused()
            }
        }

        #[automatically_derived]
        #reacts {}

        #[automatically_derived]
        #sends {}

        #[automatically_derived]
        #schedules {}
    }
}

/// What is handed to whom. What is in no list falls through.
fn reactions(manager: &ProcessManager<'_>, sets: &[TokenStream]) -> TokenStream {
    let ProcessManager {
        krate,
        events,
        commands,
        deadlines,
        ..
    } = manager;
    let private = private(krate);
    let input = quote!(#krate::process::ProcessInput);
    let done = quote!(return #private::Ok(()););
    let events = events.iter().zip(sets).map(|(ty, set)| {
        let arguments = quote!(self, __event, __reactions);
        let react = handled(&quote!(#krate::React), ty, "react", arguments);
        quote! {
            if #private::has(#set, __payload.name) {
                let __event = __payload.read::<#ty>()?;
                #react;
                #done
            }
        }
    });
    let resolve = quote!(#krate::Resolve);
    let replies = commands.iter().map(|ty| {
        // As of the handlers: a type that is no command has its error where it is listed.
        let read_reply = respanned(&quote!(#private::read_reply::<#ty>), ty.span());
        let mut reply = Group::new(Delimiter::Parenthesis, quote!(__reply));
        reply.set_span(ty.span());
        let or_return = Token![?](ty.span());
        let arguments = quote!(self, __sent, #read_reply #reply #or_return, __reactions);
        let replied = handled(&resolve, ty, "replied", arguments);
        quote! {
            if __command.name == <#ty as #private::OneCommand>::NAME {
                let __sent = #krate::command::read_command::<#ty>(__command)?;
                #replied;
                #done
            }
        }
    });
    let refusals = commands.iter().map(|ty| {
        let arguments = quote!(self, __sent, __reason, __reactions);
        let refused = handled(&resolve, ty, "refused", arguments);
        quote! {
            if __command.name == <#ty as #private::OneCommand>::NAME {
                let __sent = #krate::command::read_command::<#ty>(__command)?;
                #refused;
                #done
            }
        }
    });
    let answers = (!commands.is_empty()).then(|| {
        quote! {
            #input::Reply { command: __command, reply: __reply } => { #(#replies)* }
            #input::Refusal { command: __command, reason: __reason } => { #(#refusals)* }
        }
    });
    let expired = deadlines.iter().map(|ty| {
        let arguments = quote!(self, __deadline, __reactions);
        let expired = handled(&quote!(#krate::Expire), ty, "expired", arguments);
        quote! {
            if __payload.name == <#ty as #private::OneEvent>::NAME {
                let __deadline = __payload.read::<#ty>()?;
                #expired;
                #done
            }
        }
    });
    let expired =
        (!deadlines.is_empty()).then(|| quote!(#input::Deadline(__payload) => { #(#expired)* }));
    let otherwise = (commands.is_empty() || deadlines.is_empty()).then(|| quote!(_ => {}));
    quote! {
        match __input {
            #input::Event(__payload) => { #(#events)* }
            #answers
            #expired
            #otherwise
        }
    }
}

/// What it may send, and the deadlines that it may set.
///
/// As of the views of a projection, there are two impls at least: otherwise rustc would not name what is meant
/// where something else is used.
fn listings(manager: &ProcessManager<'_>) -> TokenStream {
    let ProcessManager {
        input,
        krate,
        commands,
        deadlines,
        ..
    } = manager;
    let private = private(krate);
    let ident = &input.ident;
    let with_stand_ins = |list: &[Type], stand_ins: [&str; 2]| -> Vec<TokenStream> {
        let missing = 2_usize.saturating_sub(list.len()).max(1);
        let stand_ins = stand_ins.iter().take(missing).map(|name| {
            let name = quote::format_ident!("{name}");
            quote!(#private::#name)
        });
        list.iter().map(|ty| quote!(#ty)).chain(stand_ins).collect()
    };
    let sends = with_stand_ins(commands, ["NoCommand", "NoOtherCommand"]);
    let schedules = with_stand_ins(deadlines, ["NoDeadline", "NoOtherDeadline"]);
    quote! {
        #(
            #[automatically_derived]
            impl #krate::process::Sends<#sends> for #ident {}
        )*
        #(
            #[automatically_derived]
            impl #krate::process::Schedules<#schedules> for #ident {}
        )*
    }
}

/// That nothing is listed twice.
fn checks(manager: &ProcessManager<'_>) -> TokenStream {
    let ProcessManager {
        input,
        krate,
        events,
        commands,
        deadlines,
        ..
    } = manager;
    let ident = &input.ident;
    let events: Vec<_> = events.iter().collect();
    let events = listed::events_once(ident, &events, krate);
    let commands = listed::names_once(ident, commands, ["OneCommand", "NamedOnce"], krate);
    let deadlines = listed::names_once(ident, deadlines, ["OneEvent", "NamedOnce"], krate);
    quote!(#events #commands #deadlines)
}
