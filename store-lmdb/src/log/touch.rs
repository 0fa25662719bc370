//! Prefetching memory.
//!
//! In a log that is larger than the caches of the processor, reading a record means waiting for memory: for the page
//! that holds its place in its block, then for its header, then for its payload. Requesting all of it at once means
//! waiting only once.

use super::block;
use super::layout::LARGEST_BLOCK;
use std::hint::black_box;

/// The unit in which memory is loaded.
const LINE: usize = 64;
/// The most that is requested at once: a processor does not wait for much more.
const MOST: usize = 1024;

/// Prefetches the place in a block where a record begins if all are about as long as another one; zero when there is
/// none.
#[inline]
pub(super) fn place(bytes: &[u8], index: usize, length: usize) {
    // No block is longer. A damaged length may lead behind the end of the file.
    if length > 0 && bytes.len() <= LARGEST_BLOCK {
        let count = bytes.len() / block::size_of(1, length);
        let place = block::size_of(count, 0).saturating_add(index.saturating_mul(length));
        black_box(bytes.get(place).copied());
    }
}

/// Prefetches a record, or its beginning.
#[inline]
pub(super) fn record(bytes: &[u8]) {
    let lines = bytes[..bytes.len().min(MOST)].iter().step_by(LINE);
    black_box(lines.fold(0, |all, byte| all ^ byte));
}
