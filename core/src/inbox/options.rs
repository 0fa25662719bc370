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
    /// The default: a message whose handler fails is retried five times, and then parked; 256 messages are handled at
    /// once; messages are remembered for seven days.
    pub const fn new() -> Self {
        InboxOptions {
            policy: FailurePolicy::retry(5).then_park(),
            in_flight: 256,
            window: Duration::from_secs(7 * 24 * 3600),
            limit: None,
        }
    }

    /// What is done about a message whose handler fails. Who has sent a command that is skipped is told that it is refused.
    ///
    /// - One that cannot be read is parked in any case, and holds up nobody; so is one with an id that cannot be: empty, too
    ///   long, or with U+0000.
    /// - One that only a newer release may know is parked in any case, and so is what follows it of its source and key: one of
    ///   a newer version, and one that came as the queue asked for it and that has no handler here. One whose handler fails
    ///   because this release cannot read what is stored is not tried again, and parked so rather than skipped. A release that
    ///   knows them takes them up, with what is parked behind. If none will come, as a handler was given up for good, evict
    ///   the message: what is behind it is handled then.
    /// - While it is tried again, later messages of its key wait, whoever has sent them. Once it is parked, those of its
    ///   own source are parked behind it, and those of others go on.
    /// - One that is too large to be parked is set aside at the bus. Its place is kept here, so that it is not overtaken.
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// For how long a handler may be at one message. Without it, as long as it likes; [`Status::handling`](crate::consumer::Status::handling)
    /// says since when.
    ///
    /// A handler that takes longer is dropped where it waits, and has failed: its policy says what is done. What blocks its
    /// thread cannot be dropped.
    pub const fn handler_timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// How many messages it may have at once. Those of different keys are handled beside each other, those of one
    /// key one after the other.
    ///
    /// While a message is tried again, the later ones of its key that have come are among them: a policy that tries for
    /// long can so hold up other keys, too. Parking does not.
    pub const fn in_flight(mut self, messages: u16) -> Self {
        self.in_flight = messages;
        self
    }

    /// For how long it remembers that a message was handled: the window within which a message that is delivered again
    /// has no effect. Each costs about 300 bytes of the store for as long.
    ///
    /// It is to be longer than the longest time that passes between two deliveries: what a bus
    /// keeps for a service that is down was never handled, and does not count; what counts is for how long a publisher
    /// may not know that its message has arrived.
    ///
    /// Time passes for it no faster than the inbox has watched it pass, as clocks go wrong: while it runs, at most twice as
    /// fast as it runs; over a pause, up to the last event of the log, and by a quarter of the window at most. So a clock
    /// that is days ahead for a moment lets nothing be forgotten at once, and after a long pause messages are
    /// remembered for longer than the window.
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
