//! The values of rows in all indexes of their view, one after the other.

use super::View;
use super::key::KeyBytes;

/// Adds the values of a row in all indexes; returns where they begin.
pub(super) fn push_index_values<V: View>(
    values: &mut Vec<u8>,
    row: &V,
    value: &mut KeyBytes,
) -> usize {
    let start = values.len();
    for index in V::INDEXES {
        value.clear();
        (index.encode)(row, value);
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        values.extend_from_slice(&length.to_be_bytes());
        values.push(u8::from(index.is_claim(value)));
        values.extend_from_slice(value.as_bytes());
    }
    start
}

/// The value of a row in an index.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Value<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether only one row may have it.
    pub(super) is_claim: bool,
}

pub(super) fn next_value<'a>(values: &mut &'a [u8]) -> Option<Value<'a>> {
    let length = u32::from_be_bytes(*values.split_off(..4)?.as_array()?);
    let is_claim = *values.split_off_first()? == 1;
    let bytes = values.split_off(..usize::try_from(length).ok()?)?;
    Some(Value { bytes, is_claim })
}
