//! The contents of the runs, as one value: how far the log was merged, and the runs.

use super::block::Entry;
use super::{TagKey, damaged};
use crate::checksum;
use crate::fields::Fields;
use crate::levels::{Leveled, RUNS};
use midgard::Position;
use midgard::store::StoreError;

/// How far the log was merged, and the runs.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) merged: Position,
    /// The newest first: each has the positions before those of the one in front of it.
    pub(super) runs: Vec<Run>,
}

/// A run, or the finished part of one, which stands behind the runs that it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(super) number: u64,
    /// How often its entries were merged with those of other runs.
    pub(super) level: u8,
    /// The positions that it may have.
    pub(super) first: Position,
    pub(super) last: Position,
    /// It has its entries before this one; of the runs that it is made of, those from this one on are left.
    pub(super) until: Entry,
    /// What is there of it.
    pub(super) blocks: u64,
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

/// The positions of a key that a run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) run: u64,
    pub(super) first: Position,
    pub(super) last: Position,
}

const CHECKSUM: usize = 4;
/// No manifest comes near this. A damaged length may lead behind the end of the file.
const LONGEST: usize = 128 << 10;
const RUN: usize = 8 + 1 + 8 + 8 + 16 + 8 + 8 + 8;

impl Leveled for Run {
    fn level(&self) -> u8 {
        self.level
    }

    fn is_done(&self) -> bool {
        self.until == Entry::END
    }
}

impl Run {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_le_bytes());
        out.push(self.level);
        out.extend_from_slice(&self.first.get().to_le_bytes());
        out.extend_from_slice(&self.last.get().to_le_bytes());
        out.extend_from_slice(&self.until.to_bytes());
        for count in [self.blocks, self.entries, self.bytes] {
            out.extend_from_slice(&count.to_le_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Fields(bytes);
        Some(Run {
            number: u64::from_le_bytes(*rest.chunk()?),
            level: u8::from_le_bytes(*rest.chunk()?),
            first: Position(u64::from_le_bytes(*rest.chunk()?)),
            last: Position(u64::from_le_bytes(*rest.chunk()?)),
            until: Entry::from_bytes(*rest.chunk()?),
            blocks: u64::from_le_bytes(*rest.chunk()?),
            entries: u64::from_le_bytes(*rest.chunk()?),
            bytes: u64::from_le_bytes(*rest.chunk()?),
        })
    }
}

impl Manifest {
    /// The manifest of a store of which nothing was merged.
    pub(crate) const NONE: Manifest = Manifest {
        merged: Position::ZERO,
        runs: Vec::new(),
    };

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, StoreError> {
        Self::parse_checked(bytes).ok_or_else(|| damaged("its manifest"))
    }

    fn parse_checked(bytes: &[u8]) -> Option<Self> {
        let (stored, rest) = bytes.split_first_chunk::<CHECKSUM>()?;
        if rest.len() > LONGEST || u32::from_le_bytes(*stored) != checksum::of(rest) {
            return None;
        }
        let (merged, runs) = rest.split_first_chunk()?;
        let runs: Option<_> = match runs.len().is_multiple_of(RUN) {
            true => runs.chunks_exact(RUN).map(Run::decode).collect(),
            false => None,
        };
        Some(Manifest {
            merged: Position(u64::from_le_bytes(*merged)),
            runs: runs?,
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; CHECKSUM];
        out.extend_from_slice(&self.merged.get().to_le_bytes());
        for run in &self.runs {
            run.encode(&mut out);
        }
        let checksum = checksum::of(&out[CHECKSUM..]);
        out[..CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Returns a number that no run has had.
    pub(super) fn next_number(&self) -> u64 {
        let numbers = self.runs.iter().map(|run| run.number);
        numbers.max().unwrap_or_default() + 1
    }

    /// Returns the number of its entries, and their bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        let runs = self.runs.iter();
        runs.fold((0, 0), |(entries, bytes), run| {
            (entries + run.entries, bytes + run.bytes)
        })
    }

    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Returns the positions of a key that each run has, in order: each position is in one of them.
    pub(super) fn segments(&self, key: TagKey) -> Vec<Segment> {
        let mut segments = Vec::with_capacity(self.runs.len());
        for (index, run) in self.runs.iter().enumerate() {
            let (mut first, mut last) = (run.first, run.last);
            let made_of_it = self.runs[index + 1..].iter().take(RUNS);
            if !run.is_done() {
                // It has the entries before `until`.
                match key.cmp(&run.until.key) {
                    std::cmp::Ordering::Less => {}
                    std::cmp::Ordering::Equal => last = last.min(run.until.position.previous()),
                    std::cmp::Ordering::Greater => continue,
                }
            }
            // Those are no longer asked for in the runs that it is made of.
            if let Some(made_of_it) = made_of_it.into_iter().find(|run| !run.is_done()) {
                match key.cmp(&made_of_it.until.key) {
                    std::cmp::Ordering::Less => continue,
                    std::cmp::Ordering::Equal => first = first.max(made_of_it.until.position),
                    std::cmp::Ordering::Greater => {}
                }
            }
            if first <= last {
                segments.push(Segment {
                    run: run.number,
                    first,
                    last,
                });
            }
        }
        segments.sort_unstable_by_key(|segment| segment.first);
        segments
    }
}
