//! What is done about a handler that fails.

use std::time::Duration;

/// What is done about an event that its handler fails on: how often and when it is tried again, and what
/// then.
///
/// ```
/// use midgard::consumer::FailurePolicy;
/// use std::time::Duration;
///
/// let policy = FailurePolicy::retry(8)
///     .first_after(Duration::from_millis(50))
///     .at_most_every(Duration::from_secs(10))
///     .then_park();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct FailurePolicy {
    retries: u32,
    first: Duration,
    longest: Duration,
    then: Then,
}

/// What is done with an event once it was tried often enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Stop,
    Skip,
    Park,
}

impl FailurePolicy {
    /// Tries again so many times, and then [stops](Self::then_stop). The first time after 100 ms; each
    /// wait is twice as long as the one before, up to 30 s. An event that cannot be read is not tried again: it
    /// would fail as before.
    pub const fn retry(times: u32) -> Self {
        FailurePolicy {
            retries: times,
            first: Duration::from_millis(100),
            longest: Duration::from_secs(30),
            then: Then::Stop,
        }
    }

    /// How long to wait before the first retry.
    pub const fn first_after(mut self, wait: Duration) -> Self {
        self.first = wait;
        self
    }

    /// The longest wait between two tries.
    pub const fn at_most_every(mut self, wait: Duration) -> Self {
        self.longest = wait;
        self
    }

    /// Then stops before the event: nothing after it is handled until someone starts it again. The
    /// default, as it loses nothing.
    pub const fn then_stop(mut self) -> Self {
        self.then = Then::Stop;
        self
    }

    /// Then passes over the event, for good. One that is only not known to this release, by its name or its version, is
    /// listed with the [dead letters](crate::consumer::DeadLetter) and holds up nothing; a release that knows it hands it over.
    pub const fn then_skip(mut self) -> Self {
        self.then = Then::Skip;
        self
    }

    /// Then parks the event as a dead letter, with all later ones of its sequence. Other sequences go on.
    ///
    /// What is parked only because this release does not know it, by its name or its version, is handed over by the first
    /// that knows it. Where the sequence of such an event cannot be told, as it is read from the event, the consumer stops
    /// before it, and leaves it to a release that knows it.
    pub const fn then_park(mut self) -> Self {
        self.then = Then::Park;
        self
    }

    /// How long to wait after so many failures; `None` when it was tried often enough.
    pub(crate) fn wait_after(&self, failures: u32) -> Option<Duration> {
        if failures > self.retries {
            return None;
        }
        let doublings = failures.saturating_sub(1).min(31);
        Some(self.first.saturating_mul(1 << doublings).min(self.longest))
    }

    pub(crate) const fn then(&self) -> Then {
        self.then
    }
}

impl Default for FailurePolicy {
    /// Five retries, over about three seconds, and then it stops.
    fn default() -> Self {
        FailurePolicy::retry(5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_the_last_retry() {
        let policy = FailurePolicy::retry(4)
            .first_after(Duration::from_secs(1))
            .at_most_every(Duration::from_secs(3));
        let waits: Vec<_> = (1..=5)
            .map(|failures| policy.wait_after(failures))
            .collect();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(
            waits,
            [seconds(1), seconds(2), seconds(3), seconds(3), None]
        );
        assert_eq!(FailurePolicy::retry(0).wait_after(1), None);
    }
}
