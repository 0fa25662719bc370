//! The index of streams: where the last record of each stream is, as far as the log was merged.
//!
//! The [`Manifest`] notes how far the log was merged; newer records are in the [tail](crate::tail) of the log. The
//! index is a tree of sorted runs (a log-structured merge tree with tiers: O'Neil and others, 1996; Jagadish and
//! others, 1997): each merge of the tail writes a run, and [`RUNS`](crate::levels::RUNS) runs of one level become one run
//! of the next. A run is written once, in parts, and never changed. Both merges happen inside commits of the writer,
//! the second in slices, and the progress is written down: any process can continue it at any time.

mod block;
mod check;
mod count;
mod filters;
mod manifest;
mod merge;
mod part;
#[cfg(test)]
mod tests;
mod versions;

pub(crate) use check::PartAddress;
pub(crate) use count::KeyRanges;
pub(crate) use filters::Filters;
pub(crate) use manifest::Manifest;
pub(crate) use merge::{flush, step};
pub(crate) use versions::{LastRecord, is_damage_of_versions};

use crate::about::About;
use crate::error::backend;
use block::BlockAddress;
use heed::types::Bytes;
use heed::{Database, RoTxn};
use manifest::Run;
use midgard::Position;
use midgard::store::StoreError;
use part::Found;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;
use std::num::NonZeroU32;

/// The index: parts of runs, by the numbers of the run and of the part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Index {
    pub(crate) entries: Parts,
    /// The versions beside the entries; `None` in a store that was opened to be read, and that only releases without
    /// them have written to.
    pub(crate) versions: Option<Parts>,
}

pub(crate) type Parts = Database<'static, Bytes, Bytes>;

/// The key of a stream: a hash of its name, long enough that no two streams of a store share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StreamKey(u128);

/// Makes the keys of streams with a secret of the store, so that nobody can choose names that collide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamKeys {
    hasher: SipHasher13,
}

impl StreamKeys {
    pub(crate) fn new(secret: &[u8; 16]) -> Self {
        StreamKeys {
            hasher: SipHasher13::new_with_key(secret),
        }
    }

    pub(crate) fn of(&self, stream: &[u8]) -> StreamKey {
        let mut hasher = self.hasher;
        hasher.write(stream);
        StreamKey(hasher.finish128().as_u128())
    }
}

impl StreamKey {
    /// Returns the most significant bits, which are as good as any others.
    pub(crate) const fn high(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// Returns which of the equal ranges of keys it is in; their number is given as a power of two.
    const fn part(self, parts_log2: u8) -> u32 {
        match parts_log2 {
            0 => 0,
            bits => (self.high() >> (64 - bits as u32)) as u32,
        }
    }
}

/// The last record of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) key: StreamKey,
    pub(crate) record: LastRecord,
}

/// No part comes near this. A damaged length may lead behind the end of the file, and reading there ends the process.
const LONGEST_PART: usize = 1 << 20;

impl Index {
    /// Returns the position of a stream's last record as of its last merge; `None` when it is in no run.
    pub(crate) fn find(
        &self,
        transaction: &RoTxn<'_>,
        manifest: &Manifest<'_>,
        key: StreamKey,
    ) -> Result<Option<Position>, StoreError> {
        for run in manifest.runs_asked_for(key) {
            if let (_, Some(found)) = self.find_in(transaction, run, key)? {
                return Ok(Some(found.position));
            }
        }
        Ok(None)
    }

    /// As [`find`](Index::find), without reading the parts that do not pass their filters; with the version of the
    /// record where that is known.
    pub(crate) fn find_filtered(
        &self,
        transaction: &RoTxn<'_>,
        about: About,
        key: StreamKey,
        filters: &mut Filters,
    ) -> Result<Option<LastRecord>, StoreError> {
        filters.note(|| about.manifest(transaction))?;
        let Filters {
            runs,
            made,
            distrusts_versions,
            ..
        } = filters;
        for known in runs {
            if known.may_have(key) {
                match self.find_in(transaction, known.run, key)? {
                    (_, Some(found)) if *distrusts_versions => {
                        return Ok(Some(LastRecord::at(found.position)));
                    }
                    (part, Some(found)) => {
                        let version = self.version(transaction, part, found);
                        *distrusts_versions = version.is_err();
                        return Ok(Some(LastRecord {
                            position: found.position,
                            version: version?,
                        }));
                    }
                    (part, None) => known.searched_in_vain(key, part, made),
                }
            }
        }
        Ok(None)
    }

    /// Returns the version beside an entry, if it is known.
    fn version(
        &self,
        transaction: &RoTxn<'_>,
        part: &[u8],
        found: Found,
    ) -> Result<Option<NonZeroU32>, StoreError> {
        let BlockAddress {
            run, part: number, ..
        } = found.block;
        let versions = self.versions(transaction, run, number)?;
        Ok(versions.get(part, found.block, found.entry))
    }

    /// Returns the part of a run that may have a key, and the entry that it has for it.
    fn find_in<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        run: Run,
        key: StreamKey,
    ) -> Result<(&'t [u8], Option<Found>), StoreError> {
        let part = key.part(run.parts_log2);
        let bytes = self.part(transaction, run, part)?;
        let found = part::find(bytes, run.number, part, run.parts_log2, key)?;
        Ok((bytes, found))
    }

    /// Returns a part of a run.
    fn part<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        run: Run,
        part: u32,
    ) -> Result<&'t [u8], StoreError> {
        let bytes = self.entries.get(transaction, &part_key(run.number, part));
        let bytes = bytes.map_err(backend("read the index"))?;
        let bytes = bytes.filter(|bytes| bytes.len() <= LONGEST_PART);
        bytes.ok_or_else(|| damaged(&format!("part {part} of run {} is missing", run.number)))
    }
}

fn part_key(run: u64, part: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&run.to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

/// The action of errors about impossible contents.
const READ: &str = "read the index of streams";

/// Returns whether an error reports a [damaged] index.
pub(crate) fn is_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Backend { action, cause } if *action == READ && !cause.is::<heed::Error>())
}

/// Describes damaged versions, without which the index is as good.
fn damaged_versions(which: &str) -> String {
    format!(
        "the versions {which} in the index of streams are damaged; records are read instead, and appends are slower until the run is merged"
    )
}

/// Returns the error of an index that cannot be as it was written.
fn damaged(what: &str) -> StoreError {
    StoreError::Backend {
        action: READ,
        cause: format!("it is damaged ({what}); restore the store from a backup").into(),
    }
}
