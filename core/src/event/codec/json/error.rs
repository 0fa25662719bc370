//! What is wrong with a JSON text, without what stands in it.

use crate::event::fields::{FIELD_IS_MISSING, FIELDS_HAVE_NAMES};
use serde::de::{self, Expected, Unexpected};
use serde_json::error::Category;
use std::error::Error;
use std::fmt::{self, Display};

/// Why a JSON text could not be read as what was asked for, or something could not be written as JSON: where it is, which
/// kind of value is there, and which is expected. Never the value itself, so that errors can be logged and kept.
///
/// For the same reason it does not say what a `Deserialize` or a `Serialize` written by hand says, nor the keys of maps.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonError(Box<Fault>);

#[derive(Clone, PartialEq, Eq)]
struct Fault {
    /// The way to the value, the last part first.
    path: Vec<Part>,
    what: What,
}

/// A part of the way to a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Field(&'static str),
    /// An entry of a map.
    Entry,
    Element(usize),
}

#[derive(Clone, PartialEq, Eq)]
enum What {
    /// It is of a kind that is not expected.
    Kind(&'static str, String),
    /// It is of a kind that is expected, but none of the values.
    Value(&'static str, String),
    Length(usize, String),
    Missing(&'static str),
    Twice(&'static str),
    UnknownField(&'static [&'static str]),
    UnknownVariant(&'static [&'static str]),
    /// By code of a type that says why in its own words.
    Refused,
    NotWritten,
    /// It is no JSON, or nothing else is known: in words without values.
    Text(String),
}

impl JsonError {
    fn new(what: What) -> Self {
        let path = Vec::new();
        JsonError(Box::new(Fault { path, what }))
    }

    /// That something cannot be written.
    pub(crate) fn of_writing(error: &serde_json::Error) -> Self {
        JsonError::new(match error.classify() {
            Category::Data => What::NotWritten,
            _ => What::Text(error.to_string()),
        })
    }

    /// That something is refused, for reasons that are not said.
    pub(crate) fn refused() -> Self {
        JsonError::new(What::Refused)
    }

    /// That a text cannot be read, where no more is to be found out.
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

    /// What the words of a deserializer say that are its own, and not of what reads from it.
    pub(super) fn of_words(words: &str) -> Self {
        // The last one: an earlier one may be a part of the value.
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

    /// The same of a part of a value.
    pub(super) fn within(mut self, part: Part) -> Self {
        self.0.path.push(part);
        self
    }

    /// Where the value is that is wrong, such as `lines[2].cents`; empty where it is the whole.
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

/// The kind of a value, in the words of serde.
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

/// The kind that words of `serde_json` begin with.
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

/// Whether words are those of serde or of this crate, and have no value in them.
fn is_known(words: &str) -> bool {
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let untagged = words.strip_prefix("data did not match any variant of untagged enum ");
    untagged.is_some_and(is_name) || words == FIELDS_HAVE_NAMES || words.ends_with(FIELD_IS_MISSING)
}
