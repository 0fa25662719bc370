//! Subscriptions: a handler that is called with every event, in order, at least once.

use crate::aggregate::Aggregate;
use crate::consumer::coverage::{Covered, covered};
use crate::consumer::handler::{Call, Continuous, Handler};
use crate::consumer::start::StartFrom;
use crate::consumer::{ConsumerOptions, FailurePolicy};
use crate::consumer::{HandlerError, ProjectError};
use crate::event::codec::DecodeError;
use crate::event::reading;
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
use std::pin::Pin;
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
/// process. Its constructors take where it [begins](StartFrom) without a checkpoint. Its handler is called at least once for
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
    settings: Settings,
    decode: Arc<DecodeWith<E>>,
}

/// All of a subscription that does not depend on the type of its events.
struct Settings {
    name: String,
    start: StartFrom,
    partitions: u32,
    query: Query,
    /// What it can read: events by name, each with its newest version.
    readable: Vec<(&'static str, u32)>,
    stream_prefix: Option<String>,
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
            Arc::new(reading::decode::<E>),
        )
    }

    /// Reads the events of one aggregate type, from its own streams. `start` is where it begins when it has no checkpoint yet.
    pub fn aggregate<A: Aggregate<Event = E>>(name: impl Into<String>, start: StartFrom) -> Self {
        let mut subscription = Self::events(name, start);
        subscription.settings.stream_prefix = Some(format!("{}-", A::NAME));
        subscription
    }
}

impl Subscription<Box<dyn AnyEvent>> {
    /// Reads all events, each as the event type of this program that has its name. `start` is where it begins when it has no
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
        let settings = Settings {
            name,
            start,
            partitions: 1,
            query,
            readable: readable.map(|event| (event.name, event.version)).collect(),
            stream_prefix: None,
            options: ConsumerOptions::new(),
        };
        Subscription { settings, decode }
    }

    /// Reads the events that match a query instead of all events of its set. The query must also name the events: an
    /// event outside of the set fails, as it cannot be read.
    pub fn matching(mut self, query: impl Into<Query>) -> Self {
        self.settings.query = query.into();
        self
    }

    /// Divides the work on each log into this many partitions, shared by the workers of this name: sequences are spread over
    /// them. The number is stored, and cannot be changed later.
    pub const fn partitions(mut self, partitions: u32) -> Self {
        self.settings.partitions = partitions;
        self
    }

    /// Sets what happens to events whose handler fails.
    pub fn on_failure(self, policy: FailurePolicy) -> Self {
        self.with_options(|options| options.on_failure(policy))
    }

    /// Sets which sequence an event belongs to; by default, its stream. See [`ConsumerOptions::sequence_by`].
    pub fn sequence_by<F>(self, sequence: F) -> Self
    where
        F: for<'a> Fn(&RecordedEventRef<'a>) -> Cow<'a, str> + Send + Sync + 'static,
    {
        self.with_options(|options| options.sequence_by(sequence))
    }

    /// Sets how long a worker may be silent before others take over. See [`ConsumerOptions::lease`].
    pub fn lease(self, silence: Duration) -> Self {
        self.with_options(|options| options.lease(silence))
    }

    /// Gives up the events of this name for good. See [`ConsumerOptions::drops`].
    pub fn drops(self, event: impl Into<String>) -> Self {
        self.with_options(|options| options.drops(event))
    }

    /// Replaces all options.
    pub fn options(mut self, options: ConsumerOptions) -> Self {
        self.settings.options = options;
        self
    }

    fn with_options(mut self, with: impl FnOnce(ConsumerOptions) -> ConsumerOptions) -> Self {
        self.settings.options = with(self.settings.options);
        self
    }
}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        f.debug_struct("Subscription")
            .field("name", &settings.name)
            .field("start", &settings.start)
            .field("partitions", &settings.partitions)
            .field("query", &settings.query)
            .field("stream_prefix", &settings.stream_prefix)
            .field("options", &settings.options)
            .finish_non_exhaustive()
    }
}

/// A subscription and its handler, on the notes of the event store.
///
/// It is one type for all subscriptions on a store: what consumers do is then compiled once for all of them, and not again
/// for each handler.
pub(crate) struct Subscribed<S> {
    notes: StoreNotes<S>,
    settings: Settings,
    deliver: Box<dyn Deliver>,
}

/// Calls a handler with all that is read from one recorded event.
trait Deliver: Send + Sync {
    fn deliver<'a>(
        &'a self,
        event: &'a RecordedEventRef<'_>,
        failures: u32,
    ) -> Pin<Box<dyn Future<Output = Result<(), ProjectError>> + Send + 'a>>;
}

/// A handler, and what it is called with.
struct Delivering<E, F> {
    decode: Arc<DecodeWith<E>>,
    handler: F,
}

impl<E, F, R> Deliver for Delivering<E, F>
where
    E: Send + 'static,
    F: Fn(Delivery<E>) -> R + Send + Sync,
    R: Future<Output = Result<(), HandlerError>> + Send,
{
    fn deliver<'a>(
        &'a self,
        event: &'a RecordedEventRef<'_>,
        failures: u32,
    ) -> Pin<Box<dyn Future<Output = Result<(), ProjectError>> + Send + 'a>> {
        Box::pin(async move {
            for decoded in (self.decode)(event)? {
                let delivery = Delivery {
                    event: decoded,
                    recorded: event.to_owned(),
                    failures,
                };
                let handled = (self.handler)(delivery).await;
                handled.map_err(ProjectError::Handler)?;
            }
            Ok(())
        })
    }
}

impl<S> Subscribed<S> {
    pub(crate) fn new<E, F, R>(store: S, subscription: Subscription<E>, handler: F) -> Self
    where
        E: Send + 'static,
        F: Fn(Delivery<E>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        let Subscription { settings, decode } = subscription;
        Subscribed {
            notes: StoreNotes::of(store),
            settings,
            deliver: Box::new(Delivering { decode, handler }),
        }
    }
}

impl<S: Store> Continuous for Subscribed<S> {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn start(&self) -> Option<StartFrom> {
        Some(self.settings.start)
    }

    fn partitions(&self) -> u32 {
        self.settings.partitions
    }
}

impl<S: Store> Handler for Subscribed<S> {
    type Notes = StoreNotes<S>;
    const ATOMIC: bool = false;

    fn notes(&self) -> &StoreNotes<S> {
        &self.notes
    }

    fn options(&self) -> &ConsumerOptions {
        &self.settings.options
    }

    fn query(&self) -> &Query {
        &self.settings.query
    }

    fn covers(&self) -> Covered {
        let settings = &self.settings;
        covered(&settings.query, settings.readable.iter().copied())
    }

    fn wants(&self, event: &RecordedEventRef<'_>) -> bool {
        let prefix = self.settings.stream_prefix.as_deref();
        prefix.is_none_or(|prefix| event.stream.starts_with(prefix))
    }

    async fn handle(
        &self,
        event: &RecordedEventRef<'_>,
        call: Call<'_, NotesTransaction>,
    ) -> Result<(), ProjectError> {
        self.deliver.deliver(event, call.failures).await
    }
}
