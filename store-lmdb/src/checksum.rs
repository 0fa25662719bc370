//! The checksums of stored data, as FORMAT.md describes them.

use xxhash_rust::xxh3::xxh3_64;

/// An odd number that spreads a place over all bits: the golden ratio of 2 to the 64.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Returns the checksum of these bytes, wherever they are.
#[inline]
pub(crate) fn of(bytes: &[u8]) -> u32 {
    xxh3_64(bytes) as u32
}

/// Returns the checksum of these bytes in this place: in another place they count as damaged too.
#[inline]
pub(crate) fn at(place: u64, bytes: &[u8]) -> u32 {
    (xxh3_64(bytes) ^ (place.wrapping_mul(SPREAD) >> 32)) as u32
}
