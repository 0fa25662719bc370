//! The problems that were found.

use super::Verification;
use midgard::Position;
use midgard::store::StoreError;
use std::collections::HashSet;
use std::fmt::{self, Display};

/// How many problems are listed.
const LISTED: usize = 1000;

/// A difference between a store and what was written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The position of the record; `None` if the problem is not about one record.
    pub position: Option<Position>,
    /// The stream, as far as it is known.
    pub stream: Option<String>,
    /// The problem.
    pub reason: String,
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.position, &self.stream) {
            (Some(position), Some(stream)) => {
                write!(f, "position {position} (stream \"{stream}\"): ")?;
            }
            (Some(position), None) => write!(f, "position {position}: ")?,
            (None, Some(stream)) => write!(f, "stream \"{stream}\": ")?,
            (None, None) => {}
        }
        f.write_str(&self.reason)
    }
}

/// The findings so far.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) verification: Verification,
    /// Failures that many records meet, to report each once.
    failures: HashSet<String>,
}

impl Findings {
    pub(super) fn problem(
        &mut self,
        position: impl Into<Option<Position>>,
        stream: Option<&str>,
        reason: impl Into<String>,
    ) {
        let found = &mut self.verification;
        found.problem_count += 1;
        if found.problems.len() < LISTED {
            found.problems.push(Problem {
                position: position.into(),
                stream: stream.map(str::to_owned),
                reason: reason.into(),
            });
        }
    }

    /// Adds a problem of the store as a whole, which many records may meet.
    pub(super) fn failure(&mut self, error: &StoreError) {
        self.fault(error.to_string());
    }

    /// As [`failure`](Findings::failure), with a text.
    pub(super) fn fault(&mut self, fault: String) {
        if self.failures.len() < LISTED && self.failures.insert(fault.clone()) {
            self.problem(None, None, fault);
        }
    }
}
