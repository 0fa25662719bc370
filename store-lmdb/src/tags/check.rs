//! Checks that the blocks of runs are as they were written, and that records are in them.

use super::block::{Block, BlockKey, Entry, block_key, parse_key};
use super::manifest::{Manifest, Run};
use super::runs::InRuns;
use super::{Posting, READ, TagKey, Tags, damaged};
use crate::error::backend;
use crate::levels::{Leveled, RUNS};
use heed::RoTxn;
use midgard::Position;
use midgard::store::{Direction, StoreError};
use std::ops::Bound;

/// A place among the blocks, in checking order: a run made by a merge has a higher number than the runs that it is
/// made of, so anything merged meanwhile is met later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockAddress {
    run: u64,
    start: Entry,
    /// Where the block ends.
    end: Entry,
}

/// Checked blocks.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// The last of them; `None` when there were no more.
    pub(crate) last: Option<BlockAddress>,
    pub(crate) blocks: u64,
    /// The entries that can be read.
    pub(crate) entries: Vec<(TagKey, Position)>,
    /// The faults found.
    pub(crate) faults: Vec<String>,
}

impl Tags {
    /// Checks blocks `after` one, until they have about so many entries.
    pub(crate) fn check_next(
        &self,
        transaction: &RoTxn<'_>,
        manifest: &Manifest,
        after: Option<BlockAddress>,
        entries: usize,
    ) -> Result<Checked, StoreError> {
        let from = after.map(|after| block_key(after.run, after.start));
        let from = from.as_ref().map_or(Bound::Unbounded, |key: &BlockKey| {
            Bound::Excluded(key.as_slice())
        });
        let range = (from, Bound::<&[u8]>::Unbounded);
        let blocks = self.0.range(transaction, &range).map_err(backend(READ))?;
        let (mut checked, mut before) = (Checked::default(), after);
        let mut found = Vec::new();
        for block in blocks {
            let (key, bytes) = block.map_err(backend(READ))?;
            let address = parse_key(key);
            let Some((run, (number, start))) =
                address.and_then(|address| Some((manifest.run(address.0)?, address)))
            else {
                // They are counted.
                continue;
            };
            checked.blocks += 1;
            let end = match Block::of(number, start, bytes) {
                Ok(block) => {
                    found.clear();
                    block.entries(&mut found)?;
                    if let Some(fault) = check(run, &block, &found) {
                        checked.faults.push(fault);
                    }
                    let found = found.iter().map(|entry| (entry.key, entry.position));
                    checked.entries.extend(found);
                    block.end
                }
                Err(error) => {
                    checked.faults.push(error.to_string());
                    Entry::END
                }
            };
            checked.expect(manifest, before, Some((number, start)));
            before = Some(BlockAddress {
                run: number,
                start,
                end,
            });
            checked.last = before;
            if checked.entries.len() >= entries {
                return Ok(checked);
            }
        }
        checked.expect(manifest, before, None);
        checked.last = None;
        Ok(checked)
    }

    /// Returns those of some keys and positions, which are in order, that the runs do not have.
    pub(crate) fn missing(
        self,
        transaction: &RoTxn<'_>,
        manifest: &Manifest,
        entries: &[(TagKey, Position)],
    ) -> Result<Vec<Position>, StoreError> {
        let mut missing = Vec::new();
        for entries in entries.chunk_by(|one, next| one.0 == next.0) {
            let Some((key, _)) = entries.first() else {
                continue;
            };
            let mut posting = InRuns::new((self, manifest), transaction, *key, Direction::Forward);
            for (_, position) in entries {
                if posting.seek(*position)? != Some(*position) {
                    missing.push(*position);
                }
            }
        }
        Ok(missing)
    }

    /// Returns the number of blocks that belong to no run; negative when some are missing.
    pub(crate) fn blocks_of_no_run(
        &self,
        transaction: &RoTxn<'_>,
        manifest: &Manifest,
    ) -> Result<i128, StoreError> {
        let blocks = self.0.len(transaction).map_err(backend(READ))?;
        Ok(i128::from(blocks) - i128::from(manifest.blocks()))
    }
}

impl Checked {
    /// Checks that nothing is missing between two blocks.
    fn expect(
        &mut self,
        manifest: &Manifest,
        before: Option<BlockAddress>,
        found: Option<(u64, Entry)>,
    ) {
        let same_run = |number| found.filter(|(run, _)| *run == number);
        if let Some(before) = before
            && let Some(run) = manifest.run(before.run)
        {
            let next = same_run(before.run).map_or(run.until, |(_, start)| start);
            if before.end < next && !manifest.is_merged_before(before.run, next) {
                self.faults.push(missing_behind(before.run, before.end));
            }
            if same_run(before.run).is_some() {
                return;
            }
        }
        if let Some((run, start)) = found
            && start > Entry::START
            && !manifest.is_merged_before(run, start)
        {
            self.faults.push(missing_behind(run, Entry::START));
        }
    }
}

impl Manifest {
    fn run(&self, number: u64) -> Option<&Run> {
        self.runs.iter().find(|run| run.number == number)
    }

    /// Returns the number of blocks of its runs.
    pub(crate) fn blocks(&self) -> u64 {
        self.runs.iter().map(|run| run.blocks).sum()
    }

    /// Returns whether the entries of a run before one are in the run that is made of it.
    fn is_merged_before(&self, number: u64, entry: Entry) -> bool {
        let place = self.runs.iter().position(|run| run.number == number);
        let place = place.unwrap_or(self.runs.len());
        let mut made_of_it = self.runs.iter().skip(place + 1).take(RUNS);
        let made_of_it = made_of_it.find(|run| !run.is_done());
        made_of_it.is_some_and(|run| entry <= run.until)
    }
}

fn missing_behind(run: u64, end: Entry) -> String {
    let (key, position) = (end.key.0, end.position);
    damaged(&format!(
        "blocks of run {run} are missing from key {key:016x} and position {position} on"
    ))
    .to_string()
}

/// Returns what is wrong with the entries of a block.
fn check(run: &Run, block: &Block<'_>, entries: &[Entry]) -> Option<String> {
    let is_in_order = entries.is_sorted_by(|one, next| one < next);
    let range = block.start..block.end;
    let positions = run.first..=run.last;
    let is_of_block = |entry: &Entry| range.contains(entry) && positions.contains(&entry.position);
    let what = match (is_in_order, entries.iter().all(is_of_block)) {
        (true, true) => return None,
        (false, _) => "is not in the order of its entries",
        (true, false) => "has entries of another block",
    };
    let (key, position) = (block.start.key.0, block.start.position);
    let what = format!(
        "the block of run {} from key {key:016x} and position {position} on {what}",
        run.number
    );
    Some(damaged(&what).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_merged_into_the_one_that_is_made_of_it_and_no_other() {
        let run = |number, level, until| Run {
            number,
            level,
            first: Position::FIRST,
            last: Position::FIRST,
            until,
            blocks: 0,
            entries: 0,
            bytes: 0,
        };
        let entry = |key| Entry {
            key: TagKey(key),
            position: Position::FIRST,
        };
        // Two new runs, and four older ones that another is being made of.
        let new = [8, 7].map(|number| run(number, 0, Entry::END));
        let older = [5, 4, 3, 2].map(|number| run(number, 1, Entry::END));
        let made = run(6, 2, entry(100));
        let manifest = Manifest {
            merged: Position::FIRST,
            runs: [&new[..], &older, &[made]].concat(),
        };
        for number in [5, 4, 3, 2] {
            assert!(manifest.is_merged_before(number, entry(100)));
            assert!(!manifest.is_merged_before(number, entry(101)));
        }
        for number in [8, 7, 6] {
            assert!(
                !manifest.is_merged_before(number, entry(50)),
                "run {number}"
            );
        }
    }
}
