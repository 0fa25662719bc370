//! What happens when a handler fails.

use std::time::Duration;

/// What happens to an event whose handler fails: how often and when it is retried, and what follows the last
/// retry.
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

/// What happens to an event after its last retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Stop,
    Skip,
    Park,
}

impl FailurePolicy {
    /// Retries this many times, and then [stops](Self::then_stop). The first retry comes after 100 ms; each
    /// wait is twice as long as the one before, up to 30 s. An event that cannot be read is not retried: it
    /// would fail again.
    pub const fn retry(times: u32) -> Self {
        FailurePolicy {
            retries: times,
            first: Duration::from_millis(100),
            longest: Duration::from_secs(30),
            then: Then::Stop,
        }
    }

    /// Sets how long to wait before the first retry.
    pub const fn first_after(mut self, wait: Duration) -> Self {
        self.first = wait;
        self
    }

    /// Sets the longest wait between two tries.
    pub const fn at_most_every(mut self, wait: Duration) -> Self {
        self.longest = wait;
        self
    }

    /// Stops before the event after the last retry: nothing after it is handled until the consumer is restarted. The
    /// default, as it loses nothing.
    pub const fn then_stop(mut self) -> Self {
        self.then = Then::Stop;
        self
    }

    /// Skips the event for good after the last retry. An event whose name or version this release does not know is listed
    /// with the [dead letters](crate::consumer::DeadLetter) and holds up nothing; a release that knows it handles it.
    pub const fn then_skip(mut self) -> Self {
        self.then = Then::Skip;
        self
    }

    /// Parks the event as a dead letter after the last retry, with all later ones of its sequence. Other sequences go on.
    ///
    /// An event that is parked only because this release does not know its name or its version is handled by the first
    /// release that does. If its sequence would have to be read from the event itself, the consumer stops before it, and
    /// leaves it to a release that knows it.
    pub const fn then_park(mut self) -> Self {
        self.then = Then::Park;
        self
    }

    /// Returns how long to wait after this many failures; `None` when no retry is left.
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
    /// Retries five times, over about three seconds, and then stops.
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
