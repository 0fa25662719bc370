//! The rules on an aggregate.

use super::name::{self, Kind};
use super::{Checked, Needed, distinct, needed, refuse_generics};
use crate::attr::{self, AggregateAttrs, Variant};
use crate::ctxt::Ctxt;
use proc_macro2::{Ident, Span};
use quote::format_ident;
use syn::ext::IdentExt as _;
use syn::{Data, DeriveInput, Path, Type};

/// What `#[derive(Aggregate)]` has to generate.
pub(crate) struct Aggregate<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: String,
    pub(crate) id: Checked<Type>,
    pub(crate) event_enum: Ident,
    /// Where it says that one function takes the whole enum.
    pub(crate) apply_enum: Option<Span>,
    pub(crate) events: Checked<Vec<Variant>>,
    /// Whether these are all that were listed.
    pub(crate) is_whole: bool,
}

pub(crate) fn aggregate<'a>(cx: &Ctxt, input: &'a DeriveInput) -> Aggregate<'a> {
    let mut attrs = attr::aggregate(cx, &input.attrs);
    let ident = &input.ident;
    if matches!(input.data, Data::Union(_)) {
        cx.error(
            ident,
            "an aggregate is a struct or an enum, not a union: write a struct",
        );
    }
    for field in fields_of(&input.data) {
        let message = "write `#[aggregate(..)]` above the type";
        attr::refuse(cx, &field.attrs, "aggregate", message);
    }
    refuse_generics(
        cx,
        &input.generics,
        "an aggregate cannot be generic, because its name stands for one type: \
         write a separate type for each type argument",
    );
    refuse_missing(cx, ident, &attrs);
    let name = name::given(cx, ident, attrs.name.value.as_ref(), Kind::Aggregate);
    let (events, is_whole) = aggregate_events(cx, &mut attrs);
    let mut event_enum = match attrs.event_enum.value {
        Some(ident) => ident,
        None => format_ident!("{}Event", ident.unraw(), span = ident.span()),
    };
    if let Checked::Good(events) = &events
        && refuse_enum_name(cx, &event_enum, events)
    {
        event_enum = format_ident!("__{}", event_enum.unraw());
    }
    let id = match attrs.id.value {
        Some(id) => Checked::Good(id),
        None => Checked::Bad,
    };
    Aggregate {
        input,
        krate: attrs.krate,
        name,
        id,
        event_enum,
        apply_enum: attrs.apply.value.map(|word| word.span),
        events,
        is_whole,
    }
}

fn fields_of(data: &Data) -> Vec<&syn::Field> {
    match data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|one| &one.fields).collect(),
        Data::Union(_) => Vec::new(),
    }
}

fn aggregate_events(cx: &Ctxt, attrs: &mut AggregateAttrs) -> (Checked<Vec<Variant>>, bool) {
    match attrs.events.value.take() {
        Some(events) if !events.is_empty() => {
            let count = events.len();
            let events = distinct(cx, events);
            let is_whole = events.len() == count;
            (Checked::Good(events), is_whole)
        }
        _ => (Checked::Bad, false),
    }
}

/// What is missing of the attribute.
fn refuse_missing(cx: &Ctxt, ident: &Ident, attrs: &AggregateAttrs) {
    if !attrs.complete {
        return;
    }
    let name = name::suggest(&ident.to_string(), Kind::Aggregate);
    let plain = ident.unraw();
    let missing = [
        Needed {
            is_there: attrs.name.seen,
            what: "name for its streams",
            key: format!("name = \"{name}\""),
        },
        Needed {
            is_there: attrs.id.seen,
            what: "type for its ids",
            key: format!("id = {plain}Id"),
        },
        Needed {
            is_there: attrs.events.has_entries(),
            what: "events",
            key: format!("events({plain}Created, ..)"),
        },
    ];
    needed(cx, ident, "aggregate", "aggregate", &missing);
}

/// A second type of the same name would be an error of rustc's in the middle of generated code.
/// Says whether there is one.
pub(super) fn refuse_enum_name(cx: &Ctxt, event_enum: &Ident, events: &[Variant]) -> bool {
    let clash = events.iter().find(|event| match &event.ty {
        Type::Path(ty) => ty.path.is_ident(event_enum),
        _ => false,
    });
    let Some(event) = clash else {
        return false;
    };
    cx.error(
        &event.ty,
        format_args!(
            "the generated enum would have the name of this event, `{event_enum}`: \
             write `event_enum = SomeOtherName`"
        ),
    );
    true
}
