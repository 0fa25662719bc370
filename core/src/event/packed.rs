//! A list of short texts in one run of bytes: for each its length (a varint) and its UTF-8.
//!
//! Tags and headers are stored this way: most events have none, and the bytes can be copied to a record and read in
//! place from one.

use crate::varint;
use std::str;

/// Adds a text at the end.
pub(crate) fn push(bytes: &mut Vec<u8>, text: &str) {
    varint::push(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

/// Returns whether the bytes are a complete list of texts.
pub(crate) fn is_valid(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match split(bytes) {
            Some((text, rest)) if str::from_utf8(text).is_ok() => bytes = rest,
            _ => return false,
        }
    }
    true
}

fn split(mut bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = varint::take(&mut bytes)?;
    bytes.split_at_checked(usize::try_from(length).ok()?)
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
