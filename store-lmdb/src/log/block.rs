//! Blocks: values with several records, of consecutive positions.
//!
//! A block has the number of records, the end of each, and the records. A removed record ends where it begins.

use super::layout::LARGEST_BLOCK;
use crate::error::corrupt;
use midgard::Position;
use midgard::store::StoreError;

/// The bytes of each number.
const NUMBER: usize = 2;
/// No record is shorter: its checksums and its id take most of this.
const SMALLEST_RECORD: usize = 32;
/// No block has more records.
pub(super) const MOST_RECORDS: u64 = (LARGEST_BLOCK / (NUMBER + SMALLEST_RECORD)) as u64;

/// The fault of a block whose records cannot be told apart.
pub(super) const DAMAGED: &str = "the block of records that begins with it is damaged";

pub(super) fn damaged(first: Position) -> StoreError {
    corrupt(first, None, DAMAGED.to_owned())
}

/// Returns the size of a block with this many records and bytes.
pub(super) const fn size_of(records: usize, bytes: usize) -> usize {
    NUMBER * (1 + records) + bytes
}

/// Writes a block to `out`, which is emptied first. Blocks are short enough for numbers of two bytes.
pub(super) fn encode<'r>(out: &mut Vec<u8>, records: impl Iterator<Item = &'r [u8]> + Clone) {
    out.clear();
    let count = records.clone().count() as u16;
    out.extend_from_slice(&count.to_le_bytes());
    let mut end = 0_u16;
    for record in records.clone() {
        end += record.len() as u16;
        out.extend_from_slice(&end.to_le_bytes());
    }
    records.for_each(|record| out.extend_from_slice(record));
}

/// A block, read in place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    ends: &'a [[u8; NUMBER]],
    records: &'a [u8],
}

impl<'a> Block<'a> {
    /// Returns `None` when it is damaged, as a block of zeros is: a block has at least one record, and ends where its
    /// last record does.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk()?;
        let count = usize::from(u16::from_le_bytes(*count));
        let (ends, records) = rest.split_at_checked(count * NUMBER)?;
        let (ends, _) = ends.as_chunks();
        let end = usize::from(u16::from_le_bytes(*ends.last()?));
        (end == records.len()).then_some(Block { ends, records })
    }

    /// Returns whether each record ends where it begins, or later.
    pub(super) fn is_in_order(self) -> bool {
        self.ends.is_sorted_by_key(|end| u16::from_le_bytes(*end))
    }

    pub(super) const fn len(self) -> usize {
        self.ends.len()
    }

    /// Returns the position of its last record, when it begins at `first`.
    pub(super) const fn last(self, first: Position) -> Position {
        Position(first.previous().get().saturating_add(self.len() as u64))
    }

    fn end(self, index: usize) -> usize {
        let end = self.ends.get(index);
        end.map_or(0, |end| usize::from(u16::from_le_bytes(*end)))
    }

    /// Returns a record; empty when it was removed.
    pub(super) fn record(self, index: usize) -> &'a [u8] {
        let start = match index {
            0 => 0,
            index => self.end(index - 1),
        };
        // A missing record is damaged, and so are these bytes.
        let damaged = &b"\0"[..];
        self.records.get(start..self.end(index)).unwrap_or(damaged)
    }

    /// Writes the block without the records at some positions, which are in order; writes nothing when no record is
    /// left.
    pub(super) fn encode_without(self, first: Position, removed: &[Position], out: &mut Vec<u8>) {
        let left = (0..self.len()).map(|index| {
            match removed.binary_search(&Position(first.get() + index as u64)) {
                Ok(_) => &[],
                Err(_) => self.record(index),
            }
        });
        if left.clone().any(|record| !record.is_empty()) {
            encode(out, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;
    use std::iter::repeat_with;

    #[test]
    fn records_come_back_and_arbitrary_bytes_make_nothing_panic() {
        let mut random = Rng::with_seed(1);
        for _ in 0..5_000 {
            let mut some = || repeat_with(|| random.u8(..)).take(4).collect::<Vec<_>>();
            let records: Vec<_> = repeat_with(&mut some).take(6).collect();
            let mut bytes = Vec::new();
            encode(&mut bytes, records.iter().map(Vec::as_slice));
            let Some(block) = Block::parse(&bytes) else {
                panic!("a block that was just written is damaged");
            };
            let read: Vec<_> = (0..block.len()).map(|index| block.record(index)).collect();
            assert_eq!(read, records);
            assert!(block.is_in_order());

            // Damaged, as blocks have no checksum of their own.
            let at = random.usize(..bytes.len());
            bytes[at] ^= random.u8(1..);
            bytes.truncate(random.usize(..=bytes.len()));
            let (first, mut left) = (Position(random.u64(1..)), Vec::new());
            let Some(block) = Block::parse(&bytes) else {
                continue;
            };
            let read = (0..block.len()).map(|index| block.record(index).len());
            assert!(read.max().unwrap_or_default() <= bytes.len().max(1));
            if block.is_in_order() {
                block.encode_without(first, &[first, first.next()], &mut left);
            }
        }
    }

    #[test]
    fn a_block_of_zeros_or_of_more_or_fewer_records_than_it_has_is_damaged() {
        let records = (1..=40).map(|length| vec![b'x'; length + 32]);
        let records: Vec<_> = records.collect();
        let mut bytes = Vec::new();
        encode(&mut bytes, records.iter().map(Vec::as_slice));
        assert!(Block::parse(&bytes).is_some());
        for length in 0..bytes.len() {
            assert!(Block::parse(&bytes[..length]).is_none());
            assert!(Block::parse(&vec![0; length]).is_none());
        }
        for count in (0..=u16::MAX).filter(|count| *count != 40) {
            bytes[..NUMBER].copy_from_slice(&count.to_le_bytes());
            assert!(Block::parse(&bytes).is_none(), "{count}");
        }
    }
}
