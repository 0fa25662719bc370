//! The options of a subscription or a projection.

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

/// Returns the sequence that an event belongs to.
pub(crate) type SequenceOf =
    dyn for<'a> Fn(&RecordedEventRef<'a>) -> Cow<'a, str> + Send + Sync + 'static;

/// The options of a subscription or a projection.
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
    /// Creates the default options: a failed event is retried five times, and then the consumer stops before it; each
    /// stream is a sequence; a worker that has been silent for five seconds is replaced; a handler may take as long as it
    /// likes.
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

    /// Sets what happens to events whose handler fails.
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets what happens when the handler of this one event fails.
    pub fn on_failure_of<E: Event>(mut self, policy: FailurePolicy) -> Self {
        self.policies.retain(|(name, _)| *name != E::NAME);
        self.policies.push((E::NAME, policy));
        self
    }

    /// Sets which sequence an event belongs to; by default, its stream. Events of one sequence are handled
    /// in order, by one worker; when one of them is parked, so are those that follow it. Where the store has several logs, each
    /// log has sequences of its own.
    pub fn sequence_by<F>(mut self, sequence: F) -> Self
    where
        F: for<'a> Fn(&RecordedEventRef<'a>) -> Cow<'a, str> + Send + Sync + 'static,
    {
        self.sequence = Some(Arc::new(sequence));
        self
    }

    /// Sets how long a worker may be silent before others take over what it owns. A worker answers the
    /// others' challenges three times as often. At least 30 ms.
    ///
    /// A worker is silent while a handler blocks its thread, and a projection's worker during each of its handlers: each
    /// event must be handled in less time than this, or workers take over from each other in turns.
    pub fn lease(mut self, silence: Duration) -> Self {
        self.lease = silence.max(Duration::from_millis(30));
        self
    }

    /// Gives up the events of this name for good. A consumer notes in the store which events it handles, and a release that
    /// handles fewer of them stands by, so that it skips nothing that others handle. A release that handles fewer on purpose
    /// names each event that it no longer handles, or no longer handles in the newest version, and `*` if it used to handle all
    /// events. Its [status](crate::consumer::Status) lists them.
    ///
    /// This is noted in the store. A later release that handles the event again gets those after the checkpoint; releases
    /// that give the event up may still skip it.
    pub fn drops(mut self, event: impl Into<String>) -> Self {
        self.dropped.insert(event.into());
        self
    }

    /// Sets the events that this program knows, in addition to those that the consumer handles. By default, every event
    /// type of the program, as in [`Registry::linked`].
    ///
    /// When a later release handles more events, it handles them from the checkpoint on. If no release that moved the
    /// checkpoint knew them at all, those that were passed are handed over first.
    pub fn knows(mut self, registry: &Registry) -> Self {
        let names = registry.iter().map(|event| event.name.to_owned());
        self.known = Some(Arc::new(names.collect()));
        self
    }

    pub(crate) fn has_dropped(&self, event: &str) -> bool {
        self.dropped.contains(event)
    }

    /// Returns the names of the events that the program knows.
    pub(crate) fn known_names(&self) -> BTreeSet<String> {
        match &self.known {
            Some(known) => (**known).clone(),
            None => linked_names().map(ToOwned::to_owned).collect(),
        }
    }

    /// Returns whether `sequence_by` was set.
    pub(crate) const fn has_sequence(&self) -> bool {
        self.sequence.is_some()
    }

    /// Sets how long a handler may take for one event, and each effect [after the commit](crate::Context::after_commit)
    /// as well. By default, they may take as long as they like; [`Status::handling`](crate::consumer::Status::handling)
    /// shows since when they have been running.
    ///
    /// A handler that takes longer is dropped where it waits and counts as failed, so its [policy](Self::on_failure)
    /// applies. An effect that takes longer is dropped, and is not retried. Code that blocks its thread cannot be dropped.
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

    /// Returns the same as [`sequence_of`](Self::sequence_of), or an error when the function that names sequences panics.
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
