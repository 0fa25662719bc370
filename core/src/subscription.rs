//! Subscriptions: a handler that is called with every event, in order, at least once.

use crate::aggregate::Aggregate;
use crate::consumer::coverage::{Covered, covered};
use crate::consumer::handler::{Call, Continuous, Handler};
use crate::consumer::start::StartFrom;
use crate::consumer::{ConsumerOptions, FailurePolicy};
use crate::consumer::{HandlerError, ProjectError};
use crate::event::codec;
use crate::event::codec::DecodeError;
use crate::event::reading::with_sources;
use crate::event::record::{RecordedEvent, RecordedEventRef};
use crate::event::registry::{Registry, RegistryError};
use crate::event::upcast::Decoded;
use crate::event::{AnyEvent, EventDescriptor, EventSet};
use crate::notes::{NotesTransaction, StoreNotes};
use crate::store::Store;
use crate::store::query::Query;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An event, as the handler of a subscription gets it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Delivery<E> {
    /// The event, in the newest version that the program knows.
    pub event: E,
    /// The event as it was recorded: its place, time and metadata.
    pub recorded: RecordedEvent,
    /// How often the handler has failed on this event in a row, in this run.
    pub failures: u32,
}

type DecodeWith<E> =
    dyn Fn(&RecordedEventRef<'_>) -> Result<Decoded<E>, DecodeError> + Send + Sync + 'static;

/// What a subscription reads, and how.
///
/// Its checkpoint is kept in the store under its name: a subscription continues where it was, even in another
/// process. Its creator says where it [begins](StartFrom) without a checkpoint. Its handler is called at least once for
/// every event: an event that was handled shortly before the process was killed may come again. In a store with several
/// logs, it may be called for an event of each at the same time.
///
/// The store also notes which events it handles, by name and newest version. A release that handles more of them
/// takes over, and one that handles fewer stands by, as its [status](crate::consumer::Status) shows: so old and new
/// releases may run at once, or one after the other. See [`ConsumerOptions::drops`] for a release that handles fewer on
/// purpose.
///
/// ```
/// use midgard::consumer::FailurePolicy;
/// use midgard::{StartFrom, Subscription};
/// # use midgard::Event;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "order.placed")]
/// # struct OrderPlaced {}
///
/// // It mails orders placed from now on. With `StartFrom::Start` it would mail all orders ever placed.
/// let subscription = Subscription::<OrderPlaced>::events("mailer", StartFrom::End)
///     .on_failure(FailurePolicy::retry(3).then_park());
/// ```
#[must_use = "pass it to `Midgard::subscribe`"]
pub struct Subscription<E> {
    pub(crate) name: String,
    pub(crate) start: StartFrom,
    pub(crate) partitions: u32,
    query: Query,
    /// What it can read: events by name, each with its newest version.
    readable: Vec<(&'static str, u32)>,
    stream_prefix: Option<String>,
    decode: Arc<DecodeWith<E>>,
    options: ConsumerOptions,
}

impl<E: EventSet> Subscription<E> {
    /// Reads the events of a set: one event, or an enum of them. `start` is where it begins when it has no checkpoint yet.
    pub fn events(name: impl Into<String>, start: StartFrom) -> Self {
        Subscription::new(
            name.into(),
            start,
            Query::events::<E>(),
            with_sources(E::DESCRIPTORS),
            Arc::new(codec::decode::<E>),
        )
    }

    /// Reads the events of one aggregate type, from its own streams. `start` is where it begins when it has no checkpoint yet.
    pub fn aggregate<A: Aggregate<Event = E>>(name: impl Into<String>, start: StartFrom) -> Self {
        let mut subscription = Self::events(name, start);
        subscription.stream_prefix = Some(format!("{}-", A::NAME));
        subscription
    }
}

impl Subscription<Box<dyn AnyEvent>> {
    /// Reads all events, each as the type of the program that has its name. `start` is where it begins when it has no
    /// checkpoint yet.
    ///
    /// # Errors
    /// [`RegistryError`] when two types of the program have the same name.
    pub fn any(name: impl Into<String>, start: StartFrom) -> Result<Self, RegistryError> {
        let registry = Registry::linked()?;
        Ok(Self::any_of(name, start, registry.clone()))
    }

    /// Reads all events, each as the type that a registry knows under its name. `start` is where it begins when it has no
    /// checkpoint yet.
    pub fn any_of(name: impl Into<String>, start: StartFrom, registry: Registry) -> Self {
        let readable: Vec<_> = registry.iter().collect();
        let decode = move |event: &RecordedEventRef<'_>| registry.decode_all(event);
        Subscription::new(name.into(), start, Query::all(), readable, Arc::new(decode))
    }
}

impl<E> Subscription<E> {
    fn new(
        name: String,
        start: StartFrom,
        query: Query,
        readable: impl IntoIterator<Item = &'static EventDescriptor>,
        decode: Arc<DecodeWith<E>>,
    ) -> Self {
        let readable = readable.into_iter();
        Subscription {
            name,
            start,
            partitions: 1,
            query,
            readable: readable.map(|event| (event.name, event.version)).collect(),
            stream_prefix: None,
            decode,
            options: ConsumerOptions::new(),
        }
    }

    /// Reads the events that match a query instead of all events of its set. The query must also name the events: an
    /// event outside of the set fails, as it cannot be read.
    pub fn matching(mut self, query: impl Into<Query>) -> Self {
        self.query = query.into();
        self
    }

    /// Divides the work on each log into this many partitions, shared by the workers of this name: sequences are spread over
    /// them. The number is stored, and cannot be changed later.
    pub const fn partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions;
        self
    }

    /// Sets what happens to events whose handler fails.
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.options = self.options.on_failure(policy);
        self
    }

    /// Sets which sequence an event belongs to; by default, its stream. See [`ConsumerOptions::sequence_by`].
    pub fn sequence_by<F>(mut self, sequence: F) -> Self
    where
        F: for<'a> Fn(&RecordedEventRef<'a>) -> Cow<'a, str> + Send + Sync + 'static,
    {
        self.options = self.options.sequence_by(sequence);
        self
    }

    /// Sets how long a worker may be silent before others take over. See [`ConsumerOptions::lease`].
    pub fn lease(mut self, silence: Duration) -> Self {
        self.options = self.options.lease(silence);
        self
    }

    /// Gives up the events of this name for good. See [`ConsumerOptions::drops`].
    pub fn drops(mut self, event: impl Into<String>) -> Self {
        self.options = self.options.drops(event);
        self
    }

    /// Replaces all options.
    pub fn options(mut self, options: ConsumerOptions) -> Self {
        self.options = options;
        self
    }
}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("name", &self.name)
            .field("start", &self.start)
            .field("partitions", &self.partitions)
            .field("query", &self.query)
            .field("stream_prefix", &self.stream_prefix)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A subscription and its handler, on the notes of the event store.
pub(crate) struct Subscribed<S, E, F> {
    notes: StoreNotes<S>,
    pub(crate) subscription: Subscription<E>,
    handler: F,
}

impl<S, E, F> Subscribed<S, E, F> {
    pub(crate) const fn new(store: S, subscription: Subscription<E>, handler: F) -> Self {
        Subscribed {
            notes: StoreNotes::of(store),
            subscription,
            handler,
        }
    }
}

impl<S, E, F> Continuous for Subscribed<S, E, F>
where
    Self: Handler,
{
    fn name(&self) -> &str {
        &self.subscription.name
    }

    fn start(&self) -> Option<StartFrom> {
        Some(self.subscription.start)
    }

    fn partitions(&self) -> u32 {
        self.subscription.partitions
    }
}

impl<S, E, F, R> Handler for Subscribed<S, E, F>
where
    S: Store,
    E: Send + 'static,
    F: Fn(Delivery<E>) -> R + Send + Sync,
    R: Future<Output = Result<(), HandlerError>> + Send,
{
    type Notes = StoreNotes<S>;
    const ATOMIC: bool = false;

    fn notes(&self) -> &StoreNotes<S> {
        &self.notes
    }

    fn options(&self) -> &ConsumerOptions {
        &self.subscription.options
    }

    fn query(&self) -> &Query {
        &self.subscription.query
    }

    fn covers(&self) -> Covered {
        let subscription = &self.subscription;
        covered(&subscription.query, subscription.readable.iter().copied())
    }

    fn wants(&self, event: &RecordedEventRef<'_>) -> bool {
        let prefix = self.subscription.stream_prefix.as_deref();
        prefix.is_none_or(|prefix| event.stream.starts_with(prefix))
    }

    async fn handle(
        &self,
        event: &RecordedEventRef<'_>,
        call: Call<'_, NotesTransaction>,
    ) -> Result<(), ProjectError> {
        for decoded in (self.subscription.decode)(event)? {
            let delivery = Delivery {
                event: decoded,
                recorded: event.to_owned(),
                failures: call.failures,
            };
            let handled = (self.handler)(delivery).await;
            handled.map_err(ProjectError::Handler)?;
        }
        Ok(())
    }
}
