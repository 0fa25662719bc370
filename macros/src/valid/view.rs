//! The rules on a view.

use super::name::{self, Kind};
use super::{Checked, payload, refuse_generics};
use crate::attr::{self, ViewAttrs, list, nearest};
use crate::ctxt::Ctxt;
use proc_macro2::Ident;
use syn::ext::IdentExt as _;
use syn::{Data, DeriveInput, Field, Fields, Path};

/// The most indexes that the layout of entries has numbers for.
const INDEXES: usize = 254;

/// What `#[derive(View)]` has to generate.
pub(crate) struct View<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: String,
    /// The fields of the key.
    pub(crate) key: Checked<Vec<&'a Field>>,
    pub(crate) indexes: Vec<Index<'a>>,
    pub(crate) fields: Vec<&'a Field>,
}

/// An index of a view.
pub(crate) struct Index<'a> {
    /// As it is written, where rustc may have to blame it.
    pub(crate) ident: Ident,
    pub(crate) name: String,
    /// The fields of its value.
    pub(crate) fields: Checked<Vec<&'a Field>>,
    pub(crate) unique: bool,
    pub(crate) ordered: bool,
}

pub(crate) fn view<'a>(cx: &Ctxt, input: &'a DeriveInput) -> View<'a> {
    let attrs = attr::view(cx, &input.attrs);
    let ident = &input.ident;
    let fields = match &input.data {
        Data::Struct(data) => {
            let fields = fields_of(cx, ident, &data.fields);
            payload::row(cx, &input.attrs, fields.as_deref().unwrap_or_default());
            fields
        }
        Data::Enum(_) => {
            cx.error(
                ident,
                "a view is a struct, because its rows are found by their fields: write a struct with the enum in \
                 a field",
            );
            None
        }
        Data::Union(_) => {
            cx.error(ident, "a view is a struct, not a union: write a struct");
            None
        }
    };
    refuse_generics(
        cx,
        &input.generics,
        "a view cannot be generic, because its name stands for one table: \
         write a separate struct for each type argument",
    );
    let name = view_name(cx, ident, &attrs);
    let (key, indexes) = match &fields {
        Some(fields) => (
            key_of(cx, ident, &attrs, fields),
            indexes_of(cx, ident, attrs.indexes, fields),
        ),
        // Without fields, nothing can be said of what names them.
        None => (Checked::Bad, stand_ins(attrs.indexes)),
    };
    View {
        input,
        krate: attrs.krate,
        name,
        key,
        indexes,
        fields: fields.unwrap_or_default(),
    }
}

fn fields_of<'a>(cx: &Ctxt, ident: &Ident, fields: &'a Fields) -> Option<Vec<&'a Field>> {
    for field in fields {
        let message = "write `#[view(..)]` above the struct, where it names fields: \
                       `key = ..` and `index(..)`";
        attr::refuse(cx, &field.attrs, "view", message);
    }
    match fields {
        Fields::Named(fields) if !fields.named.is_empty() => Some(fields.named.iter().collect()),
        Fields::Unnamed(_) => {
            cx.error(
                ident,
                format_args!(
                    "the fields of a view need names, because its key and its indexes refer to \
                     them: write `struct {ident} {{ id: .. }}`"
                ),
            );
            None
        }
        _ => {
            cx.error(
                ident,
                format_args!(
                    "a view needs at least one field, its key: write `struct {ident} {{ id: .. }}`"
                ),
            );
            None
        }
    }
}

fn view_name(cx: &Ctxt, ident: &Ident, attrs: &ViewAttrs) -> String {
    let suggestion = name::suggest(&ident.to_string(), Kind::View);
    let Some(name) = &attrs.name.value else {
        let text = ident.unraw().to_string();
        if attrs.complete && !attrs.name.seen && !text.is_ascii() {
            cx.error(
                ident,
                "no name can be derived from this identifier, because names may contain only `a-z`, `0-9`, \
                 `.`, `-` and `_`: write `#[view(name = \"..\", ..)]`",
            );
        }
        return suggestion;
    };
    if let Err(message) = name::check(&name.value(), Kind::View, &suggestion) {
        cx.error(name, message);
    }
    name.value()
}

fn key_of<'a>(
    cx: &Ctxt,
    ident: &Ident,
    attrs: &ViewAttrs,
    fields: &[&'a Field],
) -> Checked<Vec<&'a Field>> {
    let Some(key) = &attrs.key.value else {
        if attrs.complete && !attrs.key.seen {
            let names: Vec<_> = fields.iter().map(|field| name_of(field)).collect();
            let likely = names.iter().find(|name| *name == "id").or(names.first());
            cx.error(
                ident,
                format_args!(
                    "this view has no key: write `#[view(key = {})]` with the field that \
                     identifies a row, or `key = (a, b)` with several fields",
                    likely.map_or("id", String::as_str),
                ),
            );
        }
        return Checked::Bad;
    };
    find_all(cx, ident, key, fields)
}

fn indexes_of<'a>(
    cx: &Ctxt,
    ident: &Ident,
    indexes: Vec<attr::Index>,
    fields: &[&'a Field],
) -> Vec<Index<'a>> {
    let mut valid: Vec<Index<'a>> = Vec::new();
    for index in indexes {
        let name = index.name.unraw().to_string();
        let of = find_all(cx, ident, &index.fields, fields);
        for option in &index.unknown {
            cx.error(option, unknown_option(&index, option, fields));
        }
        if let Some(function) = taken_function(&valid, &index, &name) {
            cx.error(
                &index.name,
                format_args!(
                    "two indexes would have a function `{function}`: rename this index, \
                     as in `index(other_{name} = {name})`"
                ),
            );
            continue;
        }
        if valid.iter().any(|other| other.name == name) {
            cx.error(
                &index.name,
                format_args!(
                    "two indexes are named `{name}`: keep one, or rename one, \
                     as in `index(other_{name} = {name})`"
                ),
            );
            continue;
        }
        let same = valid.iter().find(|other| match (&other.fields, &of) {
            (Checked::Good(other), Checked::Good(of)) => other
                .iter()
                .map(|field| &field.ident)
                .eq(of.iter().map(|field| &field.ident)),
            _ => false,
        });
        if let Some(same) = same {
            let same = &same.name;
            cx.error(
                &index.name,
                format_args!("index `{name}` has the same fields as index `{same}`: keep one"),
            );
        }
        valid.push(Index {
            ident: index.name,
            name,
            fields: of,
            unique: index.unique,
            ordered: index.ordered,
        });
    }
    if let Some(more) = valid.get(INDEXES) {
        cx.error(
            &more.ident,
            format_args!("a view has at most {INDEXES} indexes: remove some"),
        );
    }
    valid
}

/// The function of an index that an index of another name has already.
fn taken_function(indexes: &[Index<'_>], index: &attr::Index, name: &str) -> Option<String> {
    let others = indexes.iter().filter(|other| other.name != name);
    let taken: Vec<_> = others
        .flat_map(|other| functions(&other.name, other.ordered))
        .collect();
    let mut own = functions(name, index.ordered).into_iter();
    own.find(|function| taken.contains(function))
}

/// The names of the functions that select by an index.
fn functions(name: &str, is_ordered: bool) -> Vec<String> {
    let mut functions = vec![format!("by_{name}")];
    if is_ordered {
        functions.extend([format!("by_{name}_range"), format!("ordered_by_{name}")]);
    }
    functions
}

fn unknown_option(index: &attr::Index, option: &Ident, fields: &[&Field]) -> String {
    const OPTIONS: [&str; 2] = ["unique", "ordered"];
    let word = option.to_string();
    let (name, plain) = (&index.name, index.name.unraw());
    if fields.iter().any(|field| name_of(field) == word) {
        return format!(
            "an index over several fields needs a name: write `index({plain}_{word} = ({name}, {word}))`"
        );
    }
    match nearest(&word, OPTIONS) {
        Some(nearest) => format!("an index has no option `{word}`: did you mean `{nearest}`?"),
        None => format!(
            "an index has no option `{word}`: it takes {}",
            list(&OPTIONS)
        ),
    }
}

/// Indexes of fields that cannot be looked at: what is generated for them is there to be called.
fn stand_ins<'a>(indexes: Vec<attr::Index>) -> Vec<Index<'a>> {
    indexes
        .into_iter()
        .map(|index| Index {
            name: index.name.unraw().to_string(),
            ident: index.name,
            fields: Checked::Bad,
            unique: index.unique,
            ordered: index.ordered,
        })
        .collect()
}

/// The fields of these names, each there once.
fn find_all<'a>(
    cx: &Ctxt,
    ident: &Ident,
    names: &[Ident],
    fields: &[&'a Field],
) -> Checked<Vec<&'a Field>> {
    let mut found: Vec<&Field> = Vec::new();
    let mut is_sound = true;
    for name in names {
        let Some(field) = fields.iter().find(|field| name.unraw() == name_of(field)) else {
            cx.error(name, unknown_field(ident, name, fields));
            is_sound = false;
            continue;
        };
        if found.iter().any(|other| other.ident == field.ident) {
            cx.error(
                name,
                format_args!("field `{name}` is listed twice: keep one"),
            );
            is_sound = false;
            continue;
        }
        found.push(field);
    }
    if is_sound {
        Checked::Good(found)
    } else {
        Checked::Bad
    }
}

fn unknown_field(ident: &Ident, name: &Ident, fields: &[&Field]) -> String {
    let names: Vec<_> = fields.iter().map(|field| name_of(field)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    match nearest(&name.to_string(), names.iter().copied()) {
        Some(nearest) => format!("`{ident}` has no field `{name}`: did you mean `{nearest}`?"),
        None => format!("`{ident}` has no field `{name}`; it has {}", list(&names)),
    }
}

/// The name of a field, without `r#`.
pub(crate) fn name_of(field: &Field) -> String {
    let ident = field.ident.as_ref();
    ident.map_or_else(String::new, |ident| ident.unraw().to_string())
}
