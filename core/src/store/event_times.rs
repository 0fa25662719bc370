//! For authors of stores: the times of events, which never go back.

use crate::clock::Clock;
use crate::time::Timestamp;
use std::time::{Duration, Instant};

/// How far the last event may be ahead of the clock before a warning: clocks of several machines differ, and are set
/// a little.
const USUAL: Duration = Duration::from_secs(1);
/// The time between two warnings.
const PAUSE: Duration = Duration::from_secs(60);

/// The times of new events. When the clock is behind the last event, new events get that event's time, with a
/// warning: either the clock was ahead then, or it is behind now. Until the clock catches up, time stands still in
/// the store.
#[derive(Debug, Default)]
pub struct EventTimes {
    clock: Clock,
    said: Option<Instant>,
}

impl EventTimes {
    /// Creates the times of a clock. `EventTimes::default()` uses the system's.
    #[must_use]
    pub const fn new(clock: Clock) -> Self {
        EventTimes { clock, said: None }
    }

    /// Returns the time of an event that follows one recorded at `last`.
    pub fn after(&mut self, last: Timestamp) -> Timestamp {
        self.at(self.clock.now(), last)
    }

    fn at(&mut self, now: Timestamp, last: Timestamp) -> Timestamp {
        let ahead = Duration::from_micros(last.as_micros().saturating_sub(now.as_micros()));
        if ahead > USUAL && self.said.is_none_or(|said| said.elapsed() >= PAUSE) {
            self.said = Some(Instant::now());
            tracing::warn!(
                last = %last,
                clock = %now,
                ahead_seconds = ahead.as_secs(),
                "the last event was recorded at a later time than the clock shows: set the clock right; until it catches up, new events get the time of that event"
            );
        }
        now.max(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stands_still_until_the_clock_is_there_which_is_said_once_in_a_while() {
        let mut times = EventTimes::default();
        let [now, soon, hour] =
            [1, 2, 3600].map(|second| Timestamp::from_micros(second * 1_000_000));
        assert_eq!(times.at(soon, now), soon);
        assert_eq!(times.at(now, soon), soon);
        assert!(times.said.is_none(), "a second is usual");
        assert_eq!(times.at(now, hour), hour);
        let said = times.said;
        assert!(said.is_some());
        assert_eq!(times.at(soon, hour), hour);
        assert_eq!(times.said, said);
    }
}
