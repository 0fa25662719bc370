//! For authors of stores: numbers in as few bytes as they need (unsigned LEB128, as in DWARF).

/// Appends a number: seven bits a byte, the lowest first, the highest bit set in all bytes but the last.
///
/// ```
/// use midgard::varint;
///
/// let mut bytes = Vec::new();
/// varint::push(&mut bytes, 300);
/// assert_eq!(bytes, [0xac, 0x02]);
/// let mut rest = &bytes[..];
/// assert_eq!((varint::take(&mut rest), rest.len()), (Some(300), 0));
/// ```
#[inline]
pub fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        // The lowest seven bits; the higher ones follow.
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number from the front; `None` when it is cut off or longer than any 64-bit number.
#[inline]
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
