//! Counting the index, range by range of the keys.

use super::manifest::Run;
use super::{Index, IndexEntry, Manifest, StreamKey, part};
use heed::RoTxn;
use midgard::store::StoreError;

/// Equal ranges of keys, as many as the largest run has parts: each has a few thousand entries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyRanges {
    log2: u8,
    /// The next one.
    next: u32,
}

impl KeyRanges {
    pub(crate) fn of(manifest: &Manifest<'_>) -> Self {
        let log2 = manifest.runs().map(|run| run.parts_log2).max();
        KeyRanges {
            log2: log2.unwrap_or_default(),
            next: 0,
        }
    }

    /// Returns the number of ranges.
    pub(crate) const fn count(&self) -> u32 {
        1 << self.log2
    }

    /// Returns the number of ranges that are done.
    pub(crate) const fn done(&self) -> u32 {
        self.next
    }

    /// Returns those of the sorted keys that are in the next range.
    pub(crate) fn next_of<'k>(&self, keys: &'k [StreamKey]) -> &'k [StreamKey] {
        let part = |key: &StreamKey| key.part(self.log2);
        let start = keys.partition_point(|key| part(key) < self.next);
        let end = keys.partition_point(|key| part(key) <= self.next);
        &keys[start..end]
    }

    pub(crate) const fn advance(&mut self) {
        self.next += 1;
    }
}

impl Index {
    /// Adds all entries of the next range of keys, run by run, each in the order of its keys.
    pub(crate) fn collect(
        &self,
        transaction: &RoTxn<'_>,
        manifest: &Manifest<'_>,
        ranges: &KeyRanges,
        entries: &mut Vec<IndexEntry>,
    ) -> Result<(), StoreError> {
        for run in manifest.runs() {
            let (from, to) = parts_in(&run, ranges);
            for number in from.max(run.from)..to.min(run.to) {
                let bytes = self.part(transaction, run, number)?;
                let versions = self.versions(transaction, run.number, number)?;
                let (next, log2) = (ranges.next, ranges.log2);
                part::collect(bytes, versions, run.number, number, next, log2, entries)?;
            }
        }
        Ok(())
    }
}

/// Returns the parts of a run that have keys of the next range: from the first up to, but not including, the last.
fn parts_in(run: &Run, ranges: &KeyRanges) -> (u32, u32) {
    match ranges.log2.checked_sub(run.parts_log2) {
        Some(finer) => (ranges.next >> finer, (ranges.next >> finer) + 1),
        // A newer run, larger than all that existed at the beginning.
        None => {
            let coarser = run.parts_log2 - ranges.log2;
            (ranges.next << coarser, (ranges.next + 1) << coarser)
        }
    }
}

impl Manifest<'_> {
    /// Returns the number of runs.
    pub(crate) fn run_count(&self) -> u64 {
        self.runs().count() as u64
    }
}
