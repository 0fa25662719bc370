//! The rules on a process manager.

use super::name::{self, Kind};
use super::{Checked, Needed, distinct_types, needed, refuse_generics, refuse_inner};
use crate::attr::{self, ProcessManagerAttrs};
use crate::ctxt::Ctxt;
use proc_macro2::Ident;
use syn::ext::IdentExt as _;
use syn::{Data, DeriveInput, Path, Type};

/// What `#[derive(ProcessManager)]` has to generate.
pub(crate) struct ProcessManager<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: String,
    pub(crate) id: Checked<Type>,
    /// The type of its configuration, if it has one.
    pub(crate) config: Option<Type>,
    pub(crate) events: Vec<Type>,
    pub(crate) commands: Vec<Type>,
    pub(crate) deadlines: Vec<Type>,
    /// Whether nothing had to be reported.
    pub(crate) sound: bool,
}

pub(crate) fn process_manager<'a>(cx: &Ctxt, input: &'a DeriveInput) -> ProcessManager<'a> {
    let attrs = attr::process_manager(cx, &input.attrs);
    let ident = &input.ident;
    if matches!(input.data, Data::Union(_)) {
        cx.error(
            ident,
            "a process manager is a struct or an enum, not a union: write a struct",
        );
    }
    refuse_inner(cx, &input.data, "process_manager");
    refuse_generics(
        cx,
        &input.generics,
        "a process manager cannot be generic, because its name stands for one type: \
         write a separate type for each type argument",
    );
    refuse_missing(cx, ident, &attrs);
    let name = name::given(cx, ident, attrs.name.value.as_ref(), Kind::ProcessManager);
    let [events, commands, deadlines] = [
        (attrs.events.value, "event"),
        (attrs.commands.value, "command"),
        (attrs.deadlines.value, "deadline"),
    ]
    .map(|(list, what)| distinct_types(cx, list.unwrap_or_default(), what));
    ProcessManager {
        input,
        krate: attrs.krate,
        name,
        id: attrs.id.value.map_or(Checked::Bad, Checked::Good),
        config: attrs.config.value,
        events,
        commands,
        deadlines,
        sound: cx.count() == 0,
    }
}

fn refuse_missing(cx: &Ctxt, ident: &Ident, attrs: &ProcessManagerAttrs) {
    if !attrs.complete {
        return;
    }
    let name = name::suggest(&ident.to_string(), Kind::ProcessManager);
    let keys = [
        Needed {
            is_there: attrs.name.seen,
            what: "name for its streams",
            key: format!("name = \"{name}\""),
        },
        Needed {
            is_there: attrs.id.seen,
            what: "type for its ids",
            key: format!("id = {}Id", ident.unraw()),
        },
        Needed {
            is_there: attrs.events.has_entries(),
            what: "events",
            key: "events(OrderPlaced, ..)".to_owned(),
        },
    ];
    needed(cx, ident, "process manager", "process_manager", &keys);
}
