//! Parsing of `#[decision(..)]`, above a struct and on its fields.

use super::aggregate::Variant;
use super::key::{Form, Key, read};
use super::{CRATE, default_crate, path_of_crate};
use crate::ctxt::Ctxt;
use proc_macro2::{Ident, Span};
use syn::parse::Parse;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Attribute, LitStr, Path, Token};

const DECISION: Form = Form {
    attribute: "decision",
    keys: &["events", "all", "event_enum", "apply", "crate"],
    example: "#[decision(events(CourseDefined, StudentSubscribed))]",
    elsewhere: &[(
        "tag",
        "`tag` belongs on a field: write `#[decision(tag)]` above the field whose value is the tag",
    )],
};

const FIELD: Form = Form {
    attribute: "decision",
    keys: &["tag"],
    example: "#[decision(tag)]",
    elsewhere: &[
        ("events", FIELD_TAKES_TAG),
        ("all", FIELD_TAKES_TAG),
        ("event_enum", FIELD_TAKES_TAG),
        ("apply", FIELD_TAKES_TAG),
        ("crate", FIELD_TAKES_TAG),
    ],
};
const FIELD_TAKES_TAG: &str = "this key belongs on the struct; a field takes only `tag`";

/// What `#[decision(..)]` on a struct says.
pub(crate) struct DecisionAttrs {
    pub(crate) events: Key<Vec<Variant>>,
    /// Where it says that the model has no tags.
    pub(crate) all: Option<Span>,
    pub(crate) event_enum: Key<Ident>,
    /// `apply = enum`: one function takes the whole enum.
    pub(crate) apply: Key<Token![enum]>,
    pub(crate) krate: Path,
    /// Whether all of it could be read.
    pub(crate) complete: bool,
}

pub(crate) fn decision(cx: &Ctxt, attrs: &[Attribute]) -> DecisionAttrs {
    let (mut events, mut all) = (Key::new(), None);
    let (mut event_enum, mut apply, mut krate) = (Key::new(), Key::new(), Key::new());
    let complete = read(cx, attrs, &DECISION, |key, meta| match key {
        "events" => {
            let help = "`events` is a list of event types: write `events(CourseDefined, StudentSubscribed)`";
            events.list(cx, meta, help, |input| {
                let list = Punctuated::<Variant, Token![,]>::parse_terminated(input)?;
                Ok(list.into_iter().collect())
            })
        }
        "all" => {
            all = Some(meta.path.span());
            Ok(())
        }
        "event_enum" => {
            let help = "`event_enum` is the name of the enum to generate: write `event_enum = CourseEvent`";
            event_enum.value(cx, meta, help, Ident::parse)
        }
        "apply" => {
            let help = "write `apply = enum` for one `Apply` of the whole enum, with a `match`; \
                leave it out for an `Apply` of each event";
            apply.value(cx, meta, help, <Token![enum] as Parse>::parse)
        }
        _ => krate.value(cx, meta, CRATE, |input| path_of_crate(cx, input)),
    });
    DecisionAttrs {
        events,
        all,
        event_enum,
        apply,
        krate: krate.value.unwrap_or_else(default_crate),
        complete,
    }
}

/// The key of the tag that a field is marked as: the name of the field, unless it says another.
pub(crate) fn decision_tag(cx: &Ctxt, attrs: &[Attribute]) -> Option<Option<LitStr>> {
    let mut tag = None;
    let complete = read(cx, attrs, &FIELD, |_, meta| {
        if tag.is_some() {
            cx.error(&meta.path, "`tag` is given twice: keep one");
        }
        if !meta.input.peek(Token![=]) {
            tag = Some(None);
            return Ok(());
        }
        let mut key = Key::new();
        let help = "the key of a tag is a string: write `tag = \"course\"`, or `tag` for the name of the field";
        key.value(cx, meta, help, <LitStr as Parse>::parse)?;
        tag = Some(key.value);
        Ok(())
    });
    let attr = attrs.iter().find(|attr| attr.path().is_ident("decision"));
    if let (true, None, Some(attr)) = (complete, &tag, attr) {
        cx.error(
            attr,
            format_args!("this says nothing: write `{}`", FIELD.example),
        );
    }
    tag
}
