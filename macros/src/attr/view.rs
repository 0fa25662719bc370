//! Parsing of `#[view(..)]` and `#[view_key(..)]`.

use super::key::{Form, Key, read};
use super::{CRATE, default_crate, path_of_crate};
use crate::ctxt::Ctxt;
use proc_macro2::Ident;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, LitStr, Path, Result, Token};

const VIEW: Form = Form {
    attribute: "view",
    keys: &["name", "key", "index", "crate"],
    example: "#[view(key = id, index(city))]",
    elsewhere: &[
        ("unique", OPTION_OF_AN_INDEX),
        ("ordered", OPTION_OF_AN_INDEX),
    ],
};
const OPTION_OF_AN_INDEX: &str =
    "this is an option of an index: write `index(field, unique)` or `index(field, ordered)`";

const VIEW_KEY: Form = Form {
    attribute: "view_key",
    keys: &["crate"],
    example: "#[view_key(crate = path::to::midgard)]",
    elsewhere: &[],
};

/// What `#[view(..)]` says.
pub(crate) struct ViewAttrs {
    pub(crate) name: Key<LitStr>,
    pub(crate) key: Key<Vec<Ident>>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) krate: Path,
    /// As of an event.
    pub(crate) complete: bool,
}

/// `index(city)`, `index(place = (country, city), unique, ordered)`.
pub(crate) struct Index {
    pub(crate) name: Ident,
    /// The fields of the value, which is a tuple where they are several.
    pub(crate) fields: Vec<Ident>,
    pub(crate) unique: bool,
    pub(crate) ordered: bool,
    /// Words that are no options.
    pub(crate) unknown: Vec<Ident>,
}

pub(crate) fn view(cx: &Ctxt, attrs: &[Attribute]) -> ViewAttrs {
    let (mut name, mut key, mut krate) = (Key::new(), Key::new(), Key::new());
    let mut indexes = Vec::new();
    let complete = read(cx, attrs, &VIEW, |word, meta| match word {
        "name" => {
            let help = "`name` is a string: write `name = \"customer\"`";
            name.value(cx, meta, help, <LitStr as Parse>::parse)
        }
        "key" => {
            let help =
                "`key` is a field, or several of them: write `key = id`, or `key = (order, line)`";
            key.value(cx, meta, help, fields)
        }
        "index" => {
            let help = "`index` takes a field: write `index(city)`, `index(city, unique, ordered)` \
                        or `index(place = (country, city))`";
            let mut one = Key::new();
            one.list(cx, meta, help, |input| index(cx, input))?;
            indexes.extend(one.value);
            Ok(())
        }
        _ => krate.value(cx, meta, CRATE, |input| path_of_crate(cx, input)),
    });
    ViewAttrs {
        name,
        key,
        indexes,
        krate: krate.value.unwrap_or_else(default_crate),
        complete,
    }
}

pub(crate) fn view_key(cx: &Ctxt, attrs: &[Attribute]) -> Path {
    let mut krate = Key::new();
    read(cx, attrs, &VIEW_KEY, |_, meta| {
        krate.value(cx, meta, CRATE, |input| path_of_crate(cx, input))
    });
    krate.value.unwrap_or_else(default_crate)
}

/// `a` or `(a, b)`.
fn fields(input: ParseStream<'_>) -> Result<Vec<Ident>> {
    if !input.peek(syn::token::Paren) {
        return Ok(vec![input.parse()?]);
    }
    let content;
    syn::parenthesized!(content in input);
    let fields = Punctuated::<Ident, Token![,]>::parse_terminated(&content)?;
    if fields.is_empty() {
        return Err(content.error("expected a field"));
    }
    Ok(fields.into_iter().collect())
}

/// What is in the parentheses of `index(..)`.
fn index(cx: &Ctxt, input: ParseStream<'_>) -> Result<Index> {
    let name: Ident = input.parse()?;
    let fields = if input.parse::<Option<Token![=]>>()?.is_some() {
        fields(input)?
    } else {
        vec![name.clone()]
    };
    let mut index = Index {
        name,
        fields,
        unique: false,
        ordered: false,
        unknown: Vec::new(),
    };
    while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
        let option: Ident = input.parse()?;
        let seen = match option.to_string().as_str() {
            "unique" => &mut index.unique,
            "ordered" => &mut index.ordered,
            _ => {
                index.unknown.push(option);
                continue;
            }
        };
        if std::mem::replace(seen, true) {
            cx.error(&option, format_args!("`{option}` is given twice: keep one"));
        }
    }
    if !input.is_empty() {
        return Err(input.error("expected a comma"));
    }
    Ok(index)
}
