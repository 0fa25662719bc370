//! Blocks of entries: each is read at once to find one entry, and has a checksum.

use super::{IndexEntry, LastRecord, StreamKey, damaged};
use crate::checksum;
use crate::fields::Fields;
use midgard::Position;
use midgard::store::StoreError;

/// The most entries of a block. All blocks of a part except the last are full.
pub(super) const ENTRIES: usize = 10;
/// The bytes of an entry: 16 of the key, in the order of keys, and 8 of the position.
const ENTRY: usize = 24;
pub(super) const CHECKSUM: usize = 4;
/// The bytes of a full block.
const BLOCK: usize = CHECKSUM + ENTRIES * ENTRY;

/// The place of a block: a block found elsewhere is damaged.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockAddress {
    pub(super) run: u64,
    pub(super) part: u32,
    pub(super) block: usize,
}

/// Entries in the order of their keys; at least one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a>(&'a [u8]);

/// Returns the number of blocks of a part.
pub(super) const fn count(part: &[u8]) -> usize {
    part.len().div_ceil(BLOCK)
}

/// Writes entries as the blocks of a part.
pub(super) fn encode(run: u64, part: u32, entries: &[IndexEntry]) -> Vec<u8> {
    let blocks = entries.chunks(ENTRIES);
    let mut out = Vec::with_capacity(blocks.len() * CHECKSUM + entries.len() * ENTRY);
    for (block, entries) in blocks.enumerate() {
        let start = out.len();
        out.extend_from_slice(&[0; CHECKSUM]);
        for entry in entries {
            out.extend_from_slice(&entry.key.0.to_be_bytes());
            out.extend_from_slice(&entry.record.position.get().to_be_bytes());
        }
        let sum = checksum(BlockAddress { run, part, block }, &out[start + CHECKSUM..]);
        out[start..start + CHECKSUM].copy_from_slice(&sum.to_le_bytes());
    }
    out
}

impl BlockAddress {
    /// Returns a number that its checksum includes.
    pub(super) fn seed(self) -> u64 {
        let BlockAddress { run, part, block } = self;
        run.rotate_left(32) ^ u64::from(part) << 16 ^ block as u64
    }
}

fn checksum(address: BlockAddress, entries: &[u8]) -> u32 {
    checksum::at(address.seed(), entries)
}

/// Returns the checksum that a block of a part has, right or wrong; zero where there is no block.
pub(super) fn stored_checksum(part: &[u8], block: usize) -> u32 {
    let block = part.get(block * BLOCK..);
    let stored = block.and_then(|block| block.first_chunk::<CHECKSUM>());
    stored.map_or(0, |stored| u32::from_le_bytes(*stored))
}

impl<'a> Block<'a> {
    /// Returns the block at this address of a part, checked.
    pub(super) fn of(part: &'a [u8], address: BlockAddress) -> Result<Self, StoreError> {
        let start = address.block * BLOCK;
        let bytes = part.get(start..part.len().min(start + BLOCK));
        let checked = bytes
            .and_then(|bytes| bytes.split_first_chunk::<CHECKSUM>())
            .filter(|(stored, entries)| {
                let whole = !entries.is_empty() && entries.len().is_multiple_of(ENTRY);
                whole && u32::from_le_bytes(**stored) == checksum(address, entries)
            });
        checked.map(|(_, entries)| Block(entries)).ok_or_else(|| {
            damaged(&format!(
                "block {} of part {} of run {}",
                address.block, address.part, address.run
            ))
        })
    }

    /// Returns its entries, without their versions.
    pub(super) fn entries(self) -> impl DoubleEndedIterator<Item = IndexEntry> + use<'a> {
        let (entries, _) = self.0.as_chunks::<ENTRY>();
        entries.iter().map(|bytes| {
            let mut fields = Fields(bytes);
            let key = fields.chunk().map_or(0, |key| u128::from_be_bytes(*key));
            let position = fields.chunk().map_or(0, |at| u64::from_be_bytes(*at));
            IndexEntry {
                key: StreamKey(key),
                record: LastRecord::at(Position(position)),
            }
        })
    }

    pub(super) fn first_key(self) -> StreamKey {
        self.entries()
            .next()
            .map_or(StreamKey(0), |entry| entry.key)
    }

    pub(super) fn last_key(self) -> StreamKey {
        self.entries()
            .next_back()
            .map_or(StreamKey(u128::MAX), |entry| entry.key)
    }
}
