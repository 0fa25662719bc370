//! Parsing of `#[event(..)]`, above a struct and on its fields.

use super::key::{Form, Key, read};
use super::{CRATE, default_crate, path_of_crate, types};
use crate::ctxt::Ctxt;
use syn::parse::Parse;
use syn::{Attribute, LitInt, LitStr, Path, Type};

const EVENT: Form = Form {
    attribute: "event",
    keys: &[
        "name",
        "version",
        "upcast_from",
        "upcast_with",
        "split_from",
        "crate",
    ],
    example: "#[event(name = \"user.created\")]",
    elsewhere: &[(
        "tag",
        "`tag` belongs on a field: write `#[event(tag = \"..\")]` above the field whose value is the tag",
    )],
};

const FIELD: Form = Form {
    attribute: "event",
    keys: &["tag"],
    example: "#[event(tag = \"email\")]",
    elsewhere: &[
        ("name", FIELD_TAKES_TAG),
        ("version", FIELD_TAKES_TAG),
        ("upcast_from", FIELD_TAKES_TAG),
        ("upcast_with", FIELD_TAKES_TAG),
        ("split_from", FIELD_TAKES_TAG),
        ("crate", FIELD_TAKES_TAG),
    ],
};
const FIELD_TAKES_TAG: &str =
    "a field takes only `tag = \"..\"`: move this key to `#[event(..)]` above the struct";

/// What `#[event(..)]` on a struct says.
pub(crate) struct EventAttrs {
    pub(crate) name: Key<LitStr>,
    pub(crate) version: Key<LitInt>,
    pub(crate) upcast_from: Key<Path>,
    pub(crate) upcast_with: Key<Path>,
    pub(crate) split_from: Key<Vec<Type>>,
    pub(crate) krate: Path,
    /// Whether all of it could be read. If not, a key that was not seen may still be there.
    pub(crate) complete: bool,
}

pub(crate) fn event(cx: &Ctxt, attrs: &[Attribute]) -> EventAttrs {
    let (mut name, mut version) = (Key::new(), Key::new());
    let (mut upcast_from, mut upcast_with) = (Key::new(), Key::new());
    let (mut split_from, mut krate) = (Key::new(), Key::new());
    let complete = read(cx, attrs, &EVENT, |key, meta| match key {
        "name" => {
            let help = "`name` is a string: write `name = \"user.created\"`";
            name.value(cx, meta, help, <LitStr as Parse>::parse)
        }
        "version" => {
            let help = "`version` is a whole number: write `version = 2`";
            version.value(cx, meta, help, LitInt::parse)
        }
        "upcast_from" => {
            let help = "`upcast_from` is the type of the previous version: write `upcast_from = UserCreatedV1`";
            upcast_from.value(cx, meta, help, Path::parse)
        }
        "upcast_with" => {
            let help = "`upcast_with` is the function that upcasts: write `upcast_with = upcast_user_created`";
            upcast_with.value(cx, meta, help, Path::parse)
        }
        "split_from" => {
            let help = "`split_from` is a list of events: write `split_from(UserRegistered)`";
            split_from.list(cx, meta, help, types)
        }
        _ => krate.value(cx, meta, CRATE, |input| path_of_crate(cx, input)),
    });
    EventAttrs {
        name,
        version,
        upcast_from,
        upcast_with,
        split_from,
        krate: krate.value.unwrap_or_else(default_crate),
        complete,
    }
}

/// The key of the tag that a field is marked as.
pub(crate) fn field(cx: &Ctxt, attrs: &[Attribute]) -> Option<LitStr> {
    let mut tag = Key::new();
    let complete = read(cx, attrs, &FIELD, |_, meta| {
        let help = "`tag` is a string: write `tag = \"email\"`";
        tag.value(cx, meta, help, <LitStr as Parse>::parse)
    });
    let attr = attrs.iter().find(|attr| attr.path().is_ident("event"));
    if let (true, false, Some(attr)) = (complete, tag.seen, attr) {
        cx.error(
            attr,
            format_args!("this attribute is empty: write `{}`", FIELD.example),
        );
    }
    tag.value
}
