//! Checks that the parts of runs are as they were written.

use super::block::{self, Block, BlockAddress};
use super::manifest::Run;
use super::versions::Versions;
use super::{Index, IndexEntry, Manifest, damaged, part_key};
use crate::error::backend;
use heed::RoTxn;
use midgard::store::StoreError;

/// A part of a run, in checking order: a run made by a merge has a higher number than its source runs, so anything
/// merged meanwhile is met later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartAddress {
    run: u64,
    part: u32,
}

/// A checked part, or several missing ones.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The last of them.
    pub(crate) address: PartAddress,
    /// The number of parts.
    pub(crate) parts: u64,
    /// The entries that can be read.
    pub(crate) entries: Vec<IndexEntry>,
    /// The faults found.
    pub(crate) faults: Vec<String>,
}

impl Index {
    /// Checks the next part `after` one; `None` when there is none.
    pub(crate) fn check_next(
        &self,
        transaction: &RoTxn<'_>,
        manifest: &Manifest<'_>,
        after: Option<PartAddress>,
    ) -> Result<Option<Checked>, StoreError> {
        let next_of = |run: Run| {
            let from = match after {
                Some(after) if after.run > run.number => return None,
                Some(after) if after.run == run.number => {
                    run.from.max(after.part.saturating_add(1))
                }
                _ => run.from,
            };
            (from < run.to).then_some((run, from))
        };
        let next = manifest.runs().filter_map(next_of);
        let Some((run, part)) = next.min_by_key(|(run, _)| run.number) else {
            return Ok(None);
        };
        let mut end = part + 1;
        let (entries, faults) = match self.part(transaction, run, part) {
            Ok(bytes) => {
                let versions = self.versions(transaction, run.number, part)?;
                check(run, part, bytes, versions)
            }
            Err(error) => {
                end = self.next_part(transaction, run, end)?;
                let fault = match end - part {
                    1 => error.to_string(),
                    _ => {
                        let (run, last) = (run.number, end - 1);
                        damaged(&format!("parts {part} to {last} of run {run} are missing"))
                            .to_string()
                    }
                };
                (Vec::new(), vec![fault])
            }
        };
        Ok(Some(Checked {
            address: PartAddress {
                run: run.number,
                part: end - 1,
            },
            parts: u64::from(end - part),
            entries,
            faults,
        }))
    }

    /// Returns the first existing part of a run, from one on; the end of the run if there is none.
    fn next_part(&self, transaction: &RoTxn<'_>, run: Run, from: u32) -> Result<u32, StoreError> {
        let key = part_key(run.number, from);
        let next = self.entries.get_greater_than_or_equal_to(transaction, &key);
        let next = next.map_err(backend("read the index"))?;
        let part = next.and_then(|(key, _)| {
            let (number, part) = key.split_first_chunk::<8>()?;
            let part = u32::from_be_bytes(part.try_into().ok()?);
            (u64::from_be_bytes(*number) == run.number).then_some(part)
        });
        Ok(part.map_or(run.to, |part| part.clamp(from, run.to)))
    }

    /// Returns the number of parts that belong to no run.
    pub(crate) fn parts_of_no_run(
        &self,
        transaction: &RoTxn<'_>,
        manifest: &Manifest<'_>,
    ) -> Result<u64, StoreError> {
        let parts = self
            .entries
            .len(transaction)
            .map_err(backend("read the index"))?;
        Ok(parts.saturating_sub(manifest.parts()))
    }
}

impl Manifest<'_> {
    /// Returns the number of parts of its runs.
    pub(crate) fn parts(&self) -> u64 {
        let parts = self.runs().map(|run| run.to.saturating_sub(run.from));
        parts.map(u64::from).sum()
    }
}

/// Describes a faulty part, in the words of the error of reading it.
fn fault(run: Run, part: u32, what: &str) -> String {
    damaged(&format!("part {part} of run {} {what}", run.number)).to_string()
}

fn check(
    run: Run,
    part: u32,
    bytes: &[u8],
    versions: Versions<'_>,
) -> (Vec<IndexEntry>, Vec<String>) {
    let (mut entries, mut faults) = (Vec::<IndexEntry>::new(), Vec::new());
    for block in 0..block::count(bytes) {
        let address = BlockAddress {
            run: run.number,
            part,
            block,
        };
        match Block::of(bytes, address) {
            Ok(block) => {
                entries.extend(versions.beside(bytes, address, block.entries()));
            }
            Err(error) => faults.push(error.to_string()),
        }
    }
    if !entries.is_sorted_by(|one, next| one.key < next.key) {
        faults.push(fault(run, part, "is not in the order of its keys"));
    }
    let in_range = |entry: &IndexEntry| entry.key.part(run.parts_log2) == part;
    if !entries.iter().all(in_range) {
        faults.push(fault(run, part, "has keys of another part"));
    }
    faults.extend(versions.faults(run.number, part, bytes));
    (entries, faults)
}
