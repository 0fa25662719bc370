//! Errors of JSON texts, without the values in them.

use crate::event::fields::{FIELD_IS_MISSING, FIELDS_HAVE_NAMES};
use serde::de::{self, Expected, Unexpected};
use serde_json::error::Category;
use std::error::Error;
use std::fmt::{self, Display};

/// Why a JSON text could not be read as a type, or a value could not be written as JSON: the path to the value, the
/// kind found there, and the kind expected. Never the value itself, so that errors can be logged and kept.
///
/// For the same reason it leaves out the messages of a `Deserialize` or a `Serialize` written by hand, and the keys
/// of maps.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonError(Box<Fault>);

#[derive(Clone, PartialEq, Eq)]
struct Fault {
    /// The path to the value, the last part first.
    path: Vec<Part>,
    what: What,
}

/// A part of the path to a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Field(&'static str),
    /// An entry of a map.
    Entry,
    Element(usize),
}

#[derive(Clone, PartialEq, Eq)]
enum What {
    /// Its kind is not expected.
    Kind(&'static str, String),
    /// Its kind is expected, but not its value.
    Value(&'static str, String),
    Length(usize, String),
    Missing(&'static str),
    Twice(&'static str),
    UnknownField(&'static [&'static str]),
    UnknownVariant(&'static [&'static str]),
    /// Refused by the code of a type that explains it in its own words.
    Refused,
    NotWritten,
    /// Not JSON, or nothing else is known: in words without values.
    Text(String),
}

impl JsonError {
    fn new(what: What) -> Self {
        let path = Vec::new();
        JsonError(Box::new(Fault { path, what }))
    }

    /// Returns the error for a value that cannot be written.
    pub(crate) fn of_writing(error: &serde_json::Error) -> Self {
        JsonError::new(match error.classify() {
            Category::Data => What::NotWritten,
            _ => What::Text(error.to_string()),
        })
    }

    /// Returns the error for a refusal whose reasons are not shown.
    pub(crate) fn refused() -> Self {
        JsonError::new(What::Refused)
    }

    /// Returns the error for a text that cannot be read, when no more can be found out.
    pub(super) fn of_reading(error: &serde_json::Error) -> Self {
        JsonError::new(What::Text(match error.classify() {
            Category::Data => format!(
                "it does not fit, from line {} column {}",
                error.line(),
                error.column()
            ),
            _ => error.to_string(),
        }))
    }

    /// Returns the error in a deserializer's own words, not those of the type that reads from it.
    pub(super) fn of_words(words: &str) -> Self {
        // The last match: an earlier one may be a part of the value.
        let parts = |rest: &str| {
            let (_, expected) = rest.rsplit_once(", expected ")?;
            let expected = expected
                .rsplit_once(" at line ")
                .map_or(expected, |(it, _)| it);
            Some((kind_in_words(rest), expected.to_owned()))
        };
        let is_kind = words.strip_prefix("invalid type: ").and_then(parts);
        let is_value = words.strip_prefix("invalid value: ").and_then(parts);
        JsonError::new(match (is_kind, is_value) {
            (Some((found, expected)), _) => What::Kind(found, expected),
            (None, Some((found, expected))) => What::Value(found, expected),
            (None, None) => What::Refused,
        })
    }

    /// Returns the error with a part prepended to its path.
    pub(super) fn within(mut self, part: Part) -> Self {
        self.0.path.push(part);
        self
    }

    /// Returns the path to the wrong value, such as `lines[2].cents`; empty for the whole text.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for part in self.0.path.iter().rev() {
            match part {
                Part::Field(name) if path.is_empty() => path.push_str(name),
                Part::Field(name) => path.extend([".", name]),
                Part::Entry => path.push_str("[..]"),
                Part::Element(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }
}

/// Returns the kind of a value, in the words of serde.
fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "integer",
        Unexpected::Float(_) => "floating point",
        Unexpected::Char(_) => "character",
        Unexpected::Str(_) => "string",
        Unexpected::Bytes(_) => "byte array",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::NewtypeStruct => "newtype struct",
        Unexpected::Seq => "sequence",
        Unexpected::Map => "map",
        Unexpected::Enum => "enum",
        Unexpected::UnitVariant => "unit variant",
        Unexpected::NewtypeVariant => "newtype variant",
        Unexpected::TupleVariant => "tuple variant",
        Unexpected::StructVariant => "struct variant",
        _ => OTHER,
    }
}

const OTHER: &str = "another kind of value";

/// Returns the kind at the beginning of a message of `serde_json`.
fn kind_in_words(words: &str) -> &'static str {
    const KINDS: [&str; 9] = [
        "boolean",
        "integer",
        "floating point",
        "character",
        "string",
        "null",
        "sequence",
        "map",
        "number",
    ];
    let mut kinds = KINDS.into_iter();
    kinds.find(|kind| words.starts_with(kind)).unwrap_or(OTHER)
}

impl Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.what {
            What::Kind(found, expected) => {
                write!(f, "invalid type: {found}, expected {expected}")?;
            }
            What::Value(found, expected) => {
                write!(f, "invalid value: {found}, expected {expected}")?;
            }
            What::Length(length, expected) => {
                write!(f, "invalid length {length}, expected {expected}")?;
            }
            What::Missing(name) => write!(f, "missing field `{name}`")?,
            What::Twice(name) => write!(f, "duplicate field `{name}`")?,
            What::UnknownField(known) => list(f, "unknown field", known)?,
            What::UnknownVariant(known) => list(f, "unknown variant", known)?,
            What::Refused => f.write_str("its `Deserialize` refuses it")?,
            What::NotWritten => f.write_str("its `Serialize` refuses it")?,
            What::Text(text) => f.write_str(text)?,
        }
        match &*self.path() {
            "" => Ok(()),
            path => write!(f, ", at `{path}`"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, what: &str, known: &[&str]) -> fmt::Result {
    f.write_str(what)?;
    for (index, name) in known.iter().enumerate() {
        let before = if index > 0 {
            ", "
        } else {
            ", expected one of "
        };
        write!(f, "{before}`{name}`")?;
    }
    Ok(())
}

impl fmt::Debug for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JsonError").field(&self.to_string()).finish()
    }
}

impl Error for JsonError {}

impl de::Error for JsonError {
    fn custom<T: Display>(words: T) -> Self {
        let words = words.to_string();
        JsonError::new(if is_known(&words) {
            What::Text(words)
        } else {
            What::Refused
        })
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        JsonError::new(What::Kind(kind(found), expected.to_string()))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        JsonError::new(What::Value(kind(found), expected.to_string()))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        JsonError::new(What::Length(length, expected.to_string()))
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        JsonError::new(What::UnknownVariant(known))
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        JsonError::new(What::UnknownField(known))
    }

    fn missing_field(name: &'static str) -> Self {
        JsonError::new(What::Missing(name))
    }

    fn duplicate_field(name: &'static str) -> Self {
        JsonError::new(What::Twice(name))
    }
}

/// Returns whether a message is one of serde or of this crate, without a value in it.
fn is_known(words: &str) -> bool {
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let untagged = words.strip_prefix("data did not match any variant of untagged enum ");
    untagged.is_some_and(is_name) || words == FIELDS_HAVE_NAMES || words.ends_with(FIELD_IS_MISSING)
}
