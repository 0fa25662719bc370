//! Parsing of `#[inbox(..)]`.

use super::key::{Form, Key, read};
use super::{CRATE, default_crate, path_of_crate, types};
use crate::ctxt::Ctxt;
use syn::parse::Parse;
use syn::{Attribute, LitStr, Path, Type};

const INBOX: Form = Form {
    attribute: "inbox",
    keys: &["name", "events", "commands", "crate"],
    example: "#[inbox(name = \"customers\", events(OrderPlaced), commands(ReserveCredit))]",
    elsewhere: &[],
};

/// What `#[inbox(..)]` says.
pub(crate) struct InboxAttrs {
    pub(crate) name: Key<LitStr>,
    pub(crate) events: Key<Vec<Type>>,
    pub(crate) commands: Key<Vec<Type>>,
    pub(crate) krate: Path,
    /// As of an event.
    pub(crate) complete: bool,
}

pub(crate) fn inbox(cx: &Ctxt, attrs: &[Attribute]) -> InboxAttrs {
    let (mut name, mut krate) = (Key::new(), Key::new());
    let (mut events, mut commands) = (Key::new(), Key::new());
    let complete = read(cx, attrs, &INBOX, |key, meta| match key {
        "name" => {
            let help = "`name` is a string: write `name = \"customers\"`";
            name.value(cx, meta, help, <LitStr as Parse>::parse)
        }
        "events" => {
            let help =
                "`events` is a list of event types: write `events(OrderPlaced, OrderCancelled)`";
            events.list(cx, meta, help, types)
        }
        "commands" => {
            let help = "`commands` is a list of command types: write `commands(ReserveCredit)`";
            commands.list(cx, meta, help, types)
        }
        _ => krate.value(cx, meta, CRATE, |input| path_of_crate(cx, input)),
    });
    InboxAttrs {
        name,
        events,
        commands,
        krate: krate.value.unwrap_or_else(default_crate),
        complete,
    }
}
