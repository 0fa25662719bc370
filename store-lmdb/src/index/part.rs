//! Parts of a run: the entries of one range of keys, in blocks.

use super::block::{self, Block, BlockAddress};
use super::versions::Versions;
use super::{IndexEntry, StreamKey};
use midgard::Position;
use midgard::store::StoreError;

/// An entry that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) position: Position,
    pub(super) block: BlockAddress,
    /// Its number in the block.
    pub(super) entry: usize,
}

/// Searches for a key in the part of a run that has its range.
///
/// Keys are evenly spread hashes: the place of a key can be computed from it, to within a block or two.
pub(super) fn find(
    bytes: &[u8],
    run: u64,
    part: u32,
    parts_log2: u8,
    key: StreamKey,
) -> Result<Option<Found>, StoreError> {
    let blocks = block::count(bytes);
    if blocks == 0 {
        return Ok(None);
    }
    let within = key.high() << parts_log2;
    let mut number = ((u128::from(within) * blocks as u128) >> 64) as usize;
    let mut came_from_before = None;
    loop {
        let address = BlockAddress {
            run,
            part,
            block: number,
        };
        let block = Block::of(bytes, address)?;
        let (before, after) = (key < block.first_key(), key > block.last_key());
        if !before && !after {
            let mut entries = block.entries().enumerate();
            let found = entries.find(|(_, found)| found.key == key);
            return Ok(found.map(|(entry, found)| Found {
                position: found.record.position,
                block: address,
                entry,
            }));
        }
        // There is nothing between this block and the previous one.
        if came_from_before == Some(before) || came_from_before.is_none() {
            came_from_before = Some(before);
        } else {
            return Ok(None);
        }
        number = match before {
            true if number == 0 => return Ok(None),
            true => number - 1,
            false if number + 1 == blocks => return Ok(None),
            false => number + 1,
        };
    }
}

/// Adds the entries of a part whose keys are in one of a number of equal ranges, in the order of keys.
pub(super) fn collect(
    bytes: &[u8],
    versions: Versions<'_>,
    run: u64,
    part: u32,
    range: u32,
    ranges_log2: u8,
    entries: &mut Vec<IndexEntry>,
) -> Result<(), StoreError> {
    for block in 0..block::count(bytes) {
        let address = BlockAddress { run, part, block };
        let block = Block::of(bytes, address)?;
        if block.last_key().part(ranges_log2) < range {
            continue;
        }
        if block.first_key().part(ranges_log2) > range {
            break;
        }
        let of_block = versions.beside(bytes, address, block.entries());
        entries.extend(of_block.filter(|entry| entry.key.part(ranges_log2) == range));
    }
    Ok(())
}
