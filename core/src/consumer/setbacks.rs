//! Counts of conflicts and troubles in a row.
//!
//! Two things can interrupt sound work. A *conflict* means that another worker was faster: nothing is wrong, and the
//! work begins again at once. Conflicts are reported only when they do not end. A *trouble* is everything else, such as
//! a store that fails or a function that panics: it is reported, and waits grow with each one in a row.
//! A running program continues for as long as it takes; one that wants to end gives up after a few troubles.
//! Work that succeeds ends the row.

use super::control::Mode;

/// How many conflicts in a row are not yet a trouble, if each is followed by a short wait.
const CONFLICTS: u32 = 50;
/// How many conflicts in a row are not yet a trouble, if the work begins again at once.
const QUICK_CONFLICTS: u32 = 100;
/// How many troubles in a row are survived while the program wants to end.
const TROUBLES: u32 = 5;

/// Counts what has gone wrong in a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setbacks {
    conflicts: u32,
    most_conflicts: u32,
    troubles: u32,
}

impl Setbacks {
    /// Begins a row in which nothing has gone wrong yet. More than 50 conflicts in a row are a trouble.
    pub(crate) const fn new() -> Self {
        Setbacks {
            conflicts: 0,
            most_conflicts: CONFLICTS,
            troubles: 0,
        }
    }

    /// Begins a row for work that begins again without a wait: more than 100 conflicts in a row are a trouble.
    pub(crate) const fn quick() -> Self {
        Setbacks {
            most_conflicts: QUICK_CONFLICTS,
            ..Setbacks::new()
        }
    }

    /// Counts a conflict. Returns how many there were in a row; `None` when that is too many, and it is a trouble.
    pub(crate) fn conflict(&mut self) -> Option<u32> {
        if self.conflicts == self.most_conflicts {
            return None;
        }
        self.conflicts += 1;
        Some(self.conflicts)
    }

    /// Counts a trouble. Returns how many there were in a row.
    pub(crate) fn trouble(&mut self) -> u32 {
        self.troubles = self.troubles.saturating_add(1);
        self.troubles
    }

    /// Returns how many troubles there were in a row.
    pub(crate) const fn troubles(&self) -> u32 {
        self.troubles
    }

    /// Returns whether a program that wants to end should give up.
    pub(crate) const fn are_too_many(&self, mode: Mode) -> bool {
        !matches!(mode, Mode::Run) && self.troubles > TROUBLES
    }

    /// Begins a new row: work has succeeded.
    pub(crate) fn end(&mut self) {
        (self.conflicts, self.troubles) = (0, 0);
    }

    /// Begins a new row of conflicts, after the earlier ones were reported.
    pub(crate) fn end_conflicts(&mut self) {
        self.conflicts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_a_trouble_once_there_are_too_many_in_a_row() {
        for (mut setbacks, most) in [(Setbacks::new(), 50), (Setbacks::quick(), 100)] {
            for count in 1..=most {
                assert_eq!(setbacks.conflict(), Some(count));
            }
            assert_eq!(setbacks.conflict(), None);
            assert_eq!(setbacks.conflict(), None, "until something succeeds");
            setbacks.end_conflicts();
            assert_eq!(setbacks.conflict(), Some(1));
            setbacks.end();
            assert_eq!(setbacks.conflict(), Some(1));
        }
    }

    #[test]
    fn only_a_program_that_wants_to_end_gives_up() {
        let mut setbacks = Setbacks::new();
        for count in 1..=5 {
            assert_eq!(setbacks.trouble(), count);
            assert!(!setbacks.are_too_many(Mode::Drain), "after {count}");
        }
        setbacks.trouble();
        assert!(setbacks.are_too_many(Mode::Drain));
        assert!(setbacks.are_too_many(Mode::Stop));
        assert!(!setbacks.are_too_many(Mode::Run));
        setbacks.conflict();
        assert_eq!(setbacks.troubles(), 6, "a conflict ends no row of troubles");
        setbacks.end();
        assert!(!setbacks.are_too_many(Mode::Drain));
    }
}
