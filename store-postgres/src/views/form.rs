//! Forms of keys, as types of columns; values of columns, read from the bytes of keys.

use super::value::SqlValue;

/// The form of a value, as [`ViewKey::column`](midgard::ViewKey::column) writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Leaf(Leaf),
    Optional(Box<Form>),
    Tuple(Vec<Form>),
    /// A form that an implementation by hand describes: nobody else knows where its bytes end.
    Unknown,
}

/// The form of a value that is one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    /// The number of its bytes.
    Unsigned(usize),
    Signed(usize),
    Bool,
    Char,
    Text,
    Bytes,
    FixedBytes(usize),
    Uuid,
    Timestamp,
    Decimal,
}

/// Why bytes are not a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread<'a> {
    /// They end before the value does: within a text or bytes, whose beginning this is, or elsewhere.
    Short(Option<(Leaf, &'a [u8])>),
    /// They are of another form.
    Other,
}

impl Form {
    pub(super) fn parse(form: &str) -> Self {
        let mut rest = form;
        match parse(&mut rest) {
            Some(parsed) if rest.is_empty() && !parsed.has_unknown() => parsed,
            _ => Form::Unknown,
        }
    }

    fn has_unknown(&self) -> bool {
        match self {
            Form::Leaf(_) => false,
            Form::Optional(form) => form.has_unknown(),
            Form::Tuple(forms) => forms.iter().any(Form::has_unknown),
            Form::Unknown => true,
        }
    }

    /// Skips one value.
    pub(super) fn skip<'a>(&self, bytes: &mut &'a [u8]) -> Result<(), Unread<'a>> {
        match self {
            Form::Leaf(leaf) => leaf.read(bytes).map(drop),
            Form::Optional(form) => match bytes.split_off_first() {
                None => Err(Unread::Short(None)),
                Some(0) => Ok(()),
                Some(_) => form.skip(bytes),
            },
            Form::Tuple(forms) => forms.iter().try_for_each(|form| form.skip(bytes)),
            Form::Unknown => {
                *bytes = &[];
                Ok(())
            }
        }
    }
}

fn parse(form: &mut &str) -> Option<Form> {
    if skip(form, "optional ") {
        return Some(Form::Optional(Box::new(parse(form)?)));
    }
    if skip(form, "(") {
        let mut parts = vec![parse(form)?];
        while skip(form, ", ") {
            parts.push(parse(form)?);
        }
        return skip(form, ")").then_some(Form::Tuple(parts));
    }
    if skip(form, "[u8; ") {
        let (count, rest) = form.split_once(']')?;
        *form = rest;
        return Some(Form::Leaf(Leaf::FixedBytes(count.parse().ok()?)));
    }
    let end = form.find([',', ')']).unwrap_or(form.len());
    let (word, rest) = form.split_at(end);
    *form = rest;
    Some(Form::Leaf(match word {
        "u8" => Leaf::Unsigned(1),
        "u16" => Leaf::Unsigned(2),
        "u32" => Leaf::Unsigned(4),
        "u64" => Leaf::Unsigned(8),
        "u128" => Leaf::Unsigned(16),
        "i8" => Leaf::Signed(1),
        "i16" => Leaf::Signed(2),
        "i32" => Leaf::Signed(4),
        "i64" => Leaf::Signed(8),
        "i128" => Leaf::Signed(16),
        "bool" => Leaf::Bool,
        "char" => Leaf::Char,
        "text" => Leaf::Text,
        "bytes" => Leaf::Bytes,
        "uuid" => Leaf::Uuid,
        "timestamp" => Leaf::Timestamp,
        "decimal" => Leaf::Decimal,
        _ => {
            // The number of the variant.
            let names = word.strip_prefix("one of ")?;
            let is_wide = names.split('|').count() > 256;
            Leaf::Unsigned(if is_wide { 2 } else { 1 })
        }
    }))
}

fn skip(form: &mut &str, start: &str) -> bool {
    form.strip_prefix(start).map(|rest| *form = rest).is_some()
}

/// Microseconds between 1970 and 2000, where PostgreSQL begins to count.
const EPOCH: i64 = 946_684_800_000_000;

/// The first microsecond that is too late for PostgreSQL, as it counts: in the year 294277.
const END_OF_TIME: i64 = 9_223_371_331_200_000_000;

impl Leaf {
    /// Returns the type of the column.
    pub(super) const fn sql_type(self) -> &'static str {
        match self {
            Leaf::Bool => "boolean",
            Leaf::Char | Leaf::Text => "text",
            Leaf::Unsigned(1) | Leaf::Signed(1 | 2) => "smallint",
            Leaf::Unsigned(2) | Leaf::Signed(4) => "integer",
            Leaf::Unsigned(4) | Leaf::Signed(8) => "bigint",
            Leaf::Unsigned(_) | Leaf::Signed(_) | Leaf::Decimal => "numeric",
            Leaf::Bytes | Leaf::FixedBytes(_) => "bytea",
            Leaf::Uuid => "uuid",
            Leaf::Timestamp => "timestamptz",
        }
    }

    /// Reads one value.
    pub(super) fn read<'a>(self, bytes: &mut &'a [u8]) -> Result<SqlValue, Unread<'a>> {
        let fixed =
            |bytes: &mut &'a [u8], count| bytes.split_off(..count).ok_or(Unread::Short(None));
        Ok(match self {
            Leaf::Unsigned(count) => {
                let number = unsigned(fixed(bytes, count)?);
                match count {
                    1 | 2 | 4 => integer(self, i64::try_from(number).unwrap_or(i64::MAX)),
                    _ => SqlValue::Numeric(number.to_string()),
                }
            }
            Leaf::Signed(count) => {
                let number = unsigned(fixed(bytes, count)?);
                // The bit of the sign is turned over.
                let half = 1_u128 << (count * 8 - 1);
                let number = number.wrapping_sub(half).cast_signed();
                match i64::try_from(number) {
                    Ok(number) if count <= 8 => integer(self, number),
                    _ => SqlValue::Numeric(number.to_string()),
                }
            }
            Leaf::Bool => SqlValue::Bool(fixed(bytes, 1)? != [0]),
            Leaf::Char => {
                let code = unsigned(fixed(bytes, 4)?);
                let char = u32::try_from(code).ok().and_then(char::from_u32);
                SqlValue::Text(char.ok_or(Unread::Other)?.to_string())
            }
            Leaf::Text => {
                let text = self.unescape(bytes)?;
                SqlValue::Text(String::from_utf8(text).map_err(|_| Unread::Other)?)
            }
            Leaf::Bytes => SqlValue::Bytes(self.unescape(bytes)?),
            Leaf::FixedBytes(count) => SqlValue::Bytes(fixed(bytes, count)?.to_vec()),
            Leaf::Uuid => {
                let id = fixed(bytes, 16)?.try_into();
                SqlValue::Uuid(id.map_err(|_| Unread::Other)?)
            }
            Leaf::Timestamp => {
                let micros = unsigned(fixed(bytes, 8)?);
                let time = i64::try_from(micros).ok().map(|micros| micros - EPOCH);
                // Infinity, which is later than all times.
                let time = time.filter(|time| *time < END_OF_TIME);
                SqlValue::Timestamp(time.unwrap_or(i64::MAX))
            }
            Leaf::Decimal => {
                let number = fixed(bytes, 24)?;
                SqlValue::Numeric(decimal(number.try_into().map_err(|_| Unread::Other)?))
            }
        })
    }

    /// Reads bytes that [`KeyBytes::push_bytes`](midgard::view::KeyBytes::push_bytes) wrote.
    fn unescape<'a>(self, bytes: &mut &'a [u8]) -> Result<Vec<u8>, Unread<'a>> {
        let (all, mut unescaped) = (*bytes, Vec::new());
        loop {
            match bytes.split_off_first() {
                None => return Err(Unread::Short(Some((self, all)))),
                Some(0) => return Ok(unescaped),
                Some(1) => {
                    let next = bytes.split_off_first().ok_or(Unread::Other)?;
                    unescaped.push(next.checked_sub(1).ok_or(Unread::Other)?);
                }
                Some(byte) => unescaped.push(*byte),
            }
        }
    }
}

/// Reads escaped bytes without an end.
pub(super) fn unescape_beginning(mut bytes: &[u8]) -> Vec<u8> {
    let mut unescaped = Vec::new();
    while let Some(byte) = bytes.split_off_first() {
        match byte {
            1 => unescaped.extend(bytes.split_off_first().and_then(|next| next.checked_sub(1))),
            byte => unescaped.push(*byte),
        }
    }
    unescaped
}

fn integer(leaf: Leaf, number: i64) -> SqlValue {
    match leaf.sql_type() {
        "smallint" => SqlValue::Small(i16::try_from(number).unwrap_or(i16::MAX)),
        "integer" => SqlValue::Integer(i32::try_from(number).unwrap_or(i32::MAX)),
        "numeric" => SqlValue::Numeric(number.to_string()),
        _ => SqlValue::Big(number),
    }
}

/// Reads at most 16 bytes, the largest first.
fn unsigned(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// The digits after the point of the smallest step of a decimal.
const SCALE: usize = 28;

/// Returns the digits of a whole number of 10⁻²⁸, with the bit of its sign turned over.
fn decimal(mut bytes: [u8; 24]) -> String {
    bytes[0] ^= 0x80;
    let is_negative = bytes[0] & 0x80 != 0;
    if is_negative {
        // The complement of two.
        let mut carry = true;
        for byte in bytes.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let mut digits = Vec::new();
    while bytes.iter().any(|byte| *byte != 0) {
        let mut rest = 0_u16;
        for byte in &mut bytes {
            let value = rest << 8 | u16::from(*byte);
            *byte = (value / 10) as u8;
            rest = value % 10;
        }
        digits.push(b'0' + rest as u8);
    }
    while digits.len() <= SCALE {
        digits.push(b'0');
    }
    digits.reverse();
    let digits = String::from_utf8_lossy(&digits);
    let (whole, fraction) = digits.split_at(digits.len() - SCALE);
    let fraction = fraction.trim_end_matches('0');
    let sign = if is_negative { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use midgard::ViewKey;
    use midgard::view::KeyBytes;

    fn read<K: ViewKey>(value: &K) -> SqlValue {
        let mut form = String::new();
        K::column(&mut form);
        let Form::Leaf(leaf) = Form::parse(&form) else {
            panic!("{form} is one column");
        };
        let bytes = KeyBytes::of(value);
        let mut rest = bytes.as_bytes();
        let read = leaf.read(&mut rest).unwrap();
        assert!(rest.is_empty());
        read
    }

    #[test]
    fn numbers_are_read_back() {
        assert_eq!(read(&200_u8), SqlValue::Small(200));
        assert_eq!(read(&i8::MIN), SqlValue::Small(-128));
        assert_eq!(read(&-3_i32), SqlValue::Integer(-3));
        assert_eq!(read(&u16::MAX), SqlValue::Integer(65_535));
        assert_eq!(read(&u32::MAX), SqlValue::Big(4_294_967_295));
        assert_eq!(read(&i64::MIN), SqlValue::Big(i64::MIN));
        for number in [0, 7, u64::MAX] {
            assert_eq!(read(&number), SqlValue::Numeric(number.to_string()));
        }
        for number in [i128::MIN, -1, 0, 5, i128::MAX] {
            assert_eq!(read(&number), SqlValue::Numeric(number.to_string()));
        }
        assert_eq!(read(&u128::MAX), SqlValue::Numeric(u128::MAX.to_string()));
    }

    #[test]
    fn texts_and_bytes_are_read_back() {
        let text = "a\0b\u{1}ü".to_owned();
        assert_eq!(read(&text), SqlValue::Text(text.clone()));
        let bytes = vec![0, 1, 2, 255];
        assert_eq!(read(&bytes), SqlValue::Bytes(bytes.clone()));
        assert_eq!(read(&'ß'), SqlValue::Text("ß".to_owned()));
    }

    #[test]
    fn forms_are_parsed() {
        let form = Form::parse("(text, optional u64, (one of A|B, [u8; 4]))");
        let expected = Form::Tuple(vec![
            Form::Leaf(Leaf::Text),
            Form::Optional(Box::new(Form::Leaf(Leaf::Unsigned(8)))),
            Form::Tuple(vec![
                Form::Leaf(Leaf::Unsigned(1)),
                Form::Leaf(Leaf::FixedBytes(4)),
            ]),
        ]);
        assert_eq!(form, expected);
        for unknown in ["", "dotted", "(u8, dotted)", "u8)", "optional"] {
            assert_eq!(Form::parse(unknown), Form::Unknown, "{unknown}");
        }
    }

    #[test]
    fn decimals_have_all_their_digits() {
        // 1.5 and -1.5 in steps of 10⁻²⁸.
        let steps = 15_i128 * 10_i128.pow(27);
        for (number, text) in [
            (steps, "1.5"),
            (-steps, "-1.5"),
            (0, "0"),
            (1, "0.0000000000000000000000000001"),
        ] {
            let mut bytes = [if number < 0 { 0xFF } else { 0 }; 24];
            bytes[8..].copy_from_slice(&number.to_be_bytes());
            bytes[0] ^= 0x80;
            assert_eq!(decimal(bytes), text);
        }
    }
}
