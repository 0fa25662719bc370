//! Parsing of `#[projection(..)]`.

use super::key::{Form, Key, read};
use super::{CRATE, default_crate, path_of_crate, types};
use crate::ctxt::Ctxt;
use syn::parse::Parse;
use syn::{Attribute, LitInt, LitStr, Path, Type};

const PROJECTION: Form = Form {
    attribute: "projection",
    keys: &[
        "name", "version", "events", "ignore", "covers", "views", "tables", "store", "crate",
    ],
    example: "#[projection(name = \"orders\", events(OrderPlaced), views(Orders))]",
    elsewhere: &[],
};

/// What `#[projection(..)]` says.
pub(crate) struct ProjectionAttrs {
    pub(crate) name: Key<LitStr>,
    pub(crate) version: Key<LitInt>,
    pub(crate) events: Key<Vec<Type>>,
    pub(crate) ignore: Key<Vec<Type>>,
    pub(crate) covers: Key<Vec<Type>>,
    pub(crate) views: Key<Vec<Type>>,
    pub(crate) tables: Key<Path>,
    pub(crate) store: Key<Type>,
    pub(crate) krate: Path,
    /// As of an event.
    pub(crate) complete: bool,
}

pub(crate) fn projection(cx: &Ctxt, attrs: &[Attribute]) -> ProjectionAttrs {
    let (mut name, mut version) = (Key::new(), Key::new());
    let (mut events, mut ignore, mut covers) = (Key::new(), Key::new(), Key::new());
    let (mut views, mut tables) = (Key::new(), Key::new());
    let (mut store, mut krate) = (Key::new(), Key::new());
    let complete = read(cx, attrs, &PROJECTION, |key, meta| match key {
        "name" => {
            let help = "`name` is a string: write `name = \"orders\"`";
            name.value(cx, meta, help, <LitStr as Parse>::parse)
        }
        "version" => {
            let help = "`version` is a whole number: write `version = 2`";
            version.value(cx, meta, help, LitInt::parse)
        }
        "events" => {
            let help =
                "`events` is a list of event types: write `events(OrderPlaced, OrderApproved)`";
            events.list(cx, meta, help, types)
        }
        "ignore" => {
            let help = "`ignore` is a list of event types: write `ignore(OrderViewed)`";
            ignore.list(cx, meta, help, types)
        }
        "covers" => {
            let help = "`covers` is a list of event sets, all of whose events must be listed: \
                        write `covers(OrderEvent)`";
            covers.list(cx, meta, help, types)
        }
        "views" => {
            let help = "`views` is a list of views: write `views(Orders, Customers)`";
            views.list(cx, meta, help, types)
        }
        "tables" => {
            let help = "`tables` is a function that returns the definitions of tables in a store of \
                        your own: write `tables = order_tables`";
            tables.value(cx, meta, help, Path::parse)
        }
        "store" => {
            let help =
                "`store` is the type of the store that keeps the views: write `store = SqlViews`";
            store.value(cx, meta, help, Type::parse)
        }
        _ => krate.value(cx, meta, CRATE, |input| path_of_crate(cx, input)),
    });
    ProjectionAttrs {
        name,
        version,
        events,
        ignore,
        covers,
        views,
        tables,
        store,
        krate: krate.value.unwrap_or_else(default_crate),
        complete,
    }
}
