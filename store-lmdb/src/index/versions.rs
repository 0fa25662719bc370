//! The versions of streams, beside the entries of the index: an append that only has to know where its stream ends need
//! not read the stream's last record, which is on a page of the log that nobody else needs.
//!
//! They are in a database of their own, part by part and block by block as the entries are. Releases without them leave
//! them as they are. They cannot be outdated all the same: a part is written once, no number of a run is given twice,
//! and the checksum of a block of versions includes that of the block of entries. Where they are missing or damaged, the
//! record is read.

use super::block::{self, BlockAddress, CHECKSUM, ENTRIES};
use super::manifest::{Draft, Run};
use super::{Index, IndexEntry, LONGEST_PART, damaged_versions, part_key};
use crate::checksum;
use crate::error::backend;
use crate::record::{Header, Kind};
use heed::{RoTxn, RwTxn};
use midgard::store::StoreError;
use midgard::{Position, Version};
use std::num::NonZeroU32;

/// The bytes of a version; zero when it is unknown.
const VERSION: usize = 4;
/// The bytes of the versions of a full block.
const BLOCK: usize = CHECKSUM + ENTRIES * VERSION;
/// How many parts of runs that are no more are removed at once.
const REMOVED_AT_ONCE: usize = 64;
/// The action of errors about the database.
const READ: &str = "read the versions in the index of streams";

/// The last record of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastRecord {
    pub(crate) position: Position,
    /// Its version, when it is an event of a stream from which nothing was removed.
    pub(crate) version: Option<NonZeroU32>,
}

impl LastRecord {
    /// Returns a record of which only the position is known.
    pub(crate) const fn at(position: Position) -> Self {
        LastRecord {
            position,
            version: None,
        }
    }

    /// Returns the record with this header.
    pub(crate) fn of(header: &Header<'_>) -> Self {
        match header.kind {
            Kind::Event => LastRecord::of_event(header.position, header.first, header.version),
            Kind::Truncated | Kind::Tombstoned => LastRecord::at(header.position),
        }
    }

    /// Returns an event's record. Its stream begins with version `first`.
    pub(crate) fn of_event(position: Position, first: Version, version: Version) -> Self {
        let version = u32::try_from(version.get()).ok().and_then(NonZeroU32::new);
        LastRecord {
            position,
            version: version.filter(|_| first == Version::FIRST),
        }
    }
}

/// Returns whether an error reports that versions cannot be read, and everything else may be.
pub(crate) fn is_damage_of_versions(error: &StoreError) -> bool {
    matches!(error, StoreError::Backend { action, .. } if *action == READ)
}

/// The versions of a part, as they are stored; empty when a release without versions wrote it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Versions<'t>(&'t [u8]);

impl<'t> Versions<'t> {
    /// Those of a part whose entries these are.
    pub(super) fn encode(
        run: u64,
        part: u32,
        part_bytes: &[u8],
        entries: &[IndexEntry],
    ) -> Vec<u8> {
        let blocks = entries.chunks(ENTRIES);
        let mut out = Vec::with_capacity(blocks.len() * CHECKSUM + entries.len() * VERSION);
        for (block, entries) in blocks.enumerate() {
            let start = out.len();
            out.extend_from_slice(&[0; CHECKSUM]);
            for entry in entries {
                let version = entry.record.version.map_or(0, NonZeroU32::get);
                out.extend_from_slice(&version.to_le_bytes());
            }
            let address = BlockAddress { run, part, block };
            let sum = checksum(address, part_bytes, &out[start + CHECKSUM..]);
            out[start..start + CHECKSUM].copy_from_slice(&sum.to_le_bytes());
        }
        out
    }

    /// Returns the one of an entry, if it is known.
    pub(super) fn get(
        self,
        part_bytes: &[u8],
        address: BlockAddress,
        entry: usize,
    ) -> Option<NonZeroU32> {
        let versions = self.of_block(part_bytes, address)?;
        NonZeroU32::new(u32::from_le_bytes(*versions.get(entry)?))
    }

    /// Adds those of a block, as far as they are known, to its entries.
    pub(super) fn beside(
        self,
        part_bytes: &[u8],
        address: BlockAddress,
        entries: impl Iterator<Item = IndexEntry>,
    ) -> impl Iterator<Item = IndexEntry> {
        let versions = self.of_block(part_bytes, address).unwrap_or_default();
        entries.enumerate().map(|(number, mut entry)| {
            let version = versions.get(number).copied();
            entry.record.version = version.map(u32::from_le_bytes).and_then(NonZeroU32::new);
            entry
        })
    }

    /// Returns those of a block, of which there are as many as it has entries; `None` when they are damaged.
    fn of_block(self, part_bytes: &[u8], address: BlockAddress) -> Option<&'t [[u8; VERSION]]> {
        let start = address.block * BLOCK;
        let bytes = self.0.get(start..self.0.len().min(start + BLOCK))?;
        let (stored, versions) = bytes.split_first_chunk::<CHECKSUM>()?;
        let is_sound = u32::from_le_bytes(*stored) == checksum(address, part_bytes, versions);
        is_sound.then_some(versions.as_chunks::<VERSION>().0)
    }

    /// Returns what is wrong with those of a part.
    pub(super) fn faults(self, run: u64, part: u32, part_bytes: &[u8]) -> Vec<String> {
        let (blocks, mut faults) = (block::count(part_bytes), Vec::new());
        if self.0.is_empty() {
            return faults;
        }
        if self.0.len().div_ceil(BLOCK) != blocks {
            faults.push(damaged_versions(&format!("of part {part} of run {run}")));
        }
        for block in 0..blocks {
            let address = BlockAddress { run, part, block };
            if self.of_block(part_bytes, address).is_none() {
                faults.push(damaged_versions(&format!(
                    "of block {block} of part {part} of run {run}"
                )));
            }
        }
        faults
    }
}

/// Returns the checksum of the versions of a block: with other entries they count as damaged.
fn checksum(address: BlockAddress, part_bytes: &[u8], versions: &[u8]) -> u32 {
    let entries = block::stored_checksum(part_bytes, address.block);
    checksum::at(address.seed() ^ u64::from(entries), versions)
}

impl Index {
    /// Returns the versions of a part.
    pub(super) fn versions<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        run: u64,
        part: u32,
    ) -> Result<Versions<'t>, StoreError> {
        let Some(versions) = self.versions else {
            return Ok(Versions(&[]));
        };
        let bytes = versions.get(transaction, &part_key(run, part));
        let bytes = bytes.map_err(backend(READ))?;
        let bytes = bytes.filter(|bytes| bytes.len() <= LONGEST_PART);
        Ok(Versions(bytes.unwrap_or_default()))
    }

    /// Removes versions of runs that are no more. A release without versions has merged them.
    pub(super) fn remove_orphaned_versions(
        &self,
        transaction: &mut RwTxn<'_>,
        draft: &Draft,
    ) -> Result<(), StoreError> {
        let Some(versions) = self.versions else {
            return Ok(());
        };
        let mut from = part_key(0, 0);
        let mut left = REMOVED_AT_ONCE;
        while left > 0 {
            let next = versions.get_greater_than_or_equal_to(transaction, &from);
            let Some((key, _)) = next.map_err(backend(READ))? else {
                break;
            };
            let key = key.to_vec();
            let run = number_of(&key);
            if let Some(run) = run.filter(|run| is_in(draft, *run)) {
                from = part_key(run.saturating_add(1), 0);
                continue;
            }
            let removed = versions.delete(transaction, &key);
            removed.map_err(backend("write the index"))?;
            left -= 1;
        }
        Ok(())
    }
}

fn is_in(draft: &Draft, number: u64) -> bool {
    draft.runs.iter().any(|run: &Run| run.number == number)
}

/// Returns the number of the run in the key of a part.
fn number_of(key: &[u8]) -> Option<u64> {
    let (number, _) = key.split_first_chunk::<8>()?;
    Some(u64::from_be_bytes(*number))
}
