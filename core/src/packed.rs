//! A list of short texts in one run of bytes: for each its length (u16, little-endian) and its UTF-8.
//!
//! Tags and headers are kept so: most events have none, and what there is can be copied to a record
//! and read in place from one.

use std::str;

/// The longest text that fits.
pub(crate) const LONGEST: usize = u16::MAX as usize;

/// Adds a text at the end. One longer than [`LONGEST`] is cut at a character; the limits of tags
/// and headers are far below that and are checked before anything is stored.
pub(crate) fn push(bytes: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(LONGEST)];
    // Cannot truncate: the line above bounds it.
    bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// Whether the bytes are a whole list of texts.
pub(crate) fn is_valid(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match split(bytes) {
            Some((text, rest)) if str::from_utf8(text).is_ok() => bytes = rest,
            _ => return false,
        }
    }
    true
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

/// Iterates over the texts of a list.
#[derive(Debug, Clone)]
pub struct PackedIter<'a>(&'a [u8]);

impl<'a> PackedIter<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        PackedIter(bytes)
    }
}

impl<'a> Iterator for PackedIter<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (text, rest) = split(self.0)?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }
}
