//! Parsing of `#[process_manager(..)]`.

use super::key::{Form, Key, read};
use super::{CRATE, default_crate, path_of_crate, types};
use crate::ctxt::Ctxt;
use syn::parse::Parse;
use syn::{Attribute, LitStr, Path, Type};

const PROCESS_MANAGER: Form = Form {
    attribute: "process_manager",
    keys: &[
        "name",
        "id",
        "config",
        "events",
        "commands",
        "deadlines",
        "crate",
    ],
    example: "#[process_manager(name = \"placement\", id = OrderId, events(OrderPlaced))]",
    elsewhere: &[],
};

/// What `#[process_manager(..)]` says.
pub(crate) struct ProcessManagerAttrs {
    pub(crate) name: Key<LitStr>,
    pub(crate) id: Key<Type>,
    pub(crate) config: Key<Type>,
    pub(crate) events: Key<Vec<Type>>,
    pub(crate) commands: Key<Vec<Type>>,
    pub(crate) deadlines: Key<Vec<Type>>,
    pub(crate) krate: Path,
    /// As of an event.
    pub(crate) complete: bool,
}

pub(crate) fn process_manager(cx: &Ctxt, attrs: &[Attribute]) -> ProcessManagerAttrs {
    let (mut name, mut id, mut config, mut krate) =
        (Key::new(), Key::new(), Key::new(), Key::new());
    let (mut events, mut commands, mut deadlines) = (Key::new(), Key::new(), Key::new());
    let complete = read(cx, attrs, &PROCESS_MANAGER, |key, meta| match key {
        "name" => {
            let help = "`name` is a string: write `name = \"placement\"`";
            name.value(cx, meta, help, <LitStr as Parse>::parse)
        }
        "id" => {
            let help = "`id` is a type: write `id = OrderId`";
            id.value(cx, meta, help, Type::parse)
        }
        "config" => {
            let help = "`config` is a type: write `config = PlacementTerms`";
            config.value(cx, meta, help, Type::parse)
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
        "deadlines" => {
            let help = "`deadlines` is a list of event types: write `deadlines(PaymentOverdue)`";
            deadlines.list(cx, meta, help, types)
        }
        _ => krate.value(cx, meta, CRATE, |input| path_of_crate(cx, input)),
    });
    ProcessManagerAttrs {
        name,
        id,
        config,
        events,
        commands,
        deadlines,
        krate: krate.value.unwrap_or_else(default_crate),
        complete,
    }
}
