//! The parts of a log by where their tags and names are known.

use super::{Runs, View};
use midgard::Position;

/// Adjacent positions, and where their tags and names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) source: Source,
    pub(crate) first: Position,
    pub(crate) last: Position,
}

/// Where tags and names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// In the runs.
    Runs,
    /// Nowhere but in the log.
    Log,
    /// In the tail.
    Tail,
}

/// Returns the sections of the positions from one up to another, in order, as far as the view goes.
pub(crate) fn sections(first: Position, last: Position, runs: &Runs, view: &View) -> Vec<Section> {
    let merged = runs.as_ref().map(|(_, manifest)| manifest.merged);
    let in_runs = merged.unwrap_or_default().min(view.from);
    let ends = [
        (Source::Runs, in_runs),
        (Source::Log, view.from),
        (Source::Tail, view.seen),
        (Source::Log, last),
    ];
    let (mut next, mut all) = (first, Vec::with_capacity(ends.len()));
    let last = last.min(view.until);
    for (source, end) in ends {
        let end = end.min(last);
        if next <= end {
            all.push(Section {
                source,
                first: next,
                last: end,
            });
            next = end.next();
        }
    }
    all
}
