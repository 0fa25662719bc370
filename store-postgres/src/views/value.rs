//! Values of columns, as parameters of statements.

use std::error::Error;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type};

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SqlValue {
    Null,
    Bool(bool),
    Small(i16),
    Integer(i32),
    Big(i64),
    /// Its digits.
    Numeric(String),
    Text(String),
    Bytes(Vec<u8>),
    Uuid([u8; 16]),
    /// Microseconds since 2000; `i64::MAX` is infinity.
    Timestamp(i64),
}

impl ToSql for SqlValue {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            SqlValue::Null => return Ok(IsNull::Yes),
            SqlValue::Bool(value) => out.extend_from_slice(&[u8::from(*value)]),
            SqlValue::Small(value) => out.extend_from_slice(&value.to_be_bytes()),
            SqlValue::Integer(value) => out.extend_from_slice(&value.to_be_bytes()),
            SqlValue::Big(value) | SqlValue::Timestamp(value) => {
                out.extend_from_slice(&value.to_be_bytes());
            }
            SqlValue::Numeric(digits) => out.extend_from_slice(&numeric(digits)),
            SqlValue::Text(text) => out.extend_from_slice(text.as_bytes()),
            SqlValue::Bytes(bytes) => out.extend_from_slice(bytes),
            SqlValue::Uuid(id) => out.extend_from_slice(id),
        }
        Ok(IsNull::No)
    }

    /// Each statement casts its parameters to the types of the columns, from which the values come.
    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

/// Returns the form in which PostgreSQL takes a number: digits by four, each after the number of those before the point.
fn numeric(digits: &str) -> Vec<u8> {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => (0x4000_u16, digits),
        None => (0, digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let missing = (4 - whole.len() % 4) % 4;
    let padded = "0".repeat(missing) + whole;
    let behind = fraction.to_owned() + &"0".repeat((4 - fraction.len() % 4) % 4);
    let group = |group: &[u8]| {
        group
            .iter()
            .fold(0_u16, |number, digit| number * 10 + u16::from(digit - b'0'))
    };
    let mut groups: Vec<_> = padded.as_bytes().chunks(4).map(group).collect();
    let weight = groups.len() as i64 - 1;
    groups.extend(behind.as_bytes().chunks(4).map(group));
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let groups = &groups[leading..];
    let weight = (weight - leading as i64) as i16;
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&(groups.len() as u16).to_be_bytes());
    let is_zero = groups.is_empty();
    bytes.extend_from_slice(&if is_zero { 0 } else { weight }.to_be_bytes());
    bytes.extend_from_slice(&if is_zero { 0 } else { sign }.to_be_bytes());
    bytes.extend_from_slice(&(fraction.len() as u16).to_be_bytes());
    for group in groups {
        bytes.extend_from_slice(&group.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_server_takes_them() {
        let words = |digits| {
            let bytes = numeric(digits);
            let words = bytes
                .chunks(2)
                .map(|two| u16::from_be_bytes([two[0], two[1]]));
            words.collect::<Vec<_>>()
        };
        assert_eq!(words("0"), [0, 0, 0, 0]);
        assert_eq!(words("12345"), [2, 1, 0, 0, 1, 2345]);
        assert_eq!(words("-1.5"), [2, 0, 0x4000, 1, 1, 5000]);
        assert_eq!(words("0.00001"), [1, 0xFFFE, 0, 5, 1000]);
    }
}
