//! The order in which sorted runs are merged: those of one level become one of the next.

/// This many runs of one level become one of the next.
pub(crate) const RUNS: usize = 4;

/// A run, in a list from the newest to the oldest. A run that is being made of others stands behind them.
pub(crate) trait Leveled {
    /// Returns how often its entries were merged with those of other runs.
    fn level(&self) -> u8;

    /// Returns whether it has all that it was made for.
    fn is_done(&self) -> bool;
}

/// The run to make next: the others are the [`RUNS`] before its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// It was begun, and is here.
    Continue(usize),
    /// It is to be begun here.
    Begin(usize),
}

/// Returns the run to make next: it is of the lowest level with enough runs, so that nothing waits for a large run.
pub(crate) fn due(runs: &[impl Leveled]) -> Option<Due> {
    let mut start = 0;
    while let Some(first) = runs.get(start) {
        let level = first.level();
        // The first may itself be a merge of the level below, which has to finish first.
        let begun = usize::from(!first.is_done());
        let same = runs[start..].iter().take_while(|run| run.level() == level);
        let end = start + same.count();
        if runs.get(end).is_some_and(|run| !run.is_done()) {
            return Some(Due::Continue(end));
        }
        if end - start - begun >= RUNS {
            return Some(Due::Begin(end));
        }
        start = end;
    }
    None
}
