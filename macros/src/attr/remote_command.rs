//! Parsing of `#[remote_command(..)]`.

use super::key::{Form, Key, read};
use super::{CRATE, default_crate, path_of_crate};
use crate::ctxt::Ctxt;
use syn::parse::Parse;
use syn::{Attribute, LitInt, LitStr, Member, Path, Type};

const REMOTE_COMMAND: Form = Form {
    attribute: "remote_command",
    keys: &[
        "name",
        "service",
        "version",
        "upcast_from",
        "key",
        "reply",
        "crate",
    ],
    example: "#[remote_command(name = \"credit.reserve\", service = \"customers\")]",
    elsewhere: &[],
};

/// What `#[remote_command(..)]` says.
pub(crate) struct RemoteCommandAttrs {
    pub(crate) name: Key<LitStr>,
    pub(crate) service: Key<LitStr>,
    pub(crate) version: Key<LitInt>,
    pub(crate) upcast_from: Key<Path>,
    pub(crate) key: Option<Member>,
    pub(crate) reply: Key<Type>,
    pub(crate) krate: Path,
    /// As of an event.
    pub(crate) complete: bool,
}

pub(crate) fn remote_command(cx: &Ctxt, attrs: &[Attribute]) -> RemoteCommandAttrs {
    let (mut name, mut service, mut version) = (Key::new(), Key::new(), Key::new());
    let (mut upcast_from, mut key) = (Key::new(), Key::new());
    let (mut reply, mut krate) = (Key::new(), Key::new());
    let complete = read(cx, attrs, &REMOTE_COMMAND, |word, meta| match word {
        "name" => {
            let help = "`name` is a string: write `name = \"credit.reserve\"`";
            name.value(cx, meta, help, <LitStr as Parse>::parse)
        }
        "service" => {
            let help = "`service` is a string, the name of the inbox that handles the command: write \
                        `service = \"customers\"`";
            service.value(cx, meta, help, <LitStr as Parse>::parse)
        }
        "version" => {
            let help = "`version` is a whole number: write `version = 2`";
            version.value(cx, meta, help, LitInt::parse)
        }
        "upcast_from" => {
            let help = "`upcast_from` is the type of the previous version: write `upcast_from = ReserveCreditV1`";
            upcast_from.value(cx, meta, help, Path::parse)
        }
        "key" => {
            let help = "`key` is a field: write `key = customer`";
            key.value(cx, meta, help, Member::parse)
        }
        "reply" => {
            let help = "`reply` is the event with which the command is answered: write `reply = CreditReserved`";
            reply.value(cx, meta, help, Type::parse)
        }
        _ => krate.value(cx, meta, CRATE, |input| path_of_crate(cx, input)),
    });
    RemoteCommandAttrs {
        name,
        service,
        version,
        upcast_from,
        key: key.value,
        reply,
        krate: krate.value.unwrap_or_else(default_crate),
        complete,
    }
}
