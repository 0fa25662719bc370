//! The rules on how the fields of an event, of a row, and of a key are stored: what is stored is what is loaded, and a
//! change of an event's struct that would read something else is noticed.

use crate::attr::{SerdeField, renamed, serde_field, serde_struct};
use crate::ctxt::Ctxt;
use std::collections::HashMap;
use syn::ext::IdentExt as _;
use syn::{Attribute, Field, Fields, GenericArgument, Path, PathArguments, Type};

/// How the fields of an event are read.
pub(crate) enum Payload {
    /// By name. For each field that serde takes for `None` when it is missing, the names it may have.
    Named(Vec<Vec<String>>),
    /// In any other way.
    Other,
}

pub(crate) fn payload(cx: &Ctxt, attrs: &[Attribute], fields: &Fields) -> Payload {
    let whole = serde_struct(attrs);
    if whole.converted {
        return Payload::Other;
    }
    let of_each: Vec<_> = fields
        .iter()
        .map(|field| (field, serde_field(&field.attrs)))
        .collect();
    for (field, said) in &of_each {
        check(cx, field, said, whole.default);
    }
    match fields {
        Fields::Named(_) => {
            let rule = whole.rename_all.as_deref();
            let may_lack = |(field, said): (&Field, SerdeField)| names(field, said, rule);
            let all = of_each.into_iter().filter_map(may_lack);
            Payload::Named(if whole.default {
                Vec::new()
            } else {
                all.collect()
            })
        }
        Fields::Unnamed(fields) => {
            refuse_mistakable(cx, fields.unnamed.iter());
            Payload::Other
        }
        Fields::Unit => Payload::Other,
    }
}

/// The rules on the fields of a row: what a handler puts is what the next one reads.
pub(super) fn row(cx: &Ctxt, attrs: &[Attribute], fields: &[&Field]) {
    let whole = serde_struct(attrs);
    if whole.converted {
        return;
    }
    for field in fields {
        let said = serde_field(&field.attrs);
        let is_option = argument_of(&field.ty, "Option").is_some();
        if let Some(skipped) = skipped(&said) {
            cx.error(
                skipped,
                "this field would lose its value when the row is read: remove this attribute, or remove the field from \
                 the view",
            );
        } else if let Some(left_out) = &said.left_out
            && !(is_option || said.default || whole.default)
        {
            cx.error(
                left_out,
                "a row that was stored without this field could not be read again: add `default`, \
                 as in `#[serde(default, skip_serializing_if = \"..\")]`",
            );
        }
        refuse_flattened_option(cx, &said, is_option);
        if !said.read_with
            && let Some(lost) = twice_null(&field.ty)
        {
            cx.error(
                lost,
                "JSON has only one `null`, so a `Some` here may be read as `None`: use an enum with a variant for each \
                 case",
            );
        }
    }
}

/// The rules on the fields of a key, or on its variants, which stand in rows.
pub(super) fn key<'a>(cx: &Ctxt, attrs: impl Iterator<Item = &'a [Attribute]>) {
    for attrs in attrs {
        if let Some(skipped) = skipped(&serde_field(attrs)) {
            cx.error(
                skipped,
                "this part of the key would lose its value when the row is read: remove this attribute",
            );
        }
    }
}

/// Where it says that what was written is not read, or that nothing is written.
fn skipped(said: &SerdeField) -> Option<&Path> {
    let unwritten = said.left_out.as_ref();
    let unwritten = unwritten.filter(|left_out| left_out.is_ident("skip_serializing"));
    said.unread.as_ref().or(unwritten)
}

/// The `Option` within a type whose `Some` may be written as `null` too.
fn twice_null(ty: &Type) -> Option<&Type> {
    if let Some(inner) = argument_of(ty, "Option") {
        let is_unit = matches!(plain(inner), Type::Tuple(tuple) if tuple.elems.is_empty());
        if is_unit || argument_of(inner, "Option").is_some() {
            return Some(ty);
        }
    }
    match plain(ty) {
        Type::Path(path) => match &path.path.segments.last()?.arguments {
            PathArguments::AngleBracketed(arguments) => {
                arguments.args.iter().find_map(|argument| match argument {
                    GenericArgument::Type(ty) => twice_null(ty),
                    _ => None,
                })
            }
            _ => None,
        },
        Type::Tuple(tuple) => tuple.elems.iter().find_map(twice_null),
        Type::Array(array) => twice_null(&array.elem),
        _ => None,
    }
}

fn check(cx: &Ctxt, field: &Field, said: &SerdeField, has_default: bool) {
    if let Some(unread) = &said.unread {
        cx.error(
            unread,
            "this field would lose its value when the event is loaded: remove this attribute, or remove the field from the \
             event",
        );
    }
    let is_option = argument_of(&field.ty, "Option").is_some();
    if let Some(left_out) = &said.left_out
        && !(is_option || said.default || has_default)
    {
        cx.error(
            left_out,
            "an event that was stored without this field could not be read again: add `default`, \
             as in `#[serde(default, skip_serializing_if = \"..\")]`",
        );
    }
    refuse_flattened_option(cx, said, is_option);
}

fn refuse_flattened_option(cx: &Ctxt, said: &SerdeField, is_option: bool) {
    if let Some(flatten) = &said.flatten
        && is_option
    {
        cx.error(
            flatten,
            "serde reads a flattened `Option` as `None` when any of its fields is wrong: \
             flatten a struct whose fields are `Option`s",
        );
    }
}

/// The names that a field may have in a payload, when serde reads it as `None` where it has none of them.
fn names(field: &Field, said: SerdeField, rule: Option<&str>) -> Option<Vec<String>> {
    let is_noticed = said.default
        || said.unread.is_some()
        || said.left_out.is_some()
        || said.flatten.is_some()
        || said.read_with
        || kind(&field.ty).is_some_and(|kind| !kind.is_option);
    let ident = field.ident.as_ref().filter(|_| !is_noticed)?;
    let own = said
        .rename
        .unwrap_or_else(|| renamed(&ident.unraw().to_string(), rule));
    Some([vec![own], said.aliases].concat())
}

/// Fields without names are told from each other by their places alone.
fn refuse_mistakable<'a>(cx: &Ctxt, fields: impl Iterator<Item = &'a Field>) {
    let mut seen = HashMap::new();
    for field in fields {
        let ty = argument_of(&field.ty, "Option").unwrap_or(&field.ty);
        let key = match kind(ty) {
            Some(kind) => kind.json.to_owned(),
            None => quote::ToTokens::to_token_stream(ty).to_string(),
        };
        if seen.insert(key, ()).is_some() {
            cx.error(
                &field.ty,
                "this field and an earlier one look the same in JSON, so a change of their order would swap their values: \
                 give the fields names, as in `struct Moved { from: String, to: String }`; if such events are stored \
                 already, also add `#[serde(from = \"(String, String)\", into = \"(String, String)\")]`",
            );
        }
    }
}

/// What a type of the standard library looks like in JSON.
struct Kind {
    json: &'static str,
    is_option: bool,
}

/// `None` for types that are not of the standard library, by their names.
fn kind(ty: &Type) -> Option<Kind> {
    let Type::Path(path) = plain(ty) else {
        return None;
    };
    let name = path.path.segments.last()?.ident.to_string();
    let json = match &*name {
        "bool" => "bool",
        "String" | "char" | "PathBuf" => "text",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128"
        | "isize" | "f32" | "f64" => "number",
        "Vec" | "VecDeque" | "HashSet" | "BTreeSet" => "list",
        "HashMap" | "BTreeMap" => "map",
        "Option" => "option",
        _ => return None,
    };
    Some(Kind {
        json,
        is_option: json == "option",
    })
}

/// The `T` of `Option<T>`, by its name.
fn argument_of<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = plain(ty) else {
        return None;
    };
    let last = path
        .path
        .segments
        .last()
        .filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// A type without the invisible groups of `macro_rules!`.
fn plain(ty: &Type) -> &Type {
    match ty {
        Type::Group(ty) => plain(&ty.elem),
        Type::Paren(ty) => plain(&ty.elem),
        ty => ty,
    }
}
