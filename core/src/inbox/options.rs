//! How an inbox is run.

use crate::consumer::FailurePolicy;
use std::time::Duration;

/// How an inbox is run.
///
/// ```
/// use midgard::consumer::FailurePolicy;
/// use midgard::inbox::InboxOptions;
/// use std::time::Duration;
///
/// let options = InboxOptions::new()
///     .on_failure(FailurePolicy::retry(10).then_park())
///     .remember(Duration::from_secs(24 * 3600));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct InboxOptions {
    pub(crate) policy: FailurePolicy,
    pub(crate) in_flight: u16,
    pub(crate) window: Duration,
    pub(crate) limit: Option<Duration>,
}

impl InboxOptions {
    /// Returns the defaults: a message whose handler fails is retried five times, and then parked; 256 messages are handled
    /// at once; messages are remembered for seven days.
    pub const fn new() -> Self {
        InboxOptions {
            policy: FailurePolicy::retry(5).then_park(),
            in_flight: 256,
            window: Duration::from_secs(7 * 24 * 3600),
            limit: None,
        }
    }

    /// Sets what happens to a message whose handler fails. When a command is skipped, its sender is told that it was
    /// refused.
    ///
    /// - A message that cannot be read, or whose id is invalid, is always parked and blocks no other message. An id is
    ///   invalid if it is empty, too long, or contains U+0000.
    /// - A message that only a newer release may know is always parked, and so are the later ones of its source and key: a
    ///   message of a newer version, and one that the queue subscribed to but that has no handler here. If a handler fails
    ///   because this release cannot read what is stored, its message is not retried, and is parked in the same way rather
    ///   than skipped. A release that knows these messages takes them up, with those parked behind them. If no such release
    ///   will come, because a handler was removed for good, evict the message: those behind it are then handled.
    /// - While a message is retried, later messages of its key wait, from any source. Once it is parked, those of its own
    ///   source are parked behind it, and those of others continue.
    /// - A message that is too large to be parked is set aside at the bus. Its place is kept here, so that it is not
    ///   overtaken.
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets how long a handler may take for one message. By default, there is no limit;
    /// [`Status::handling`](crate::consumer::Status::handling) shows since when a handler has been running.
    ///
    /// A handler that takes longer is dropped where it waits, which counts as a failure: the failure policy applies. A
    /// handler that blocks its thread cannot be dropped.
    pub const fn handler_timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Sets how many messages the inbox may hold at once. Those of different keys are handled concurrently, those of one
    /// key one after the other.
    ///
    /// While a message is retried, the later ones of its key that have arrived count, too: so a policy that retries for
    /// long can block other keys as well. Parking does not.
    pub const fn in_flight(mut self, messages: u16) -> Self {
        self.in_flight = messages;
        self
    }

    /// Sets how long the inbox remembers that a message was handled: the window within which a message that is delivered again
    /// has no effect. Each message takes about 300 bytes of the store for that time.
    ///
    /// The window must be longer than the longest time between two deliveries of a message. The time that a bus keeps messages
    /// for a service that is down does not count, as those were never handled; the time for which a publisher may not know that
    /// its message has arrived does.
    ///
    /// As clocks go wrong, time passes only as fast as the inbox has seen it pass: while it runs, at most twice as fast as real
    /// time; over a pause, up to the last event of the log, and by at most a quarter of the window. So a clock that is days
    /// ahead for a moment erases nothing at once, and after a long pause messages are remembered for longer than the window.
    pub const fn remember(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }
}

impl Default for InboxOptions {
    fn default() -> Self {
        InboxOptions::new()
    }
}
