//! Blocks: values that have several records, of positions one after the other.
//!
//! How many there are, where each ends, and the records. One that was removed ends where it begins.

use midgard::Position;

/// What each number takes.
const NUMBER: usize = 2;

/// The bytes of a block of so many records, of so many bytes.
pub(super) const fn size_of(records: usize, bytes: usize) -> usize {
    NUMBER * (1 + records) + bytes
}

/// Writes a block to `out`, which is emptied first. Its bytes are few enough for two bytes a number.
pub(super) fn encode<'r>(out: &mut Vec<u8>, records: impl Iterator<Item = &'r [u8]> + Clone) {
    out.clear();
    let count = records.clone().count() as u16;
    out.extend_from_slice(&count.to_le_bytes());
    let mut end = 0_u16;
    for record in records.clone() {
        // Of a block that is damaged, records may overlap.
        end = end.wrapping_add(record.len() as u16);
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
    /// What is damaged of it has no records, or others.
    pub(super) fn parse(bytes: &'a [u8]) -> Self {
        let parts = bytes.split_first_chunk().and_then(|(count, rest)| {
            let count = usize::from(u16::from_le_bytes(*count));
            rest.split_at_checked(count * NUMBER)
        });
        let (ends, records) = parts.unwrap_or_default();
        let (ends, _) = ends.as_chunks();
        Block { ends, records }
    }

    pub(super) const fn len(self) -> usize {
        self.ends.len()
    }

    /// The position of its last record, when it begins at `first`.
    pub(super) const fn last(self, first: Position) -> Position {
        Position(first.previous().get().saturating_add(self.len() as u64))
    }

    fn end(self, index: usize) -> usize {
        let end = self.ends.get(index);
        end.map_or(0, |end| usize::from(u16::from_le_bytes(*end)))
    }

    /// A record; empty when it was removed.
    pub(super) fn record(self, index: usize) -> &'a [u8] {
        let start = match index {
            0 => 0,
            index => self.end(index - 1),
        };
        // What is not there is damaged, and so are these bytes.
        let damaged = &b"\0"[..];
        self.records.get(start..self.end(index)).unwrap_or(damaged)
    }

    /// Writes the block without the records at some positions, in their order; nothing when no record is left.
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
            let block = Block::parse(&bytes);
            let read: Vec<_> = (0..block.len()).map(|index| block.record(index)).collect();
            assert_eq!(read, records);

            // Damaged, as blocks have no checksum of their own.
            let at = random.usize(..bytes.len());
            bytes[at] ^= random.u8(1..);
            bytes.truncate(random.usize(..=bytes.len()));
            let (first, mut left) = (Position(random.u64(1..)), Vec::new());
            let block = Block::parse(&bytes);
            let read = (0..block.len()).map(|index| block.record(index).len());
            assert!(read.max().unwrap_or_default() <= bytes.len().max(1));
            block.encode_without(first, &[first, first.next()], &mut left);
        }
    }
}
