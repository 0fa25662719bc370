//! What serde's own attributes say about how the fields of an event are written and read.
//!
//! Mistakes in them are serde's to report: what cannot be read here is passed over.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, LitStr, Path, Result, Token};

/// What `#[serde(..)]` on a struct says.
#[derive(Default)]
pub(crate) struct SerdeStruct {
    /// A field that is missing is that of the struct's default.
    pub(crate) default: bool,
    /// The fields are not read by serde's derive, but by another type.
    pub(crate) converted: bool,
    pub(crate) rename_all: Option<String>,
}

/// What `#[serde(..)]` on a field says.
#[derive(Default)]
pub(crate) struct SerdeField {
    /// A field that is missing has a default.
    pub(crate) default: bool,
    /// Where it says that the field is never read.
    pub(crate) unread: Option<Path>,
    /// Where it says that the field is left out, always or at times.
    pub(crate) left_out: Option<Path>,
    pub(crate) flatten: Option<Path>,
    /// Whether a function reads the field: serde reports it when it is missing.
    pub(crate) read_with: bool,
    pub(crate) rename: Option<String>,
    pub(crate) aliases: Vec<String>,
}

pub(crate) fn serde_struct(attrs: &[Attribute]) -> SerdeStruct {
    let mut all = SerdeStruct::default();
    each(attrs, |key, meta| match key {
        "default" => {
            all.default = true;
            pass_over(meta)
        }
        "from" | "try_from" | "transparent" | "remote" => {
            all.converted = true;
            pass_over(meta)
        }
        "rename_all" => read_name(meta, &mut all.rename_all),
        _ => pass_over(meta),
    });
    all
}

pub(crate) fn serde_field(attrs: &[Attribute]) -> SerdeField {
    let mut all = SerdeField::default();
    each(attrs, |key, meta| {
        let path = || Some(meta.path.clone());
        match key {
            "default" => all.default = true,
            "skip" | "skip_deserializing" => all.unread = path(),
            "skip_serializing" | "skip_serializing_if" => all.left_out = path(),
            "flatten" => all.flatten = path(),
            "with" | "deserialize_with" => all.read_with = true,
            "rename" => return read_name(meta, &mut all.rename),
            "alias" => {
                all.aliases.push(meta.value()?.parse::<LitStr>()?.value());
                return Ok(());
            }
            _ => {}
        }
        pass_over(meta)
    });
    all
}

fn each(attrs: &[Attribute], mut read: impl FnMut(&str, &ParseNestedMeta<'_>) -> Result<()>) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
        let read = attr.parse_nested_meta(|meta| match meta.path.get_ident() {
            Some(key) => read(&key.to_string(), &meta),
            None => pass_over(&meta),
        });
        // Reported by serde.
        drop(read);
    }
}

/// `rename = ".."`, or `rename(deserialize = "..", serialize = "..")`, of which the first is what is read.
fn read_name(meta: &ParseNestedMeta<'_>, name: &mut Option<String>) -> Result<()> {
    if meta.input.peek(Token![=]) {
        *name = Some(meta.value()?.parse::<LitStr>()?.value());
        return Ok(());
    }
    meta.parse_nested_meta(|inner| {
        let text = inner.value()?.parse::<LitStr>()?.value();
        if inner.path.is_ident("deserialize") {
            *name = Some(text);
        }
        Ok(())
    })
}

fn pass_over(meta: &ParseNestedMeta<'_>) -> Result<()> {
    super::skip_value(meta.input).map(drop)
}

/// The name of a field under `rename_all`.
pub(crate) fn renamed(field: &str, rule: Option<&str>) -> String {
    let pascal = || {
        let words = field.split('_');
        words.map(capitalized).collect::<String>()
    };
    match rule {
        Some("UPPERCASE" | "SCREAMING_SNAKE_CASE") => field.to_ascii_uppercase(),
        Some("PascalCase") => pascal(),
        Some("camelCase") => {
            let name = pascal();
            let mut letters = name.chars();
            let first = letters.next().map(|first| first.to_ascii_lowercase());
            first.into_iter().chain(letters).collect()
        }
        Some("kebab-case") => field.replace('_', "-"),
        Some("SCREAMING-KEBAB-CASE") => field.to_ascii_uppercase().replace('_', "-"),
        // Fields are called in snake case as they are.
        _ => field.to_owned(),
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
