//! Reading an attribute key by key, so that one bad key does not hide the next.

use super::skip_value;
use crate::ctxt::Ctxt;
use proc_macro2::TokenTree;
use quote::ToTokens as _;
use syn::meta::ParseNestedMeta;
use syn::parse::ParseStream;
use syn::{Attribute, Error, Meta, Result, Token};

/// What an attribute may say at one place.
pub(super) struct Form {
    pub(super) attribute: &'static str,
    pub(super) keys: &'static [&'static str],
    pub(super) example: &'static str,
    /// Keys that are known, but belong at another place, and what to say of them.
    pub(super) elsewhere: &'static [(&'static str, &'static str)],
}

/// A value that an attribute may give once.
pub(crate) struct Key<T> {
    pub(crate) value: Option<T>,
    /// Whether the key was there, perhaps with a value that could not be read.
    pub(crate) seen: bool,
}

impl<T> Key<T> {
    pub(super) fn new() -> Self {
        Key {
            value: None,
            seen: false,
        }
    }

    /// Reads `key = value`.
    pub(super) fn value(
        &mut self,
        cx: &Ctxt,
        meta: &ParseNestedMeta<'_>,
        help: &str,
        parse: impl FnOnce(ParseStream<'_>) -> Result<T>,
    ) -> Result<()> {
        if self.repeated(cx, meta)? {
            return Ok(());
        }
        if !meta.input.peek(Token![=]) {
            skip_value(meta.input)?;
            cx.error(&meta.path, help);
            return Ok(());
        }
        meta.input.parse::<Token![=]>()?;
        let ahead = meta.input.fork();
        if let Ok(value) = parse(&ahead) {
            syn::parse::discouraged::Speculative::advance_to(meta.input, &ahead);
            self.value = Some(value);
            return Ok(());
        }
        self.bad_value(cx, meta, help)
    }

    /// Reads `key(value)`.
    pub(super) fn list(
        &mut self,
        cx: &Ctxt,
        meta: &ParseNestedMeta<'_>,
        help: &str,
        parse: impl FnOnce(ParseStream<'_>) -> Result<T>,
    ) -> Result<()> {
        if self.repeated(cx, meta)? {
            return Ok(());
        }
        if !meta.input.peek(syn::token::Paren) {
            skip_value(meta.input)?;
            cx.error(&meta.path, help);
            return Ok(());
        }
        let content;
        syn::parenthesized!(content in meta.input);
        match parse(&content) {
            Ok(value) => self.value = Some(value),
            Err(error) => {
                // What is left in the parentheses would be reported once more.
                content.parse::<proc_macro2::TokenStream>()?;
                let message = error.to_string();
                if message.starts_with("expected") || message.starts_with("unexpected") {
                    // The parser's own words say what is wrong, but not what to write.
                    cx.push(Error::new(error.span(), format_args!("{message}; {help}")));
                } else {
                    cx.push(error);
                }
            }
        }
        Ok(())
    }

    fn repeated(&mut self, cx: &Ctxt, meta: &ParseNestedMeta<'_>) -> Result<bool> {
        if !self.seen {
            self.seen = true;
            return Ok(false);
        }
        let key = meta.path.to_token_stream();
        cx.error(&meta.path, format_args!("`{key}` is given twice: keep one"));
        skip_value(meta.input)?;
        Ok(true)
    }

    fn bad_value(&self, cx: &Ctxt, meta: &ParseNestedMeta<'_>, help: &str) -> Result<()> {
        let tokens = skip_value(meta.input)?;
        // A comma between angle brackets is not the end of the value, so where the next key begins is
        // not known: stop, rather than report the rest of a type as a key.
        let lost = tokens
            .iter()
            .any(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '<'));
        let tokens: proc_macro2::TokenStream = tokens.into_iter().collect();
        let error = if tokens.is_empty() {
            Error::new_spanned(&meta.path, help)
        } else {
            Error::new_spanned(tokens, help)
        };
        if lost {
            return Err(error);
        }
        cx.push(error);
        Ok(())
    }
}

impl<T> Key<Vec<T>> {
    /// Whether the list was there, and was not empty, as far as it could be read.
    pub(crate) fn has_entries(&self) -> bool {
        match &self.value {
            Some(list) => !list.is_empty(),
            None => self.seen,
        }
    }
}

/// Calls `each` for every key of the form. Says whether all of the attribute could be read.
pub(super) fn read(
    cx: &Ctxt,
    attrs: &[Attribute],
    form: &Form,
    mut each: impl FnMut(&str, &ParseNestedMeta<'_>) -> Result<()>,
) -> bool {
    let mut complete = true;
    for attr in attrs {
        if !attr.path().is_ident(form.attribute) {
            continue;
        }
        if !matches!(attr.meta, Meta::List(_)) {
            let attribute = form.attribute;
            let example = form.example;
            let message = format_args!("`#[{attribute}]` takes a list: write `{example}`");
            cx.error(attr, message);
            complete = false;
            continue;
        }
        if let Meta::List(list) = &attr.meta
            && let Some(first @ TokenTree::Literal(_)) = list.tokens.clone().into_iter().next()
        {
            cx.error(
                first,
                format_args!("a value needs its key: write `{}`", form.example),
            );
            complete = false;
            continue;
        }
        let parsed = attr.parse_nested_meta(|meta| {
            let key = meta.path.to_token_stream().to_string().replace(' ', "");
            if form.keys.contains(&key.as_str()) {
                return each(&key, &meta);
            }
            // It may be a misspelling of a key that is missing for this very reason.
            complete = false;
            cx.error(&meta.path, unknown(&key, form));
            skip_value(meta.input).map(drop)
        });
        if let Err(error) = parsed {
            cx.push(error);
            complete = false;
        }
    }
    complete
}

fn unknown(key: &str, form: &Form) -> String {
    if let Some((_, message)) = form.elsewhere.iter().find(|(known, _)| *known == key) {
        return (*message).to_owned();
    }
    let attribute = form.attribute;
    match nearest(key, form.keys.iter().copied()) {
        Some(known) => {
            format!("unknown key `{key}` in `#[{attribute}(..)]`: did you mean `{known}`?")
        }
        None => format!(
            "unknown key `{key}` in `#[{attribute}(..)]`: it takes {}",
            list(form.keys)
        ),
    }
}

/// The word that another one may be a misspelling of.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let nearest = known.into_iter().min_by_key(|known| distance(word, known));
    nearest.filter(|known| distance(word, known) <= 2)
}

/// `` `a`, `b` and `c` ``
pub(crate) fn list(keys: &[&str]) -> String {
    let quoted: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// How many letters must be added, removed or changed to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((j, y), diagonal) in b.chars().enumerate().zip(&row) {
            let changed = diagonal + usize::from(x != y);
            let added = next.last().map_or(changed, |left| left + 1);
            let removed = row.get(j + 1).map_or(changed, |above| above + 1);
            next.push(changed.min(added).min(removed));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, list};

    #[test]
    fn a_misspelling_is_close_to_the_key() {
        assert_eq!(distance("verison", "version"), 2);
        assert_eq!(distance("nam", "name"), 1);
        assert_eq!(distance("", "id"), 2);
        assert_eq!(distance("id", "id"), 0);
        assert!(distance("stream", "name") > 2);
    }

    #[test]
    fn keys_are_listed_as_in_a_sentence() {
        assert_eq!(list(&["tag"]), "`tag`");
        assert_eq!(list(&["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
