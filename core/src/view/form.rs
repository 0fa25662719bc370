//! Whether stored rows of another definition can be read all the same.

use super::View;
use crate::projection::ViewDefinition;

/// Whether rows of a stored form read as rows of `V`: the same but for fields that were added since, each with a default.
pub(super) fn reads_as_well<V: View>(stored: &str) -> bool {
    let form = ViewDefinition::of::<V>().form;
    if stored == form {
        return true;
    }
    let mut fields = String::new();
    V::describe(&mut fields);
    // What is before the fields and behind them is the same: the key, and the indexes.
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

/// The fields: what is between commas that stand in no brackets and no text.
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
        // A backslash that is escaped escapes nothing.
        before = if before == '\\' { ' ' } else { char };
    }
    all.push(fields[start..].trim());
    all
}

/// Whether serde has a value for a field that is not there.
fn has_default(mut field: &str) -> bool {
    let mut attributes = Vec::new();
    // They come first.
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
    // What is flattened takes what belongs to others, and what is read by a function of its own is not read as an option.
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
