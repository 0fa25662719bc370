//! Parsing of `#[aggregate_id(..)]`.

use super::key::{Form, Key, read};
use super::{CRATE, default_crate, path_of_crate};
use crate::ctxt::Ctxt;
use syn::{Attribute, Path};

const AGGREGATE_ID: Form = Form {
    attribute: "aggregate_id",
    keys: &["crate"],
    example: "#[aggregate_id(crate = path::to::midgard)]",
    elsewhere: &[],
};

pub(crate) fn aggregate_id(cx: &Ctxt, attrs: &[Attribute]) -> Path {
    let mut krate = Key::new();
    read(cx, attrs, &AGGREGATE_ID, |_, meta| {
        krate.value(cx, meta, CRATE, |input| path_of_crate(cx, input))
    });
    krate.value.unwrap_or_else(default_crate)
}
