//! Keys in messages: their bytes read back by their form.

use super::View;
use super::key::KeyBytes;

/// Returns a key in words, such as `"ann"` or `(7, "ann")`. Bytes of an unknown form are escaped.
#[cold]
pub(super) fn key<V: View>(bytes: &[u8]) -> String {
    by_form(V::KEY.describe, bytes)
}

#[cold]
pub(super) fn key_of<V: View>(row: &V) -> String {
    let mut bytes = KeyBytes::new();
    row.encode_key(&mut bytes);
    key::<V>(bytes.as_bytes())
}

#[cold]
pub(super) fn by_form(describe: fn(&mut String), bytes: &[u8]) -> String {
    let mut form = String::new();
    describe(&mut form);
    let (mut text, mut form, mut rest) = (String::new(), form.as_str(), bytes);
    match value(&mut form, &mut rest, &mut text) {
        Some(()) if form.is_empty() && rest.is_empty() => text,
        _ => bytes.escape_ascii().to_string(),
    }
}

/// Reads the first value of `bytes` by the first form of `form`.
fn value(form: &mut &str, bytes: &mut &[u8], text: &mut String) -> Option<()> {
    macro_rules! numbers {
        ($($type:ident $zero:expr;)*) => {$(
            if skip(form, stringify!($type)) {
                let number = $type::from_be_bytes(*bytes.split_off(..size_of::<$type>())?.as_array()?);
                text.push_str(&(number ^ $zero).to_string());
                return Some(());
            }
        )*};
    }
    numbers! {
        u8 0; u16 0; u32 0; u64 0; u128 0;
        i8 i8::MIN; i16 i16::MIN; i32 i32::MIN; i64 i64::MIN; i128 i128::MIN;
    }
    if skip(form, "text") {
        let unescaped = unescape(bytes)?;
        text.push_str(&format!("{:?}", String::from_utf8(unescaped).ok()?));
    } else if skip(form, "bytes") {
        text.push_str(&unescape(bytes)?.escape_ascii().to_string());
    } else if skip(form, "bool") {
        text.push_str(if bytes.split_off_first()? == &0 {
            "false"
        } else {
            "true"
        });
    } else if skip(form, "char") {
        let code = u32::from_be_bytes(*bytes.split_off(..4)?.as_array()?);
        text.push_str(&format!("{:?}", char::from_u32(code)?));
    } else if skip(form, "[u8; ") {
        let (count, rest) = form.split_once(']')?;
        *form = rest;
        for byte in bytes.split_off(..count.parse().ok()?)? {
            text.push_str(&format!("{byte:02x}"));
        }
    } else if skip(form, "optional ") {
        if bytes.split_off_first()? == &0 {
            text.push_str("none");
            take_one(form);
        } else {
            value(form, bytes, text)?;
        }
    } else if skip(form, "one of ") {
        let names: Vec<_> = take_one(form).split('|').collect();
        let number = if names.len() > 256 {
            u16::from_be_bytes(*bytes.split_off(..2)?.as_array()?)
        } else {
            u16::from(*bytes.split_off_first()?)
        };
        text.push_str(names.get(usize::from(number))?);
    } else if skip(form, "(") {
        text.push('(');
        value(form, bytes, text)?;
        while skip(form, ", ") {
            text.push_str(", ");
            value(form, bytes, text)?;
        }
        text.push(')');
        skip(form, ")").then_some(())?;
    } else {
        return None;
    }
    Some(())
}

/// Takes the first form, up to the comma or the bracket after it.
fn take_one<'a>(form: &mut &'a str) -> &'a str {
    let mut depth = 0;
    let end = form.find(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => return true,
            _ => {}
        }
        depth < 0
    });
    let (one, rest) = form.split_at(end.unwrap_or(form.len()));
    *form = rest;
    one
}

fn skip(form: &mut &str, start: &str) -> bool {
    form.strip_prefix(start).map(|rest| *form = rest).is_some()
}

/// Reads bytes that [`KeyBytes::push_bytes`] wrote.
fn unescape(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let mut unescaped = Vec::new();
    loop {
        match bytes.split_off_first()? {
            0 => return Some(unescaped),
            1 => unescaped.push(bytes.split_off_first()?.checked_sub(1)?),
            byte => unescaped.push(*byte),
        }
    }
}
