//! The rules on an inbox.

use super::name::{self, Kind};
use super::{Checked, Needed, distinct_types, needed, refuse_generics, refuse_inner};
use crate::attr::{self, InboxAttrs};
use crate::ctxt::Ctxt;
use proc_macro2::Ident;
use syn::{DeriveInput, Path, Type};

/// What `#[derive(Inbox)]` has to generate.
pub(crate) struct Inbox<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: Checked<String>,
    pub(crate) events: Vec<Type>,
    pub(crate) commands: Vec<Type>,
    /// Whether nothing had to be reported.
    pub(crate) sound: bool,
}

pub(crate) fn inbox<'a>(cx: &Ctxt, input: &'a DeriveInput) -> Inbox<'a> {
    let attrs = attr::inbox(cx, &input.attrs);
    let ident = &input.ident;
    refuse_inner(cx, &input.data, "inbox");
    refuse_generics(
        cx,
        &input.generics,
        "an inbox cannot be generic, because its name stands for one queue: \
         write a separate type for each type argument",
    );
    refuse_missing(cx, ident, &attrs);
    let suggestion = name::suggest(&ident.to_string(), Kind::Inbox);
    let name = name::checked(cx, attrs.name.value.as_ref(), Kind::Inbox, &suggestion);
    let events = distinct_types(cx, attrs.events.value.unwrap_or_default(), "event");
    let commands = distinct_types(cx, attrs.commands.value.unwrap_or_default(), "command");
    Inbox {
        input,
        krate: attrs.krate,
        name,
        events,
        commands,
        sound: cx.count() == 0,
    }
}

fn refuse_missing(cx: &Ctxt, ident: &Ident, attrs: &InboxAttrs) {
    if !attrs.complete {
        return;
    }
    let name = name::suggest(&ident.to_string(), Kind::Inbox);
    let keys = [
        Needed {
            is_there: attrs.name.seen,
            what: "name",
            key: format!("name = \"{name}\""),
        },
        Needed {
            is_there: attrs.events.has_entries() || attrs.commands.has_entries(),
            what: "events or commands to handle",
            key: "events(OrderPlaced, ..), commands(ReserveCredit, ..)".to_owned(),
        },
    ];
    needed(cx, ident, "inbox", "inbox", &keys);
}
