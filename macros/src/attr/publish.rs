//! Parsing of `#[publish]`.

use super::key::{Form, Key, read};
use crate::ctxt::Ctxt;
use syn::parse::Parse as _;
use syn::{Attribute, Member, Meta};

const PUBLISH: Form = Form {
    attribute: "publish",
    keys: &["key"],
    example: "#[publish(key = customer)]",
    elsewhere: &[
        ("name", EVENT_TAKES_IT),
        ("version", EVENT_TAKES_IT),
        ("upcast_from", EVENT_TAKES_IT),
        ("crate", EVENT_TAKES_IT),
    ],
};
const EVENT_TAKES_IT: &str = "`#[publish(..)]` takes only `key`: move this key to `#[event(..)]`";

/// What `#[publish]` on an event says, if it is there.
pub(crate) struct PublishAttrs {
    pub(crate) key: Option<Member>,
}

pub(crate) fn publish(cx: &Ctxt, attrs: &[Attribute]) -> Option<PublishAttrs> {
    let attrs: Vec<_> = attrs
        .iter()
        .filter(|attr| attr.path().is_ident(PUBLISH.attribute))
        .cloned()
        .collect();
    if attrs.is_empty() {
        return None;
    }
    for again in attrs.iter().skip(1) {
        cx.error(again, "`#[publish]` is given twice: keep one");
    }
    // Alone, it says all that it has to.
    let lists: Vec<_> = attrs
        .into_iter()
        .take(1)
        .filter(|attr| !matches!(attr.meta, Meta::Path(_)))
        .collect();
    let mut key = Key::new();
    read(cx, &lists, &PUBLISH, |_, meta| {
        let help = "`key` is a field: write `key = customer`";
        key.value(cx, meta, help, Member::parse)
    });
    Some(PublishAttrs { key: key.value })
}
