//! How a subscription or a projection is run.

use super::failure::FailurePolicy;
use super::guard::guarded_call;
use crate::event::Event;
use crate::event::record::RecordedEventRef;
use crate::event::registry::{Registry, linked_names};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Gives the sequence that an event belongs to.
pub(crate) type SequenceOf =
    dyn for<'a> Fn(&RecordedEventRef<'a>) -> Cow<'a, str> + Send + Sync + 'static;

/// How a subscription or a projection is run.
///
/// ```
/// use midgard::consumer::{ConsumerOptions, FailurePolicy};
///
/// let options = ConsumerOptions::new().on_failure(FailurePolicy::retry(3).then_park());
/// ```
#[derive(Clone)]
#[must_use]
pub struct ConsumerOptions {
    policy: FailurePolicy,
    policies: Vec<(&'static str, FailurePolicy)>,
    sequence: Option<Arc<SequenceOf>>,
    lease: Duration,
    dropped: BTreeSet<String>,
    known: Option<Arc<BTreeSet<String>>>,
    limit: Option<Duration>,
}

impl ConsumerOptions {
    /// The default: a failed event is retried five times, and then all stops before it; each stream is a
    /// sequence; what another worker owns is taken over when it has not answered for five seconds; a handler may take as
    /// long as it likes.
    pub fn new() -> Self {
        ConsumerOptions {
            policy: FailurePolicy::default(),
            policies: Vec::new(),
            sequence: None,
            lease: Duration::from_secs(5),
            dropped: BTreeSet::new(),
            known: None,
            limit: None,
        }
    }

    /// What is done about events whose handler fails.
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// What is done when the handler of this one event fails.
    pub fn on_failure_of<E: Event>(mut self, policy: FailurePolicy) -> Self {
        self.policies.retain(|(name, _)| *name != E::NAME);
        self.policies.push((E::NAME, policy));
        self
    }

    /// Says which sequence an event belongs to; without it, its stream. Events of one sequence are handled
    /// in order, by one worker; when one of them is parked, so are those that follow it.
    pub fn sequence_by<F>(mut self, sequence: F) -> Self
    where
        F: for<'a> Fn(&RecordedEventRef<'a>) -> Cow<'a, str> + Send + Sync + 'static,
    {
        self.sequence = Some(Arc::new(sequence));
        self
    }

    /// For how long a worker may be silent before others take over what it owns. A worker answers
    /// three times as often. At least 30 ms.
    ///
    /// A worker is silent while a handler blocks its thread, and that of a projection in any case: it must
    /// be done with one event in less time than this, or workers take over from each other in turns.
    pub fn lease(mut self, silence: Duration) -> Self {
        self.lease = silence.max(Duration::from_millis(30));
        self
    }

    /// Gives up the events of this name for good. A consumer notes in the store which events it handles, and a release that
    /// handles fewer of them stands by, so that it passes over nothing that others handle. One that handles fewer on purpose
    /// names each that it no longer does, or no longer in the newest version; `*` where it was a consumer of all events. Its
    /// [status](crate::consumer::Status) lists them.
    ///
    /// It is noted in the store. A later release that handles the event again finds those after the checkpoint; and
    /// whoever gives it up may pass over it still.
    pub fn drops(mut self, event: impl Into<String>) -> Self {
        self.dropped.insert(event.into());
        self
    }

    /// The events that this program knows, beside those that the consumer handles. Without this, it is every event type of
    /// the program, as of [`Registry::linked`].
    ///
    /// When a later release handles more events, it begins with them at the checkpoint, unless no release that moved the
    /// checkpoint knew them at all: what those have passed is handed over first.
    pub fn knows(mut self, registry: &Registry) -> Self {
        let names = registry.iter().map(|event| event.name.to_owned());
        self.known = Some(Arc::new(names.collect()));
        self
    }

    pub(crate) fn has_dropped(&self, event: &str) -> bool {
        self.dropped.contains(event)
    }

    /// The names of the events that the program knows.
    pub(crate) fn known_names(&self) -> BTreeSet<String> {
        match &self.known {
            Some(known) => (**known).clone(),
            None => linked_names().map(ToOwned::to_owned).collect(),
        }
    }

    /// Whether it says itself which sequence an event belongs to.
    pub(crate) const fn has_sequence(&self) -> bool {
        self.sequence.is_some()
    }

    /// For how long a handler may be at one event, and what it does [after the commit](crate::Context::after_commit) at one
    /// thing. Without it, as long as they like; [`Status::handling`](crate::consumer::Status::handling) says since when.
    ///
    /// A handler that takes longer is dropped where it waits, and has failed, so that its [policy](Self::on_failure) says what is
    /// done; an effect that takes longer is dropped, and is not tried again. What blocks its thread cannot be dropped.
    pub const fn handler_timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    pub(crate) fn policy_of(&self, event: &str) -> &FailurePolicy {
        let own = self.policies.iter().find(|(name, _)| *name == event);
        own.map_or(&self.policy, |(_, policy)| policy)
    }

    pub(crate) fn sequence_of<'a>(&self, event: &RecordedEventRef<'a>) -> Cow<'a, str> {
        match &self.sequence {
            Some(sequence) => sequence(event),
            None => Cow::Borrowed(event.stream),
        }
    }

    /// As [`sequence_of`](Self::sequence_of), when the function that names sequences may panic.
    pub(crate) fn try_sequence_of<'a>(
        &self,
        event: &RecordedEventRef<'a>,
    ) -> Result<Cow<'a, str>, String> {
        match &self.sequence {
            Some(sequence) => guarded_call(|| sequence(event)),
            None => Ok(Cow::Borrowed(event.stream)),
        }
    }

    pub(crate) const fn limit(&self) -> Option<Duration> {
        self.limit
    }

    pub(crate) const fn lease_time(&self) -> Duration {
        self.lease
    }
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        ConsumerOptions::new()
    }
}

impl fmt::Debug for ConsumerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerOptions")
            .field("on_failure", &self.policy)
            .field("on_failure_of", &self.policies)
            .field("sequence_by", &self.sequence.is_some())
            .field("lease", &self.lease)
            .field("drops", &self.dropped)
            .field("knows", &self.known)
            .field("handler_timeout", &self.limit)
            .finish()
    }
}
