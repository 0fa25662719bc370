//! `#[derive(RemoteCommand)]`.

use super::{anonymous, message_key, private};
use crate::ctxt::Ctxt;
use crate::fallback;
use crate::valid::{self, Checked, RemoteCommand};
use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{DeriveInput, Path, Token, Type};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let command = valid::remote_command(&cx, input);
    let code = match (&command.name, &command.service, &command.reply) {
        (Checked::Good(name), Checked::Good(service), Checked::Good(reply)) if command.sound => {
            impls(&command, name, service, reply.as_ref())
        }
        _ => fallback::remote_command(&cx, &command),
    };
    let errors = cx.into_tokens();
    quote!(#errors #code)
}

fn impls(
    command: &RemoteCommand<'_>,
    name: &str,
    service: &str,
    answer: Option<&Type>,
) -> TokenStream {
    let RemoteCommand {
        input,
        krate,
        version,
        key,
        ..
    } = command;
    let private = private(krate);
    let ident = &input.ident;
    let key = message_key(key.as_ref(), &private);
    let reply = reply(answer, krate);
    // What the type lacks is said where it is defined.
    let this = Token![Self](ident.span());
    let payload = quote!(<#this as #private::CommandPayload>);
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

            fn __deserialize<'__de, __D>(__deserializer: __D) -> #private::Result<Self, __D::Error>
            where
                __D: #private::Deserializer<'__de>,
            {
                #payload::read(__deserializer)
            }

            fn __fmt(&self, __f: &mut #private::Formatter<'_>) -> #private::fmt::Result {
                #payload::show(self, __f)
            }
        }
    })
}

/// What it is answered with.
pub(crate) fn reply(reply: Option<&Type>, krate: &Path) -> TokenStream {
    match reply {
        Some(reply) => reply.to_token_stream(),
        None => quote!(#krate::Done),
    }
}
