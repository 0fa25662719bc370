//! Stored rows of another definition that can still be read.

use super::View;
use crate::projection::ViewDefinition;

/// Returns whether rows of a stored form read as rows of `V`: only fields were added since, each with a default.
pub(super) fn reads_as_well<V: View>(stored: &str) -> bool {
    let form = ViewDefinition::of::<V>().form;
    if stored == form {
        return true;
    }
    let mut fields = String::new();
    V::describe(&mut fields);
    // The parts before and after the fields must be the same: the key, and the indexes.
    let around = form.split_once(&*fields);
    let stored = around.and_then(|(before, behind)| {
        let stored = stored.strip_prefix(before)?;
        stored.strip_suffix(behind)
    });
    stored.is_some_and(|stored| only_adds_defaults(stored, &fields))
}

fn only_adds_defaults(stored: &str, fields: &str) -> bool {
    let mut stored = split(stored).into_iter().peekable();
    for field in split(fields) {
        if stored.next_if_eq(&field).is_none() && !has_default(field) {
            return false;
        }
    }
    stored.next().is_none()
}

/// Splits the fields at commas outside of brackets and texts.
fn split(fields: &str) -> Vec<&str> {
    let (mut all, mut start, mut depth, mut is_text, mut before) = (Vec::new(), 0, 0, false, ' ');
    for (at, char) in fields.char_indices() {
        match char {
            '"' if before != '\\' => is_text = !is_text,
            _ if is_text => {}
            '(' | '[' | '{' | '<' => depth += 1,
            '>' if before == '-' => {}
            ')' | ']' | '}' | '>' => depth -= 1,
            ',' if depth == 0 => {
                all.push(fields[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
        // An escaped backslash escapes nothing.
        before = if before == '\\' { ' ' } else { char };
    }
    all.push(fields[start..].trim());
    all
}

/// Returns whether serde has a value for a missing field.
fn has_default(mut field: &str) -> bool {
    let mut attributes = Vec::new();
    // The attributes come first.
    while let Some((of_serde, rest)) = field
        .strip_prefix("#[serde(")
        .and_then(|rest| rest.split_once(")] "))
    {
        let names = split(of_serde).into_iter();
        attributes.extend(names.map(|one| one.split_once(" = ").map_or(one, |(name, _)| name)));
        field = rest;
    }
    let has = |names: &[&str]| attributes.iter().any(|one| names.contains(one));
    let is_option = field
        .split_once(": ")
        .is_some_and(|(_, ty)| ty.starts_with("Option<"));
    // A flattened field takes what belongs to others. A field that its own function reads is not read as an option.
    !has(&["flatten", "skip", "skip_deserializing"])
        && (has(&["default"]) || (is_option && !has(&["with", "deserialize_with"])))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = "id: u64, #[serde(rename = \"a, b\")] city: Map<u8, (u8, [u8; 2])>";

    fn with(field: &str) -> bool {
        only_adds_defaults(STORED, &format!("{STORED}, {field}"))
    }

    #[test]
    fn fields_that_have_a_default_may_be_added_anywhere() {
        assert!(only_adds_defaults(STORED, STORED));
        for field in [
            "#[serde(default)] note: u8",
            "#[serde(rename = \"x\", default = \"some::path\")] note: u8",
            "#[serde(rename = \"default\")] #[serde(default)] note: Vec<u8>",
            "note: Option<Vec<u8>>",
            "#[serde(default, with = \"hex\")] note: Option<Vec<u8>>",
        ] {
            assert!(with(field), "{field}");
            let before = format!("{field}, {STORED}");
            assert!(only_adds_defaults(STORED, &before), "{before}");
        }
    }

    #[test]
    fn no_other_change_is_read() {
        for field in [
            "note: u8",
            "#[serde(rename = \"default\")] note: u8",
            "#[serde(with = \"hex\")] note: Option<Vec<u8>>",
            "#[serde(flatten)] note: Option<Map<u8, u8>>",
            "#[serde(default, flatten)] note: Map<u8, u8>",
        ] {
            assert!(!with(field), "{field}");
        }
        let fields = [
            "id: u64",
            "id: Option<u64>, city: u8",
            "city: u8, id: u64",
            "",
        ];
        for other in fields {
            assert!(!only_adds_defaults("id: u64, city: u8", other), "{other}");
        }
    }
}
