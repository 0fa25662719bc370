//! Whether the parts of runs are what was written.

use super::block::{self, Block, Place};
use super::manifest::Run;
use super::{Entry, Index, Manifest, damaged};
use crate::error::backend;
use heed::RoTxn;
use midgard::StoreError;

/// Which part of which run, in the order in which they are checked: runs that others are merged into have higher numbers
/// than those, so whatever is merged in the meantime is met later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartPlace {
    run: u64,
    part: u32,
}

/// A part that was looked at.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) place: PartPlace,
    /// What can be read of it.
    pub(crate) entries: Vec<Entry>,
    /// What is wrong with it.
    pub(crate) faults: Vec<String>,
}

impl Index {
    /// Checks the next part `after` one; `None` when there is none.
    pub(crate) fn check_next(
        &self,
        transaction: &RoTxn<'_>,
        manifest: &Manifest<'_>,
        after: Option<PartPlace>,
    ) -> Result<Option<Checked>, StoreError> {
        let next_of = |run: Run| {
            let from = match after {
                Some(after) if after.run > run.number => return None,
                Some(after) if after.run == run.number => run.from.max(after.part + 1),
                _ => run.from,
            };
            (from < run.to).then_some((run, from))
        };
        let next = manifest.runs().filter_map(next_of);
        let Some((run, part)) = next.min_by_key(|(run, _)| run.number) else {
            return Ok(None);
        };
        let place = PartPlace {
            run: run.number,
            part,
        };
        let (entries, faults) = match self.part(transaction, run, part) {
            Ok(bytes) => check(run, part, bytes),
            Err(error) => (Vec::new(), vec![error.to_string()]),
        };
        Ok(Some(Checked {
            place,
            entries,
            faults,
        }))
    }

    /// How many parts there are, beside those that are in a run.
    pub(crate) fn parts_of_no_run(
        &self,
        transaction: &RoTxn<'_>,
        manifest: &Manifest<'_>,
    ) -> Result<u64, StoreError> {
        let parts = self.0.len(transaction).map_err(backend("read the index"))?;
        Ok(parts.saturating_sub(manifest.parts()))
    }
}

impl Manifest<'_> {
    /// How many parts its runs have.
    pub(crate) fn parts(&self) -> u64 {
        let parts = self.runs().map(|run| run.to.saturating_sub(run.from));
        parts.map(u64::from).sum()
    }
}

/// What is said of a part, as when it is read.
fn fault(run: Run, part: u32, what: &str) -> String {
    damaged(&format!("part {part} of run {} {what}", run.number)).to_string()
}

fn check(run: Run, part: u32, bytes: &[u8]) -> (Vec<Entry>, Vec<String>) {
    let (mut entries, mut faults) = (Vec::<Entry>::new(), Vec::new());
    for block in 0..block::count(bytes) {
        let place = Place {
            run: run.number,
            part,
            block,
        };
        match Block::of(bytes, place) {
            Ok(block) => entries.extend(block.entries()),
            Err(error) => faults.push(error.to_string()),
        }
    }
    if !entries.is_sorted_by(|one, next| one.key < next.key) {
        faults.push(fault(run, part, "is not in the order of its keys"));
    }
    let in_range = |entry: &Entry| entry.key.part(run.parts_log2) == part;
    if !entries.iter().all(in_range) {
        faults.push(fault(run, part, "has keys of another part"));
    }
    (entries, faults)
}
