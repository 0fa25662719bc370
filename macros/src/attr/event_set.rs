//! Parsing of `#[event_set(..)]`.

use super::key::{Form, Key, read};
use super::{CRATE, default_crate, path_of_crate};
use crate::ctxt::Ctxt;
use syn::{Attribute, Path};

const EVENT_SET: Form = Form {
    attribute: "event_set",
    keys: &["crate"],
    example: "#[event_set(crate = path::to::midgard)]",
    elsewhere: &[],
};

pub(crate) fn event_set(cx: &Ctxt, attrs: &[Attribute]) -> Path {
    let mut krate = Key::new();
    read(cx, attrs, &EVENT_SET, |_, meta| {
        krate.value(cx, meta, CRATE, |input| path_of_crate(cx, input))
    });
    krate.value.unwrap_or_else(default_crate)
}
