//! The rules on a command to another service.

use super::message_key::{self, MessageKey};
use super::name::{self, Kind};
use super::versions::{self, COMMAND};
use super::{Checked, Needed, needed, refuse_generics, refuse_inner};
use crate::attr::{self, RemoteCommandAttrs};
use crate::ctxt::Ctxt;
use proc_macro2::Ident;
use syn::{Data, DeriveInput, Path, Type};

/// What `#[derive(RemoteCommand)]` has to generate.
pub(crate) struct RemoteCommand<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: Checked<String>,
    pub(crate) service: Checked<String>,
    pub(crate) version: Checked<u32>,
    pub(crate) upcast_from: Option<Path>,
    pub(crate) key: Option<MessageKey<'a>>,
    /// `None` when it is not said.
    pub(crate) reply: Checked<Option<Type>>,
    /// Whether nothing had to be reported.
    pub(crate) sound: bool,
}

pub(crate) fn remote_command<'a>(cx: &Ctxt, input: &'a DeriveInput) -> RemoteCommand<'a> {
    let attrs = attr::remote_command(cx, &input.attrs);
    let ident = &input.ident;
    refuse_inner(cx, &input.data, "remote_command");
    let mut key = None;
    match &input.data {
        Data::Struct(data) => {
            key = message_key::find(cx, ident, attrs.key.as_ref(), &data.fields);
        }
        Data::Enum(_) => cx.error(
            ident,
            "a command is a struct: write one struct with `#[derive(RemoteCommand)]` for each variant",
        ),
        Data::Union(_) => cx.error(ident, "a command is a struct, not a union: write a struct"),
    }
    refuse_generics(
        cx,
        &input.generics,
        "a command cannot be generic, because its name in messages stands for one type: \
         write a separate struct for each type argument",
    );
    refuse_missing(cx, ident, &attrs);
    let name = name::checked(
        cx,
        attrs.name.value.as_ref(),
        Kind::Command,
        &suggested(ident),
    );
    let service = name::checked(cx, attrs.service.value.as_ref(), Kind::Service, "customers");
    let version = versions::version(
        cx,
        ident,
        &COMMAND,
        (&attrs.version, &attrs.upcast_from),
        attrs.complete,
    );
    let reply = match (attrs.reply.value, attrs.reply.seen) {
        (Some(reply), _) => Checked::Good(Some(reply)),
        (None, false) if attrs.complete => Checked::Good(None),
        (None, _) => Checked::Bad,
    };
    RemoteCommand {
        input,
        krate: attrs.krate,
        name,
        service,
        version,
        upcast_from: attrs.upcast_from.value,
        key,
        reply,
        sound: cx.count() == 0,
    }
}

fn suggested(ident: &Ident) -> String {
    name::suggest(&ident.to_string(), Kind::Command)
}

fn refuse_missing(cx: &Ctxt, ident: &Ident, attrs: &RemoteCommandAttrs) {
    if !attrs.complete {
        return;
    }
    let keys = [
        Needed {
            is_there: attrs.name.seen,
            what: "name in messages",
            key: format!("name = \"{}\"", suggested(ident)),
        },
        Needed {
            is_there: attrs.service.seen,
            what: "service that handles it",
            key: "service = \"customers\"".to_owned(),
        },
    ];
    needed(cx, ident, "command", "remote_command", &keys);
}
