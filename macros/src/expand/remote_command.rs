//! `#[derive(RemoteCommand)]`.

use super::fallback::{error_type, header, name_or_stand_in};
use super::versions::Versions;
use super::{anonymous, message_key, private, respanned};
use crate::ctxt::Ctxt;
use crate::valid::{self, Checked, RemoteCommand};
use proc_macro2::{Delimiter, Group, Ident, TokenStream};
use quote::{ToTokens as _, quote};
use syn::spanned::Spanned as _;
use syn::{DeriveInput, Path, Token, Type};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let command = valid::remote_command(&cx, input);
    let code = match (&command.name, &command.service, &command.version) {
        (Checked::Good(name), Checked::Good(service), Checked::Good(version)) if command.sound => {
            impls(&command, name, service, *version)
        }
        _ => fallback(&cx, &command),
    };
    let errors = cx.into_tokens();
    quote!(#errors #code)
}

fn impls(command: &RemoteCommand<'_>, name: &str, service: &str, version: u32) -> TokenStream {
    let RemoteCommand {
        input,
        krate,
        upcast_from,
        key,
        ..
    } = command;
    let private = private(krate);
    let ident = &input.ident;
    let key = message_key(key.as_ref(), &private);
    let reply = match &command.reply {
        Checked::Good(answer) => reply(answer.as_ref(), krate),
        // A mistake, so that this is not asked for.
        Checked::Bad => reply(None, krate),
    };
    // What the type lacks is said where it is defined.
    let this = Token![Self](ident.span());
    let payload = quote!(<#this as #private::CommandPayload>);
    let versions = Versions {
        ident,
        private: &private,
        one: &quote!(#private::OneCommand),
        name,
        version,
        upcast_from: upcast_from.as_ref(),
    };
    let read = versions.read(&quote!(#payload::read(__deserializer)));
    let checks = versions.checks();
    let older_reply = upcast_from.as_ref().map(|previous| {
        // As of a version: what is missing is missing at the version before.
        let older = quote!(<#previous as #private::OneCommand>::Reply);
        let upcast = quote!(<#older as #private::OlderReply<Self::Reply>>::upcast);
        let span = previous.span();
        let upcast = respanned(&upcast, span);
        let (open, close, read) = (
            Token![<](span),
            Token![>](span),
            Ident::new("read_reply", span),
        );
        let mut reply = Group::new(Delimiter::Parenthesis, quote!(__reply));
        reply.set_span(span);
        quote! {
            fn __read_reply(
                __reply: &#krate::event::EncodedRef<'_>,
            ) -> #private::Result<Self::Reply, #krate::event::DecodeReason> {
                if __reply.name == <Self::Reply as #private::OneEvent>::NAME {
                    return __reply.read();
                }
                match #open #previous as #private::OneCommand #close ::#read #reply {
                    #private::Ok(__old) => {
                        #private::Ok(#upcast(__old))
                    }
                    #private::Err(__error) => #private::Err(__error),
                }
            }
        }
    });
    anonymous(&quote! {
        #[automatically_derived]
        impl #krate::RemoteCommand for #ident {
            const NAME: &'static #private::str = #name;
            const VERSION: #private::u32 = #version;
            const SERVICE: &'static #private::str = #service;
            type Reply = #reply;

            #key

            fn __serialize<__S>(&self, __serializer: __S) -> #private::Result<__S::Ok, __S::Error>
            where
                __S: #private::Serializer,
            {
                #payload::write(self, __serializer)
            }

            fn __deserialize_version<'__de, __D>(
                __version: #private::u32,
                __deserializer: __D,
            ) -> #private::Result<Self, __D::Error>
            where
                __D: #private::Deserializer<'__de>,
            {
                #read
            }

            #older_reply

            fn __fmt(&self, __f: &mut #private::Formatter<'_>) -> #private::fmt::Result {
                #payload::show(self, __f)
            }
        }

        #checks
    })
}

/// What stands in for the impls after a mistake.
fn fallback(cx: &Ctxt, command: &RemoteCommand<'_>) -> TokenStream {
    let RemoteCommand {
        input,
        krate,
        name,
        service,
        version,
        reply,
        ..
    } = command;
    let private = private(krate);
    let [name, service] =
        [name, service].map(|name| name_or_stand_in(name, &input.ident, &private));
    // As of an event.
    let version = match version {
        Checked::Good(version) => *version,
        Checked::Bad => 0,
    };
    let reply = match reply {
        Checked::Good(reply) => self::reply(reply.as_ref(), krate),
        Checked::Bad => error_type(cx, krate),
    };
    let header = header(
        &quote!(#krate::RemoteCommand),
        &quote!(#private::Send + #private::Sync + 'static),
        &input.ident,
        &input.generics,
    );
    quote! {
        #[automatically_derived]
        #header {
            const NAME: &'static #private::str = #name;
            const VERSION: #private::u32 = #version;
            const SERVICE: &'static #private::str = #service;
            type Reply = #reply;

            fn key(&self) -> #private::Option<#private::Cow<'_, #private::str>> {
                #private::refused()
            }

            fn __serialize<__S>(&self, _: __S) -> #private::Result<__S::Ok, __S::Error>
            where
                __S: #private::Serializer,
            {
                #private::refused()
            }

            fn __deserialize_version<'__de, __D>(
                _: #private::u32,
                _: __D,
            ) -> #private::Result<Self, __D::Error>
            where
                __D: #private::Deserializer<'__de>,
            {
                #private::refused()
            }

            fn __fmt(&self, _: &mut #private::Formatter<'_>) -> #private::fmt::Result {
                #private::refused()
            }
        }
    }
}

/// What it is answered with.
fn reply(reply: Option<&Type>, krate: &Path) -> TokenStream {
    match reply {
        Some(reply) => reply.to_token_stream(),
        None => quote!(#krate::Done),
    }
}
