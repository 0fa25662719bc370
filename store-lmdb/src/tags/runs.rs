//! The runs: sorted entries, in blocks by their places.

use super::block::{Block, BlockKey, Entry, block_key, parse_key};
use super::manifest::{Manifest, Segment};
use super::{Posting, READ, TagKey, damaged};
use crate::error::backend;
use heed::types::Bytes;
use heed::{Database, RoTxn};
use midgard::Position;
use midgard::store::{Direction, StoreError};

/// Blocks of runs, by the number of the run and the place of the block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tags(pub(crate) Database<'static, Bytes, Bytes>);

impl Tags {
    /// Returns the block of a run that an entry would be in.
    pub(super) fn block<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        run: u64,
        entry: Entry,
    ) -> Result<Block<'t>, StoreError> {
        let key: BlockKey = block_key(run, entry);
        let found = self.0.get_lower_than_or_equal_to(transaction, &key);
        let found = found.map_err(backend(READ))?;
        let found = found.and_then(|(key, bytes)| Some((parse_key(key)?, bytes)));
        if let Some(((number, start), bytes)) = found
            && number == run
        {
            let block = Block::of(run, start, bytes)?;
            if entry < block.end {
                return Ok(block);
            }
        }
        let (key, position) = (entry.key.0, entry.position);
        let what = format!(
            "the block of run {run} with key {key:016x} and position {position} is missing"
        );
        Err(damaged(&what))
    }
}

/// The positions of a key in the runs.
pub(super) struct InRuns<'s, 't> {
    tags: Tags,
    transaction: &'t RoTxn<'s>,
    key: TagKey,
    direction: Direction,
    /// The runs that are left, the next one last.
    segments: Vec<Segment>,
    /// The positions in the block that was read last, the next one last.
    positions: Vec<Position>,
}

impl<'s, 't> InRuns<'s, 't> {
    pub(super) fn new(
        (tags, manifest): (Tags, &Manifest),
        transaction: &'t RoTxn<'s>,
        key: TagKey,
        direction: Direction,
    ) -> Self {
        let mut segments = manifest.segments(key);
        if direction == Direction::Forward {
            segments.reverse();
        }
        InRuns {
            tags,
            transaction,
            key,
            direction,
            segments,
            positions: Vec::new(),
        }
    }

    /// Reads the positions from `target` on in the block that has it, or in one further on.
    fn load(&mut self, segment: Segment, mut target: Position) -> Result<(), StoreError> {
        let Segment { run, first, last } = segment;
        let key = self.key;
        while self.positions.is_empty() && (first..=last).contains(&target) {
            let place = Entry {
                key,
                position: target,
            };
            let block = self.tags.block(self.transaction, run, place)?;
            match self.direction {
                Direction::Forward => {
                    let is_wanted = |position| (target..=last).contains(&position);
                    block.positions(key, is_wanted, &mut self.positions)?;
                    self.positions.reverse();
                    if block.end.key > key {
                        return Ok(());
                    }
                    target = block.end.position;
                }
                Direction::Backward => {
                    let is_wanted = |position| (first..=target).contains(&position);
                    block.positions(key, is_wanted, &mut self.positions)?;
                    if block.start.key < key {
                        return Ok(());
                    }
                    target = block.start.position.previous();
                }
            }
        }
        Ok(())
    }
}

impl Posting for InRuns<'_, '_> {
    fn seek(&mut self, target: Position) -> Result<Option<Position>, StoreError> {
        let direction = self.direction;
        let is_passed = |position: Position| match direction {
            Direction::Forward => position < target,
            Direction::Backward => position > target,
        };
        // Most targets are next to the last answer.
        for _ in 0..4 {
            if self.positions.last().is_some_and(|next| is_passed(*next)) {
                self.positions.pop();
            }
        }
        if self.positions.last().is_some_and(|next| is_passed(*next)) {
            let left = self
                .positions
                .partition_point(|position| !is_passed(*position));
            self.positions.truncate(left);
        }
        while self.positions.is_empty() {
            let Some(segment) = self.segments.last().copied() else {
                return Ok(None);
            };
            let (begin, end) = match direction {
                Direction::Forward => (segment.first.max(target), segment.last),
                Direction::Backward => (segment.last.min(target), segment.first),
            };
            if !is_passed(end) {
                self.load(segment, begin)?;
            }
            if self.positions.is_empty() {
                self.segments.pop();
            }
        }
        Ok(self.positions.last().copied())
    }
}
