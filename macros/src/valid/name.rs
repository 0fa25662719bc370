//! Names that are written to the store: which ones are allowed, and what to write instead.

use super::Checked;
use crate::ctxt::Ctxt;
use proc_macro2::Ident;
use std::fmt;
use syn::LitStr;

/// What is named.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Event,
    Aggregate,
    Tag,
    View,
    Projection,
    Command,
    Service,
    Inbox,
    ProcessManager,
}

impl Kind {
    const fn max_bytes(self) -> usize {
        match self {
            Kind::Event | Kind::Command => 255,
            // The stream's name has room for the id as well, and a tag's text for its value; the keys of
            // notes have room for the names of a projection and of a view, and topics for a service.
            _ => 100,
        }
    }

    /// The key that is set in the attribute.
    const fn key(self) -> &'static str {
        match self {
            Kind::Tag => "tag",
            Kind::Service => "service",
            _ => "name",
        }
    }

    const fn allows(self, c: char) -> bool {
        match c {
            'a'..='z' | '0'..='9' | '_' => true,
            // These are also queues, and one word of a topic.
            '.' => !matches!(self, Kind::Service | Kind::Inbox | Kind::ProcessManager),
            // A stream is `{aggregate}-{id}`: the first `-` ends the aggregate's name.
            '-' => !matches!(self, Kind::Aggregate | Kind::ProcessManager),
            _ => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Event => "the name of an event",
            Kind::Aggregate => "the name of an aggregate",
            Kind::Tag => "the key of a tag",
            Kind::View => "the name of a view",
            Kind::Projection => "the name of a projection",
            Kind::Command => "the name of a command",
            Kind::Service => "the name of a service",
            Kind::Inbox => "the name of an inbox",
            Kind::ProcessManager => "the name of a process manager",
        })
    }
}

/// The name that was given, even if it is refused, or one for this type.
pub(super) fn given(cx: &Ctxt, ident: &Ident, name: Option<&LitStr>, kind: Kind) -> String {
    let suggestion = suggest(&ident.to_string(), kind);
    let Some(name) = name else {
        return suggestion;
    };
    if let Err(message) = check(&name.value(), kind, &suggestion) {
        cx.error(name, message);
    }
    name.value()
}

/// The name that was given, if it is allowed.
pub(super) fn checked(
    cx: &Ctxt,
    name: Option<&LitStr>,
    kind: Kind,
    suggestion: &str,
) -> Checked<String> {
    let Some(name) = name else {
        return Checked::Bad;
    };
    match check(&name.value(), kind, suggestion) {
        Ok(()) => Checked::Good(name.value()),
        Err(message) => {
            cx.error(name, message);
            Checked::Bad
        }
    }
}

/// Refuses a name with a sentence that says what to write; `suggestion` is for one that is empty.
pub(super) fn check(name: &str, kind: Kind, suggestion: &str) -> Result<(), String> {
    let key = kind.key();
    if name.is_empty() {
        return Err(format!(
            "{kind} must not be empty: write `{key} = \"{suggestion}\"`"
        ));
    }
    let max = kind.max_bytes();
    if name.len() > max {
        let len = name.len();
        return Err(format!(
            "{kind} has at most {max} bytes, and this one has {len}: write a shorter one"
        ));
    }
    if kind == Kind::Projection {
        // What a program refuses when it starts.
        return match name.contains(['/', '\0']) {
            true => Err(format!(
                "{kind} must not contain a slash: write `{key} = \"{}\"`",
                name.replace(['/', '\0'], ".")
            )),
            false => Ok(()),
        };
    }
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(|c| kind.allows(c)) {
        return Ok(());
    }
    let better = match suggest(name, kind) {
        better if better.is_empty() => suggestion.to_owned(),
        better => better,
    };
    let letters = match kind {
        Kind::Aggregate => "`a-z`, `0-9`, `.` and `_`",
        Kind::ProcessManager => "`a-z`, `0-9` and `_`",
        Kind::Service | Kind::Inbox => "`a-z`, `0-9`, `-` and `_`",
        _ => "`a-z`, `0-9`, `.`, `-` and `_`",
    };
    Err(format!(
        "{kind} may contain only {letters}, and starts with a letter: write `{key} = \"{better}\"`"
    ))
}

/// `UserCreated` to `user.created` (`user_created` for what is no event and no command), and likewise for any other
/// text.
pub(super) fn suggest(text: &str, kind: Kind) -> String {
    let separator = match kind {
        Kind::Event | Kind::Command => '.',
        _ => '_',
    };
    let mut out = String::new();
    let mut apart = false;
    let mut after_lowercase = false;
    for c in text.trim_start_matches("r#").chars() {
        let lower = c.to_ascii_lowercase();
        apart |= c.is_ascii_uppercase() && after_lowercase;
        after_lowercase = c.is_ascii_lowercase() || c.is_ascii_digit();
        if !kind.allows(lower) {
            apart = true;
        } else if !out.is_empty() || lower.is_ascii_lowercase() {
            if apart && !out.is_empty() && !out.ends_with(separator) {
                out.push(separator);
            }
            apart = false;
            out.push(lower);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Kind, check, suggest};

    #[test]
    fn names_are_suggested_from_identifiers_and_from_refused_names() {
        assert_eq!(suggest("UserCreated", Kind::Event), "user.created");
        assert_eq!(suggest("UserCreated", Kind::Aggregate), "user_created");
        assert_eq!(suggest("User Created!", Kind::Event), "user.created");
        assert_eq!(suggest("HTTPRequested", Kind::Event), "httprequested");
        assert_eq!(suggest("user-account", Kind::Aggregate), "user_account");
        assert_eq!(suggest("r#type", Kind::Tag), "type");
        assert_eq!(suggest("9lives", Kind::Event), "lives");
        assert_eq!(suggest("Ünïcode", Kind::Event), "n.code");
        assert_eq!(suggest("日本", Kind::Event), "");
    }

    #[test]
    fn what_is_suggested_is_allowed() {
        for text in ["User Created", "1a", "A-B", "..x", "x Y z", "ÄB-c"] {
            for kind in [
                Kind::Event,
                Kind::Aggregate,
                Kind::Tag,
                Kind::Command,
                Kind::Service,
                Kind::ProcessManager,
            ] {
                assert_eq!(check(&suggest(text, kind), kind, ""), Ok(()), "{text}");
            }
        }
    }

    #[test]
    fn names_have_a_length() {
        assert!(check("", Kind::Event, "a").is_err());
        assert!(check(&"a".repeat(255), Kind::Event, "a").is_ok());
        assert!(check(&"a".repeat(256), Kind::Event, "a").is_err());
        assert!(check(&"a".repeat(100), Kind::Aggregate, "a").is_ok());
        assert!(check(&"a".repeat(101), Kind::Aggregate, "a").is_err());
        assert!(check("user-x", Kind::Aggregate, "a").is_err());
        assert!(check("user-x", Kind::Event, "a").is_ok());
        assert!(check(&"a".repeat(255), Kind::Command, "a").is_ok());
        assert!(check(&"a".repeat(101), Kind::Service, "a").is_err());
    }

    #[test]
    fn a_service_is_one_word_of_a_topic() {
        assert!(check("customers-eu_1", Kind::Service, "a").is_ok());
        assert!(check("customers.eu", Kind::Service, "a").is_err());
        assert!(check("customers.eu", Kind::Inbox, "a").is_err());
        assert!(check("placement.eu", Kind::ProcessManager, "a").is_err());
        assert!(check("placement-eu", Kind::ProcessManager, "a").is_err());
        assert!(check("customers.eu", Kind::Command, "a").is_ok());
        assert_eq!(suggest("customers.eu", Kind::Inbox), "customers_eu");
    }
}
