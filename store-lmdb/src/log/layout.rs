//! The layout of records in pages.
//!
//! LMDB gives whole pages to a value of more than 2,022 bytes: a value of 2,100 would take 4,096, and one of 4,100
//! twice as much. Of values of 1,400 bytes it puts two on a page, where nearly three would fit. A record that would
//! waste much of a page is split: it takes as many whole pages as it fills, and the rest goes into pieces behind it,
//! which share pages with other records. Records of one commit that together fill whole pages become a block.

use super::block;

/// The size of LMDB's pages where the system's pages have this size.
const PAGE: usize = 4096;
/// The header of a page.
const PAGE_HEADER: usize = 16;
/// The most bytes of a value that shares a page with others, with a key of 8 bytes.
const LARGEST_SHARED: usize = 2022;
/// What a value on a shared page takes in addition to its own bytes: its header, its key and its place in the page.
const NODE: usize = 8 + 8 + 2;
/// The bytes of a piece. Six of them fill a page, with their keys.
pub(super) const PIECE: usize = 660;
/// The most pages of a block: all of them are read and rewritten when one of its records is removed.
const BLOCK_PAGES: usize = 4;
/// No block has more bytes.
pub(super) const LARGEST_BLOCK: usize = BLOCK_PAGES * PAGE - PAGE_HEADER;

/// Returns about how many bytes of the file a value takes, where values of its length lie next to each other.
const fn cost_of(length: usize) -> usize {
    match length {
        ..=LARGEST_SHARED => PAGE / ((PAGE - PAGE_HEADER) / (NODE + length.next_multiple_of(2))),
        length => (length + PAGE_HEADER).div_ceil(PAGE) * PAGE,
    }
}

/// Returns how many bytes of a record stay under its own key when it is split. A record is not split if it wastes at
/// most a fourth of its length.
pub(super) const fn head_of(length: usize) -> usize {
    if length <= PIECE || cost_of(length) * 4 <= length * 5 {
        return length;
    }
    match (length + PAGE_HEADER) / PAGE {
        0 => PIECE,
        pages => pages * PAGE - PAGE_HEADER,
    }
}

/// Returns how many of these records make a block: enough to fill whole pages except for a sixteenth. All of them are
/// also enough if no more than `waste` bytes of their pages stay empty. Returns `None` when the first one is to stand
/// alone.
pub(super) fn block_of(lengths: impl Iterator<Item = usize>, waste: usize) -> Option<usize> {
    let (mut records, mut bytes, mut best, mut empty) = (0, 0, None, 0);
    for length in lengths {
        bytes += length;
        records += 1;
        let size = block::size_of(records, bytes) + PAGE_HEADER;
        let pages = size.div_ceil(PAGE);
        if pages > BLOCK_PAGES {
            return best;
        }
        empty = pages * PAGE - size;
        if records > 1 && size * 16 >= pages * PAGE * 15 {
            best = Some(records);
        }
    }
    if records > 1 && empty <= waste {
        best = Some(records);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many bytes of the file a record takes, where many of its length lie next to each other.
    fn cost(length: usize) -> f64 {
        const RECORDS: usize = 200;
        let head = head_of(length);
        let pieces = (head..length)
            .step_by(PIECE)
            .map(|at| PIECE.min(length - at) + 1);
        let values: Vec<_> = [head].into_iter().chain(pieces).collect();
        let (mut pages, mut left) = (0, 0);
        for value in values.repeat(RECORDS) {
            let node = if value > LARGEST_SHARED {
                pages += (value + PAGE_HEADER).div_ceil(PAGE);
                NODE + size_of::<u64>()
            } else {
                NODE + value.next_multiple_of(2)
            };
            if node > left {
                (pages, left) = (pages + 1, PAGE - PAGE_HEADER);
            }
            left -= node;
        }
        // The last page is not full yet.
        (pages * PAGE - left) as f64 / RECORDS as f64
    }

    #[test]
    fn no_payload_wastes_much() {
        // A record has some 70 bytes in addition to its payload, and more with long names; this overhead is what
        // small ones cost.
        for payload in (128..60_000).step_by(3).chain([1 << 20, 16 << 20]) {
            let most = 1.3 * payload as f64 + 64.0;
            let cost = cost(payload + 70);
            assert!(cost <= most, "{payload} bytes take {cost}");
        }
    }

    #[test]
    fn a_block_fills_its_pages() {
        for length in 20..3000 {
            let Some(records) = block_of([length; 2000].into_iter(), 0) else {
                assert!(length > 1000, "records of {length} bytes make no block");
                continue;
            };
            let size = block::size_of(records, records * length) + PAGE_HEADER;
            let pages = size.div_ceil(PAGE);
            assert!(pages <= BLOCK_PAGES && size * 16 >= pages * PAGE * 15);
        }
        // The rest of a commit, and a record that fills pages by itself.
        assert_eq!(block_of([300; 9].into_iter(), 1000), None);
        assert_eq!(block_of([300; 9].into_iter(), 2000), Some(9));
        assert_eq!(block_of([300; 1].into_iter(), PAGE), None);
        assert_eq!(block_of([20_000, 300, 300].into_iter(), PAGE), None);
    }
}
