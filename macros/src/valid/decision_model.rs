//! The rules on a decision model.

use super::aggregate::refuse_enum_name;
use super::name::{self, Kind};
use super::{Checked, Needed, distinct, needed, refuse_generics};
use crate::attr::{self, DecisionAttrs, Variant};
use crate::ctxt::Ctxt;
use proc_macro2::{Ident, Span};
use quote::format_ident;
use syn::ext::IdentExt as _;
use syn::{Data, DeriveInput, Fields, Member, Path, Type};

/// What `#[derive(DecisionModel)]` has to generate.
pub(crate) struct DecisionModel<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: Path,
    pub(crate) event_enum: Ident,
    /// Where it says that one function takes the whole enum.
    pub(crate) apply_enum: Option<Span>,
    pub(crate) events: Checked<Vec<Variant>>,
    pub(crate) fields: Vec<ModelField<'a>>,
    /// Whether nothing had to be reported.
    pub(crate) sound: bool,
}

/// A field, and the key of the tag that it is.
pub(crate) struct ModelField<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    pub(crate) tag: Option<String>,
}

pub(crate) fn decision_model<'a>(cx: &Ctxt, input: &'a DeriveInput) -> DecisionModel<'a> {
    let mut attrs = attr::decision(cx, &input.attrs);
    let ident = &input.ident;
    let fields = match &input.data {
        Data::Struct(data) => fields_of(cx, &data.fields),
        _ => {
            cx.error(
                ident,
                "a decision model is a struct: its fields are its tags, and the state that a decision needs",
            );
            Vec::new()
        }
    };
    refuse_generics(
        cx,
        &input.generics,
        "a decision model cannot be generic, because its query stands for the tags of certain types: \
         write a type for each that it is used with",
    );
    let missing = [Needed {
        is_there: attrs.events.has_entries() || !attrs.complete,
        what: "events",
        key: "events(CourseDefined, ..)".to_owned(),
    }];
    needed(cx, ident, "decision model", "decision", &missing);
    if matches!(input.data, Data::Struct(_)) {
        check_tags(cx, ident, &attrs, &fields);
    }
    let events = match attrs.events.value.take() {
        Some(events) if !events.is_empty() => Checked::Good(distinct(cx, events)),
        _ => Checked::Bad,
    };
    let mut event_enum = match attrs.event_enum.value {
        Some(ident) => ident,
        None => format_ident!("{}Event", ident.unraw(), span = ident.span()),
    };
    if let Checked::Good(events) = &events
        && refuse_enum_name(cx, &event_enum, events)
    {
        event_enum = format_ident!("__{}", event_enum.unraw());
    }
    DecisionModel {
        input,
        krate: attrs.krate,
        event_enum,
        apply_enum: attrs.apply.value.map(|word| word.span),
        events,
        fields,
        sound: cx.count() == 0,
    }
}

fn fields_of<'a>(cx: &Ctxt, fields: &'a Fields) -> Vec<ModelField<'a>> {
    let mut known: Vec<ModelField<'a>> = Vec::new();
    for (field, member) in fields.iter().zip(fields.members()) {
        let tag = attr::decision_tag(cx, &field.attrs);
        let tag = tag.and_then(|key| match (key, &member) {
            (Some(key), _) => {
                let checked = name::check(&key.value(), Kind::Tag, "course");
                checked.map_err(|message| cx.error(&key, message)).ok()?;
                Some(key.value())
            }
            (None, Member::Named(name)) => Some(name.unraw().to_string()),
            (None, Member::Unnamed(_)) => {
                cx.error(
                    field,
                    "this field has no name that its tag could have: write `#[decision(tag = \"course\")]`",
                );
                None
            }
        });
        if let Some(tag) = &tag
            && known.iter().any(|other| other.tag.as_ref() == Some(tag))
        {
            cx.error(
                field,
                format_args!("an earlier field is the tag `{tag}` already: keep one of the two"),
            );
        }
        known.push(ModelField {
            member,
            ty: &field.ty,
            tag,
        });
    }
    known
}

/// A model has tags, or says that it has none: one without would meet every event of its types, and that is rarely meant.
fn check_tags(cx: &Ctxt, ident: &Ident, attrs: &DecisionAttrs, fields: &[ModelField<'_>]) {
    let tag = fields.iter().find(|field| field.tag.is_some());
    match (tag, attrs.all) {
        (Some(_), Some(span)) => cx.push(syn::Error::new(
            span,
            "`all` is for a model without tags, and this one has a field with `#[decision(tag)]`: keep one of the two",
        )),
        // What could not be read may be either.
        (None, None) if attrs.complete && cx.count() == 0 => cx.error(
            ident,
            "this decision model has no tag: mark the field that selects its events with `#[decision(tag)]`, \
             or write `#[decision(all, ..)]` if each decision depends on all events of these types",
        ),
        _ => {}
    }
}
