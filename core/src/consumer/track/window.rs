//! Which events of a batch are handled next, in one transaction.
//!
//! At first the window is the whole batch. Each commit moves it on. When a handler fails on an event, the event must stand
//! alone, so that the failure is its own: if events and rows are committed together, those before it are handled again
//! without it. When a commit is refused because of what the handlers wrote, any of the events may be at fault: half of
//! them are tried, until the one is found. From there on the window doubles again with each commit.

use super::super::setbacks::Setbacks;
use std::ops::Range;

/// The events that are handled next, and their failures so far.
pub(super) struct Window {
    events: Range<usize>,
    /// The end of the batch.
    end: usize,
    /// How many events are committed at once at most.
    most: usize,
    /// Whether a failure undoes what was done with the events before it.
    is_atomic: bool,
    /// How often the handler has failed in a row on the first event.
    failures: u32,
    conflicts: Setbacks,
}

/// What to do after a refused commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Trying fewer events.
    Fewer,
    /// Deciding about this event, which was alone.
    Alone(usize),
}

/// What to do after a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// Handling the events before it again, without it.
    WithoutIt,
    /// Deciding about the event, which is first now and has failed this often in a row.
    First { failures: u32 },
}

impl Window {
    /// Creates a window of the whole batch.
    pub(super) const fn new(end: usize, is_atomic: bool) -> Self {
        Window {
            events: 0..end,
            end,
            most: end,
            is_atomic,
            failures: 0,
            conflicts: Setbacks::new(),
        }
    }

    /// Returns the events to handle; `None` when there are none left.
    pub(super) fn events(&self) -> Option<Range<usize>> {
        (self.events.start < self.end).then(|| self.events.clone())
    }

    /// Returns how often the handler has failed in a row on the first event.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Records that all events of the window were handled.
    pub(super) fn done(&mut self) {
        self.most = self.most.saturating_mul(2);
        self.go_on(self.events.end, self.most);
    }

    /// Records that the events up to this one were handled, as many as may be committed at once.
    pub(super) fn full(&mut self, last: usize) {
        self.go_on(last + 1, self.most);
    }

    /// Records that the events up to this one were handled, but cannot be committed because of what their handlers wrote.
    pub(super) fn refused(&mut self, last: usize) -> Refused {
        let first = self.events.start;
        if last == first {
            return Refused::Alone(first);
        }
        self.most = (last + 1 - first) / 2;
        self.events.end = first + self.most;
        Refused::Fewer
    }

    /// Records that the first event was alone, and refused because others were faster. Returns how often in a row; `None` when
    /// that is too often, and counts as a failure of the event.
    pub(super) fn conflict(&mut self) -> Option<u32> {
        let conflicts = self.conflicts.conflict()?;
        self.most = 1;
        self.events.end = self.events.start + 1;
        Some(conflicts)
    }

    /// Records that the handler has failed on an event, after those before it.
    pub(super) fn failed(&mut self, index: usize) -> Failed {
        if index > self.events.start {
            if self.is_atomic {
                self.events.end = index;
                return Failed::WithoutIt;
            }
            self.failures = 0;
        }
        self.events = index..index + 1;
        self.failures += 1;
        Failed::First {
            failures: self.failures,
        }
    }

    /// Records that the first event is out of the way: settled, or another worker's.
    pub(super) fn passed(&mut self) {
        self.go_on(self.events.start + 1, self.end);
    }

    fn go_on(&mut self, first: usize, most: usize) {
        self.events = first..self.end.min(first.saturating_add(most));
        self.failures = 0;
        self.conflicts.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outcome of a window.
    enum Happens {
        Done,
        Full(usize),
        Fails(usize),
        Refuses(usize),
        Conflict,
        Passes,
    }
    use Happens::*;

    /// Plays a story: the outcome of each window, and the next window. An empty one is the end.
    fn story(end: usize, is_atomic: bool, steps: &[(Happens, Range<usize>)]) -> Window {
        let mut window = Window::new(end, is_atomic);
        for (step, (happens, next)) in steps.iter().enumerate() {
            match happens {
                Done => window.done(),
                Full(last) => window.full(*last),
                Fails(index) => _ = window.failed(*index),
                Refuses(last) => _ = window.refused(*last),
                Conflict => _ = window.conflict(),
                Passes => window.passed(),
            }
            assert_eq!(
                window.events().unwrap_or(end..end),
                *next,
                "after step {step}"
            );
        }
        window
    }

    #[test]
    fn a_batch_without_failures_is_one_window() {
        assert_eq!(Window::new(0, true).events(), None);
        assert_eq!(Window::new(8, true).events(), Some(0..8));
        story(8, true, &[(Done, 8..8)]);
    }

    #[test]
    fn what_was_well_before_a_failure_is_committed_without_it() {
        let steps = [
            (Fails(5), 0..5),
            (Done, 5..8),
            (Fails(5), 5..6),
            (Fails(5), 5..6),
            (Passes, 6..8),
            (Done, 8..8),
        ];
        story(8, true, &steps);
    }

    #[test]
    fn what_was_handled_before_a_failure_is_not_handled_again_where_it_has_effects() {
        let steps = [(Fails(5), 5..6), (Fails(5), 5..6), (Done, 6..8)];
        story(8, false, &steps);
    }

    #[test]
    fn an_event_that_is_refused_is_found_by_halves_and_then_the_window_grows_again() {
        let steps = [
            (Refuses(31), 0..16),
            (Done, 16..32),
            (Refuses(31), 16..24),
            (Refuses(23), 16..20),
            (Refuses(19), 16..18),
            (Refuses(17), 16..17),
            (Done, 17..19),
            (Done, 19..23),
            (Done, 23..31),
            (Done, 31..32),
        ];
        story(32, true, &steps);
    }

    #[test]
    fn what_was_refused_up_to_an_event_is_halved_from_there() {
        story(32, true, &[(Refuses(9), 0..5), (Refuses(4), 0..2)]);
    }

    #[test]
    fn as_many_as_fit_are_committed_at_once() {
        let steps = [
            (Full(9), 10..32),
            (Full(19), 20..32),
            (Refuses(31), 20..26),
            (Full(22), 23..29),
        ];
        story(32, true, &steps);
    }

    #[test]
    fn failures_count_for_one_event_and_end_with_it() {
        let mut window = Window::new(4, false);
        assert_eq!(window.failed(1), Failed::First { failures: 1 });
        assert_eq!(window.failed(1), Failed::First { failures: 2 });
        window.passed();
        assert_eq!((window.events(), window.failures()), (Some(2..4), 0));
        window.failed(2);
        window.done();
        assert_eq!((window.events(), window.failures()), (Some(3..4), 0));
    }

    #[test]
    fn an_event_alone_is_decided_about() {
        let mut window = Window::new(2, true);
        assert_eq!(window.refused(1), Refused::Fewer);
        assert_eq!(window.refused(0), Refused::Alone(0));
        assert_eq!(window.failed(0), Failed::First { failures: 1 });
        window.passed();
        assert_eq!(window.failed(1), Failed::First { failures: 1 });
        let mut window = Window::new(2, true);
        assert_eq!(window.failed(1), Failed::WithoutIt);
    }

    #[test]
    fn conflicts_are_tried_alone_until_there_are_too_many() {
        let mut window = story(4, true, &[(Conflict, 0..1), (Conflict, 0..1)]);
        for conflicts in 3..=50 {
            assert_eq!(window.conflict(), Some(conflicts));
        }
        assert_eq!(window.conflict(), None);
        window.done();
        assert_eq!(window.events(), Some(1..3), "few at first");
        assert_eq!(window.conflict(), Some(1));
    }
}
