//! The contents of the index, as one value: how far the log was merged, and the runs.

use super::{StreamKey, damaged};
use crate::checksum;
use crate::fields::Fields;
use crate::levels::{Leveled, RUNS};
use midgard::Position;
use midgard::store::StoreError;

/// The manifest, read in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manifest<'a> {
    /// How far the log was merged.
    pub(crate) merged: Position,
    runs: &'a [u8],
}

/// A run, or the finished part of one.
///
/// Runs are listed from the newest to the oldest, and so by level. A run that is being merged stands behind its
/// source runs: entries that it already has are found in it, and not in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) number: u64,
    /// How often its entries were merged with those of other runs.
    pub(super) level: u8,
    /// The number of its parts when it is done, as a power of two.
    pub(super) parts_log2: u8,
    /// The number of entries written to it.
    pub(super) entries: u64,
    /// The first of its parts that still exists: the earlier ones were merged into another run.
    pub(super) from: u32,
    /// The number of parts written.
    pub(super) to: u32,
}

impl Leveled for Run {
    fn level(&self) -> u8 {
        self.level
    }

    fn is_done(&self) -> bool {
        self.to == self.parts()
    }
}

/// The manifest in memory, while it is changed.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) merged: Position,
    /// The newest first.
    pub(super) runs: Vec<Run>,
}

/// The most parts that a run can have, as a power of two.
pub(super) const MOST_PARTS_LOG2: u8 = 31;

const CHECKSUM: usize = 4;
/// No manifest comes near this. A damaged length may lead behind the end of the file.
const LONGEST: usize = 64 << 10;
const RUN: usize = 8 + 1 + 1 + 8 + 4 + 4;

impl Run {
    pub(super) const fn parts(&self) -> u32 {
        1 << self.parts_log2
    }

    /// Returns whether the key is in the range of a part that (still) exists.
    pub(super) const fn is_asked_for(&self, key: StreamKey) -> bool {
        let part = key.part(self.parts_log2);
        self.from <= part && part < self.to
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&[self.level, self.parts_log2]);
        out.extend_from_slice(&self.entries.to_le_bytes());
        out.extend_from_slice(&self.from.to_le_bytes());
        out.extend_from_slice(&self.to.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Fields(bytes);
        let number = u64::from_le_bytes(*rest.chunk()?);
        let [level, parts_log2] = *rest.chunk()?;
        Some(Run {
            number,
            level,
            parts_log2: parts_log2.min(MOST_PARTS_LOG2),
            entries: u64::from_le_bytes(*rest.chunk()?),
            from: u32::from_le_bytes(*rest.chunk()?),
            to: u32::from_le_bytes(*rest.chunk()?),
        })
    }
}

impl<'a> Manifest<'a> {
    /// Returns the manifest of a store that never merged anything: its log is needed from after `merged`.
    pub(crate) const fn none(merged: Position) -> Self {
        Manifest { merged, runs: &[] }
    }

    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, StoreError> {
        Self::parse_checked(bytes).ok_or_else(|| damaged("its manifest"))
    }

    fn parse_checked(bytes: &'a [u8]) -> Option<Self> {
        let (stored, rest) = bytes.split_first_chunk::<CHECKSUM>()?;
        let is_too_long = rest.len() > LONGEST;
        if is_too_long || u32::from_le_bytes(*stored) != checksum::of(rest) {
            return None;
        }
        let (merged, runs) = rest.split_first_chunk()?;
        let merged = Position(u64::from_le_bytes(*merged));
        runs.len()
            .is_multiple_of(RUN)
            .then_some(Manifest { merged, runs })
    }

    /// Returns the runs, the newest first.
    pub(super) fn runs(&self) -> impl Iterator<Item = Run> + use<'a> {
        self.runs.chunks_exact(RUN).filter_map(Run::decode)
    }

    /// Returns the runs, the newest first, and for each the one that is being made of it.
    pub(super) fn runs_with_outputs(&self) -> impl Iterator<Item = (Run, Option<Run>)> + use<'a> {
        let all = *self;
        self.runs().enumerate().map(move |(index, run)| {
            let mut behind = all.runs().skip(index + 1).take(RUNS);
            (run, behind.find(|run| !run.is_done()))
        })
    }

    /// Returns the runs that may have a key, the newest first. Keys already merged are no longer looked up in the
    /// source runs: an old source run, with fewer parts, still has outdated entries.
    pub(super) fn runs_asked_for(&self, key: StreamKey) -> impl Iterator<Item = Run> + use<'a> {
        let runs = self.runs_with_outputs().filter(move |(run, output)| {
            run.is_asked_for(key) && !output.is_some_and(|output| output.is_asked_for(key))
        });
        runs.map(|(run, _)| run)
    }

    pub(super) fn draft(&self) -> Draft {
        Draft {
            merged: self.merged,
            runs: self.runs().collect(),
        }
    }
}

impl Draft {
    pub(super) fn encode(&self) -> Vec<u8> {
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
        self.runs
            .iter()
            .map(|run| run.number)
            .max()
            .unwrap_or_default()
            + 1
    }
}
