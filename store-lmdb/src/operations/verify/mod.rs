//! Checks that everything that was written is there, and as it was written.
//!
//! Each batch is checked in a snapshot of its own: facts that are compared are of one moment, whatever happens
//! between two batches.

mod findings;
mod format_1;
mod here;
mod index;
mod keys;
mod links;
mod records;
mod removed;
mod tags;
#[cfg(test)]
mod tests;

pub use findings::Problem;

use super::Progress;
use crate::databases::Databases;
use crate::environment::Environment;
use crate::index::PartAddress;
use crate::tags::{BlockAddress, TagKey};
use crate::tail::Tail;
use findings::Findings;
use heed::RoTxn;
use links::{Links, REMEMBERED};
use midgard::Position;
use midgard::store::StoreError;
use std::fmt::{self, Display};
use std::ops::ControlFlow;

/// The result of [`LmdbStore::verify`](crate::LmdbStore::verify).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// The position up to which the log was checked: its end at the beginning.
    pub until: Position,
    /// The number of records that were checked, including damaged ones.
    pub records: u64,
    /// The number of events among them, as far as they can be read.
    pub events: u64,
    /// The number of entries of the index of streams that were checked.
    pub index_entries: u64,
    /// The number of entries of the index of tags and names that were checked.
    pub tag_entries: u64,
    /// The first thousand problems.
    pub problems: Vec<Problem>,
    /// The number of problems.
    pub problem_count: u64,
    /// Whether the check is complete; `false` if `progress` ended it early.
    pub is_complete: bool,
}

impl Verification {
    /// Returns whether the check is complete and found no problem.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.is_complete && self.problem_count == 0
    }
}

/// One sentence, without the problems.
impl Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_complete {
            f.write_str("stopped before the end: ")?;
        }
        write!(
            f,
            "{} records up to position {} and {} entries of the index were checked, ",
            self.records,
            self.until,
            self.index_entries.saturating_add(self.tag_entries)
        )?;
        match self.problem_count {
            0 => f.write_str("and all are as they were written"),
            1 => f.write_str("and there is 1 problem"),
            count => write!(f, "and there are {count} problems"),
        }
    }
}

pub(super) fn verify(
    environment: &Environment,
    progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Verification, StoreError> {
    verify_with(environment, REMEMBERED, progress)
}

/// Verifies with a limit for the streams that are remembered.
fn verify_with(
    environment: &Environment,
    remembered: usize,
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Verification, StoreError> {
    let mut verifying =
        environment.read(|databases, snapshot| Verifying::new(databases, snapshot, remembered))?;
    while verifying.stage != Stage::Keys {
        environment.read(|databases, snapshot| {
            verifying.batch(databases, snapshot);
            Ok(())
        })?;
        if progress(verifying.progress()).is_break() {
            return Ok(verifying.findings.verification);
        }
    }
    let counted = verifying.keys(environment, &mut progress)?;
    verifying.findings.verification.is_complete = counted.is_continue();
    Ok(verifying.findings.verification)
}

/// What to check next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// Records, from a position on.
    Records(Position),
    /// What is noted as removed, behind a position.
    Removed(Position),
    /// Streams of format 1, behind a name.
    Format1(String),
    /// Parts of the index, behind one.
    Index(Option<PartAddress>),
    /// Blocks of the index of tags, behind one.
    Tags(Option<BlockAddress>),
    /// How many keys there are.
    Keys,
}

/// A verification in progress.
struct Verifying {
    stage: Stage,
    findings: Findings,
    links: Links,
    /// The records that the index does not have yet, in the snapshot of the check: another process that opens the
    /// store knows no more.
    tail: Tail,
    /// The tags and names of the records of a batch.
    tagged: Vec<(TagKey, Position)>,
    /// How many positions are passed over next where the log cannot be read.
    stride: u64,
    done: u64,
    /// The number of smaller parts to check, other than records.
    others: u64,
}

impl Verifying {
    fn new(
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        remembered: usize,
    ) -> Result<Self, StoreError> {
        let mut findings = Findings::default();
        let last = databases.log.last_position(snapshot)?;
        // A damaged position may be the largest number there is, and nothing could be behind it.
        findings.verification.until = last.min(Position::MAX.previous());
        let others = match index::parts(databases, snapshot, last, &mut findings) {
            Some(parts) => parts.saturating_add(removed::ranges(databases, snapshot)?),
            None => 0,
        };
        let others = others.saturating_add(tags::blocks(databases, snapshot, last, &mut findings));
        let others = others.saturating_add(keys::noted(databases, snapshot));
        Ok(Verifying {
            stage: Stage::Records(Position::FIRST),
            findings,
            links: Links::new(remembered),
            tail: Tail::new(),
            tagged: Vec::new(),
            stride: 1,
            done: 0,
            others,
        })
    }

    fn progress(&self) -> Progress {
        let until = self.findings.verification.until.get();
        let done = match self.stage {
            Stage::Records(next) => next.get() - 1,
            _ => until.saturating_add(self.done),
        };
        Progress {
            done,
            expected: done.max(until.saturating_add(self.others)),
        }
    }

    /// Checks the next batch.
    fn batch(&mut self, databases: &Databases, snapshot: &RoTxn<'_>) {
        let next = match &self.stage {
            Stage::Records(from) => {
                let next = self.records(databases, snapshot, *from);
                if next.is_ok() {
                    self.noted_tags(databases, snapshot);
                }
                next
            }
            Stage::Removed(after) => self.removed(databases, snapshot, *after),
            Stage::Format1(after) => self.streams_of_format_1(databases, snapshot, &after.clone()),
            Stage::Index(after) => self.index(databases, snapshot, *after),
            Stage::Tags(after) => self.tags(databases, snapshot, *after),
            Stage::Keys => Ok(Stage::Keys),
        };
        self.stage = next.unwrap_or_else(|error| {
            // What cannot be read cannot be stepped over either.
            self.findings.failure(&error);
            match self.stage {
                Stage::Records(_) => Stage::Removed(Position::ZERO),
                Stage::Removed(_) => Stage::Format1(String::new()),
                Stage::Format1(_) => Stage::Index(None),
                Stage::Index(_) => Stage::Tags(None),
                Stage::Tags(_) | Stage::Keys => Stage::Keys,
            }
        });
    }

    /// Takes in the snapshot's part of the log. If that fails, the ends of streams are unknown.
    fn catch_up(&mut self, databases: &Databases, snapshot: &RoTxn<'_>) -> bool {
        let caught_up = databases
            .log
            .last_position(snapshot)
            .and_then(|last| self.tail.catch_up(last, databases, snapshot));
        caught_up
            .inspect_err(|error| self.findings.failure(error))
            .is_ok()
    }
}
