//! The rules on a projection.

use super::name::{self, Kind};
use super::{Checked, distinct_types, refuse_generics, refuse_inner, text, versions};
use crate::attr::{self, ProjectionAttrs};
use crate::ctxt::Ctxt;
use proc_macro2::Ident;
use std::collections::HashMap;
use syn::{DeriveInput, Path, Type};

/// What `#[derive(Projection)]` has to generate.
pub(crate) struct Projection<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) events: Vec<Type>,
    pub(crate) ignore: Vec<Type>,
    pub(crate) covers: Vec<Type>,
    pub(crate) views: Checked<Vec<Type>>,
    /// A function that gives what is kept instead of views.
    pub(crate) tables: Option<Path>,
    pub(crate) store: Option<Type>,
    /// Whether nothing had to be reported.
    pub(crate) sound: bool,
}

pub(crate) fn projection<'a>(cx: &Ctxt, input: &'a DeriveInput) -> Projection<'a> {
    let attrs = attr::projection(cx, &input.attrs);
    let ident = &input.ident;
    refuse_inner(cx, &input.data, "projection");
    refuse_generics(
        cx,
        &input.generics,
        "a projection cannot be generic, because its name stands for one checkpoint: \
         write a separate type for each type argument",
    );
    refuse_missing(cx, ident, &attrs);
    if let (Some(tables), true) = (&attrs.tables.value, attrs.views.seen) {
        cx.error(
            tables,
            "`views(..)` lists tables of `midgard::Views`, and `tables` those of a store of your own: keep one of the two",
        );
    }
    let name = name::given(cx, ident, attrs.name.value.as_ref(), Kind::Projection);
    let version = attrs.version.value.as_ref();
    let version = version.and_then(|version| versions::number(cx, version));
    let [events, ignore, covers] = [&attrs.events, &attrs.ignore, &attrs.covers]
        .map(|key| key.value.clone().unwrap_or_default());
    let (events, ignore) = distinct_events(cx, events, ignore);
    let covers = distinct_types(cx, covers, "set");
    let views = match (attrs.views.value, attrs.views.seen) {
        (Some(views), _) => Checked::Good(distinct_types(cx, views, "view")),
        (None, false) if attrs.complete => Checked::Good(Vec::new()),
        (None, _) => Checked::Bad,
    };
    Projection {
        input,
        krate: attrs.krate,
        name,
        version: version.unwrap_or(1),
        events,
        ignore,
        covers,
        views,
        tables: attrs.tables.value,
        store: attrs.store.value,
        sound: cx.count() == 0,
    }
}

/// All that is missing is one mistake: the attribute is written at once.
fn refuse_missing(cx: &Ctxt, ident: &Ident, attrs: &ProjectionAttrs) {
    let no_events = !attrs.events.has_entries();
    let name = name::suggest(&ident.to_string(), Kind::Projection);
    let (what, keys) = match (!attrs.name.seen, no_events) {
        (false, false) => return,
        (true, false) => ("name", format!("name = \"{name}\", ..")),
        (false, true) => ("events", "events(OrderPlaced, ..), ..".to_owned()),
        (true, true) => (
            "name and no events",
            format!("name = \"{name}\", events(OrderPlaced, ..), .."),
        ),
    };
    if attrs.complete {
        cx.error(
            ident,
            format_args!("this projection has no {what}: write `#[projection({keys})]`"),
        );
    }
}

/// Each event is handled or ignored, and once.
fn distinct_events(cx: &Ctxt, events: Vec<Type>, ignore: Vec<Type>) -> (Vec<Type>, Vec<Type>) {
    let mut seen = HashMap::new();
    let mut keep = |list: Vec<Type>, place: &'static str| {
        let mut kept = Vec::new();
        for ty in list {
            let name = text(&ty);
            match seen.get(&name) {
                None => {
                    seen.insert(name, place);
                    kept.push(ty);
                }
                Some(other) if *other == place => cx.error(
                    &ty,
                    format_args!("event `{name}` is listed twice: keep one"),
                ),
                Some(_) => cx.error(
                    &ty,
                    format_args!(
                        "event `{name}` is in `events(..)` and in `ignore(..)`: \
                         remove it from one of the two"
                    ),
                ),
            }
        }
        kept
    };
    let events = keep(events, "events");
    (events, keep(ignore, "ignore"))
}
