//! `#[derive(Inbox)]`.

use super::fallback::{blanket_header, header, name_or_stand_in};
use super::{anonymous, handled, listed, of_set, private};
use crate::ctxt::Ctxt;
use crate::valid::{self, Checked, Inbox};
use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let inbox = valid::inbox(&cx, input);
    let code = match &inbox.name {
        Checked::Good(name) if inbox.sound => impls(&inbox, name),
        _ => fallback(&inbox),
    };
    let errors = cx.into_tokens();
    quote!(#errors #code)
}

fn impls(inbox: &Inbox<'_>, name: &str) -> TokenStream {
    let Inbox {
        input,
        krate,
        events,
        commands,
        ..
    } = inbox;
    let private = private(krate);
    let ident = &input.ident;
    let listed: Vec<_> = events.iter().collect();
    let sets = listed::sets(&listed, krate);
    let receivers = events.iter().map(|ty| {
        let handled = handled(
            &quote!(#krate::Subscribe),
            ty,
            "receive",
            quote!(self, __event, __context),
        );
        let take = of_set(krate, ty, "__take", quote!(&mut __reader));
        quote! {
            for __event in
                #take.map_err(|__reason| #private::unreadable_message(__message, __reason))?
            {
                #handled.await.map_err(#krate::inbox::InboxError::Handler)?;
            }
        }
    });
    let receive = (!events.is_empty()).then(|| {
        quote! {
            const __EVENTS: &[&#krate::event::EventDescriptor] =
                &#private::concat_descriptors::<{ 0 #(+ #sets.len())* }>(&[#(#sets),*]);
            if let #private::Some(mut __reader) = #private::read_message(__message, __EVENTS)? {
                loop {
                    #(#receivers)*
                    if !__reader.goes_on() {
                        return #private::Ok(());
                    }
                }
            }
        }
    });
    let handlers = commands.iter().map(|ty| {
        let handled = handled(
            &quote!(#krate::Handle),
            ty,
            "handle",
            quote!(self, __command, __context),
        );
        quote! {
            if #private::is_command(__message, <#ty as #private::OneCommand>::NAME) {
                let __command = #private::read_command::<#ty>(__message)?;
                return #private::answer(#handled.await, __context);
            }
        }
    });
    let receives = listed::listings(ident, &quote!(#krate::inbox::Receives), inbox.events.iter());
    let handles = listed::listings(ident, &quote!(#krate::inbox::Handles), commands.iter());
    let checks = checks(inbox, name);
    anonymous(&quote! {
        #[automatically_derived]
        impl #krate::Inbox for #ident {
            const NAME: &'static #private::str = #name;

            fn topics() -> #private::Vec<#krate::bus::Topic> {
                #private::topics(
                    #name,
                    &[#(#sets),*],
                    &[#(<#commands as #private::OneCommand>::NAME),*],
                )
            }

            async fn handle_message(
                &self,
                __message: &#krate::bus::Message,
                __context: &mut #krate::MessageContext<'_>,
            ) -> #private::Result<(), #krate::inbox::InboxError> {
                #receive
                #(#handlers)*
                #private::Err(#krate::inbox::InboxError::unknown(#name, __message))
            }
        }

        #receives

        #handles

        #checks
    })
}

/// What stands in for the impls after a mistake.
fn fallback(inbox: &Inbox<'_>) -> TokenStream {
    let Inbox {
        input, krate, name, ..
    } = inbox;
    let private = private(krate);
    let name = name_or_stand_in(name, &input.ident, &private);
    let (ident, generics) = (&input.ident, &input.generics);
    let bound = quote!(#private::Send + #private::Sync + 'static);
    let header = header(&quote!(#krate::Inbox), &bound, ident, generics);
    let receives = blanket_header(&quote!(#krate::inbox::Receives), &bound, ident, generics);
    let handles = blanket_header(&quote!(#krate::inbox::Handles), &bound, ident, generics);
    quote! {
        #[automatically_derived]
        #receives {}

        #[automatically_derived]
        #handles {}

        #[automatically_derived]
        #header {
            const NAME: &'static #private::str = #name;

            fn topics() -> #private::Vec<#krate::bus::Topic> {
                #private::refused()
            }

            async fn handle_message(
                &self,
                _: &#krate::bus::Message,
                _: &mut #krate::MessageContext<'_>,
            ) -> #private::Result<(), #krate::inbox::InboxError> {
                #private::refused()
            }
        }
    }
}

/// That nothing is listed twice, and that the commands are for this service.
fn checks(inbox: &Inbox<'_>, name: &str) -> TokenStream {
    let Inbox {
        input,
        krate,
        events,
        commands,
        ..
    } = inbox;
    let private = private(krate);
    let ident = &input.ident;
    let listed: Vec<_> = events.iter().collect();
    let events_once = (!listed.is_empty()).then(|| listed::events_once(ident, &listed, krate));
    let commands_once = listed::names_once(ident, commands, ["OneCommand", "NamedOnce"], krate);
    quote! {
        #events_once
        #commands_once
        #(
            const _: () = <#commands as #private::CommandFor<
                #ident,
                { #private::is_name(<#commands as #private::OneCommand>::SERVICE, #name) },
            >>::HOLDS;
        )*
    }
}
