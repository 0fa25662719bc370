//! Ranges of keys and of values of indexes, as conditions in SQL.

use super::columns::{Column, ColumnKind, Columns, quoted};
use super::form::{Leaf, Unread, unescape_beginning};
use super::value::SqlValue;
use std::ops::Bound;

/// One end of a range: values of the first columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) values: Vec<SqlValue>,
    /// Whether rows with these values are within the range.
    pub(super) is_included: bool,
}

/// Returns the first rows of a range that begins with this value; `None` for all.
pub(super) fn lower(columns: &Columns, places: &[usize], bound: &Bound<Vec<u8>>) -> Option<End> {
    let (bytes, is_included) = parts(bound)?;
    let (values, cut) = read(columns, places, bytes);
    Some(match cut {
        Cut::None => End {
            values,
            is_included,
        },
        Cut::Beginning(value) => with(values, value, true),
        // No stored text has a NUL; those that would sort before it are the ones up to the NUL.
        Cut::Nul(text) => with(values, SqlValue::Text(text), false),
        // The rest of the bytes begins other values: all of them are included.
        Cut::Bytes(bytes) if is_included => with(values, SqlValue::Bytes(bytes), true),
        Cut::Bytes(bytes) => match after_bytes(&bytes) {
            Some(after) => with(values, SqlValue::Bytes(after), true),
            None => End {
                values,
                is_included: false,
            },
        },
    })
}

/// Returns the last rows of a range that ends with this value.
pub(super) fn upper(columns: &Columns, places: &[usize], bound: &Bound<Vec<u8>>) -> Option<End> {
    let (bytes, is_included) = parts(bound)?;
    let (values, cut) = read(columns, places, bytes);
    Some(match cut {
        Cut::None => End {
            values,
            is_included,
        },
        Cut::Beginning(value) => {
            let after = match &value {
                SqlValue::Text(text) => after_text(text).map(SqlValue::Text),
                SqlValue::Bytes(bytes) => after_bytes(bytes).map(SqlValue::Bytes),
                _ => None,
            };
            match after {
                Some(after) => with(values, after, false),
                None => End {
                    values,
                    is_included: true,
                },
            }
        }
        Cut::Nul(text) => with(values, SqlValue::Text(text), true),
        Cut::Bytes(bytes) if is_included => match after_bytes(&bytes) {
            Some(after) => with(values, SqlValue::Bytes(after), false),
            None => End {
                values,
                is_included: true,
            },
        },
        Cut::Bytes(bytes) => with(values, SqlValue::Bytes(bytes), false),
    })
}

fn with(mut values: Vec<SqlValue>, value: SqlValue, is_included: bool) -> End {
    values.push(value);
    End {
        values,
        is_included,
    }
}

fn parts(bound: &Bound<Vec<u8>>) -> Option<(&[u8], bool)> {
    match bound {
        Bound::Included(bytes) => Some((bytes, true)),
        Bound::Excluded(bytes) => Some((bytes, false)),
        Bound::Unbounded => None,
    }
}

/// Where values end that are not read whole.
enum Cut {
    None,
    /// In the middle of a text or of bytes that any may begin with.
    Beginning(SqlValue),
    /// At a text with a NUL in it: the text up to there.
    Nul(String),
    /// At bytes of a form that nobody knows.
    Bytes(Vec<u8>),
}

/// Reads values up to the end of the bytes.
fn read(columns: &Columns, places: &[usize], mut bytes: &[u8]) -> (Vec<SqlValue>, Cut) {
    let mut values = Vec::new();
    for column in columns.at(places) {
        if bytes.is_empty() {
            break;
        }
        if column.is_opaque() {
            return (values, Cut::Bytes(bytes.to_vec()));
        }
        let before = bytes;
        match column.read(&mut bytes) {
            Ok(SqlValue::Text(text)) if text.contains('\0') => {
                let text = text.split('\0').next().unwrap_or_default();
                return (values, Cut::Nul(text.to_owned()));
            }
            Ok(value) => values.push(value),
            Err(Unread::Short(Some((leaf, rest)))) if is_value(column) => {
                let beginning = unescape_beginning(rest);
                let beginning = match leaf {
                    Leaf::Text => {
                        let text = String::from_utf8_lossy(&beginning);
                        if let Some((text, _)) = text.split_once('\0') {
                            return (values, Cut::Nul(text.to_owned()));
                        }
                        SqlValue::Text(text.into_owned())
                    }
                    _ => SqlValue::Bytes(beginning),
                };
                return (values, Cut::Beginning(beginning));
            }
            Err(_) => return (values, Cut::Bytes(before.to_vec())),
        }
    }
    (values, Cut::None)
}

const fn is_value(column: &Column) -> bool {
    matches!(column.kind, ColumnKind::Value(_))
}

/// Returns the first text after all that begin with this one.
pub(super) fn after_text(text: &str) -> Option<String> {
    let mut chars: Vec<_> = text.chars().collect();
    while let Some(last) = chars.pop() {
        // The range of chars leaves out what is no char.
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

fn after_bytes(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = bytes.iter().rposition(|byte| *byte < 0xFF)?;
    let mut after = bytes[..=end].to_vec();
    after[end] += 1;
    Some(after)
}

/// A part of a statement: conditions with parameters, and the order of rows.
#[derive(Debug, Default)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) values: Vec<SqlValue>,
}

impl Sql {
    /// Returns the conditions without the order.
    pub(super) fn conditions(&self) -> &str {
        let end = self.text.rfind(" ORDER BY ");
        &self.text[..end.unwrap_or(self.text.len())]
    }

    /// Adds a parameter with the type of a column; returns how it is written.
    fn parameter(&mut self, column: &Column, value: &SqlValue) -> String {
        self.values.push(value.clone());
        format!("${}::{}", self.values.len(), column.sql_type())
    }
}

/// Writes the condition that rows are between two ends, and the order: `WHERE .. ORDER BY ..`.
pub(super) fn between(
    columns: &Columns,
    order: &[usize],
    ends: (Option<&End>, Option<&End>),
    is_reverse: bool,
) -> Sql {
    let order: Vec<_> = columns.at(order).collect();
    let (lower, upper) = ends;
    let mut sql = Sql::default();
    let mut conditions = Vec::new();
    let (from, to) = (
        lower.map_or(&[][..], |end| &end.values),
        upper.map_or(&[][..], |end| &end.values),
    );
    let equal = from
        .iter()
        .zip(to)
        .take_while(|(one, other)| one == other)
        .count();
    for (column, value) in order.iter().zip(&from[..equal]) {
        conditions.push(is_equal(&mut sql, column, value));
    }
    let rest = &order[equal.min(order.len())..];
    if let Some(end) = lower {
        match &end.values[equal..] {
            [] if end.is_included => {}
            [] => conditions.push("false".to_owned()),
            values => conditions.push(compared(&mut sql, rest, values, true, end.is_included)),
        }
    }
    if let Some(end) = upper {
        match &end.values[equal..] {
            [] if end.is_included => {}
            [] => conditions.push("false".to_owned()),
            values => conditions.push(compared(&mut sql, rest, values, false, end.is_included)),
        }
    }
    if !conditions.is_empty() {
        sql.text.push_str(" WHERE ");
        sql.text.push_str(&conditions.join(" AND "));
    }
    let sorted = if rest.is_empty() { &order[..] } else { rest };
    let sorted = sorted.iter().map(|column| {
        let nulls = match (column.is_nullable, is_reverse) {
            (false, _) => "",
            (true, false) => " NULLS FIRST",
            (true, true) => " NULLS LAST",
        };
        let direction = if is_reverse { " DESC" } else { "" };
        format!("{}{direction}{nulls}", quoted(&column.name))
    });
    sql.text.push_str(" ORDER BY ");
    sql.text.push_str(&sorted.collect::<Vec<_>>().join(", "));
    sql
}

fn is_equal(sql: &mut Sql, column: &Column, value: &SqlValue) -> String {
    let name = quoted(&column.name);
    match value {
        SqlValue::Null => format!("{name} IS NULL"),
        value => format!("{name} = {}", sql.parameter(column, value)),
    }
}

/// Writes that the columns are after, or before, the values, or at them.
fn compared(
    sql: &mut Sql,
    columns: &[&Column],
    values: &[SqlValue],
    is_after: bool,
    is_included: bool,
) -> String {
    let columns = &columns[..values.len().min(columns.len())];
    let operator = match (is_after, is_included) {
        (true, true) => ">=",
        (true, false) => ">",
        (false, true) => "<=",
        (false, false) => "<",
    };
    if columns.iter().all(|column| !column.is_nullable) {
        let names: Vec<_> = columns.iter().map(|column| quoted(&column.name)).collect();
        let parameters = columns.iter().zip(values);
        let parameters: Vec<_> = parameters
            .map(|(column, value)| sql.parameter(column, value))
            .collect();
        return match names.as_slice() {
            [name] => format!("{name} {operator} {}", parameters.join("")),
            names => format!(
                "({}) {operator} ({})",
                names.join(", "),
                parameters.join(", ")
            ),
        };
    }
    let ([column, columns @ ..], [value, values @ ..]) = (columns, values) else {
        return "true".to_owned();
    };
    if columns.is_empty() {
        return one_compared(sql, column, value, is_after, is_included);
    }
    // The first condition is one for the index.
    let loosely = one_compared(sql, column, value, is_after, true);
    let strictly = one_compared(sql, column, value, is_after, false);
    let equal = is_equal(sql, column, value);
    let rest = compared(sql, columns, values, is_after, is_included);
    format!("({loosely} AND ({strictly} OR ({equal} AND {rest})))")
}

/// Writes a comparison in which null comes before all values.
fn one_compared(
    sql: &mut Sql,
    column: &Column,
    value: &SqlValue,
    is_after: bool,
    is_included: bool,
) -> String {
    let name = quoted(&column.name);
    match (value, is_after, is_included) {
        (SqlValue::Null, true, true) => "true".to_owned(),
        (SqlValue::Null, true, false) => format!("{name} IS NOT NULL"),
        (SqlValue::Null, false, true) => format!("{name} IS NULL"),
        (SqlValue::Null, false, false) => "false".to_owned(),
        (value, true, true) => format!("{name} >= {}", sql.parameter(column, value)),
        (value, true, false) => format!("{name} > {}", sql.parameter(column, value)),
        (value, false, included) => {
            let operator = if included { "<=" } else { "<" };
            let parameter = sql.parameter(column, value);
            if column.is_nullable {
                format!("({name} {operator} {parameter} OR {name} IS NULL)")
            } else {
                format!("{name} {operator} {parameter}")
            }
        }
    }
}

/// Splits the bytes of a cursor into the value of an index and the key, which is missing for a value that only one row
/// has; `None` if nobody knows where the value ends.
pub(super) fn split<'a>(
    columns: &Columns,
    index: Option<usize>,
    bytes: &'a [u8],
) -> Option<(&'a [u8], &'a [u8])> {
    let index = index.and_then(|index| columns.indexes.get(index));
    let mut rest = bytes;
    for column in columns.at(index.map_or(&[][..], |index| &index.columns)) {
        if column.is_opaque() {
            return None;
        }
        column.read(&mut rest).ok()?;
    }
    Some((&bytes[..bytes.len() - rest.len()], rest))
}

/// Returns the place of a row: the values of the columns in their order.
pub(super) fn place(
    columns: &Columns,
    index: Option<usize>,
    (mut value, mut key): (&[u8], &[u8]),
) -> Option<Vec<SqlValue>> {
    let index = index.and_then(|index| columns.indexes.get(index));
    let of_index = index.map_or(&[][..], |index| &index.columns);
    let mut values = Vec::new();
    for column in columns.at(of_index) {
        values.push(column.read(&mut value).ok()?);
    }
    let has_key = !key.is_empty();
    for (place, column) in columns.key.iter().zip(columns.at(&columns.key)) {
        if has_key {
            let value = column.read(&mut key).ok()?;
            if !of_index.contains(place) {
                values.push(value);
            }
        }
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_all_texts_with_a_beginning() {
        assert_eq!(after_text("ab").as_deref(), Some("ac"));
        assert_eq!(after_text("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(after_text("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(after_text(""), None);
    }
}
