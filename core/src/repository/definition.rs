//! The aggregates of one type.

use super::decision::{Tries, append_decision};
use super::on_stream::OnStream;
use super::once::{self, OnceKey};
use super::{ExecuteError, Execution, LoadError, Loaded, replay};
use crate::aggregate::{Aggregate, AsId, Command};
use crate::clock::Clock;
use crate::event::codec::ReadBack;
use crate::event::metadata::Metadata;
use crate::limits::LimitError;
use crate::place::Version;
use crate::store::{AppendError, Store, StoreError};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// The aggregates of one type in a store.
///
/// ```standalone_crate
/// use midgard::{Aggregate, Apply, Command, Event, Events, MemoryStore, Repository, events};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "counter.incremented")]
/// # struct Incremented { by: u64 }
/// # #[derive(Debug, Default, Aggregate)]
/// # #[aggregate(name = "counter", id = u64, events(Incremented))]
/// # struct Counter { total: u64 }
/// # impl Apply<Incremented> for Counter {
/// #     fn apply(&mut self, event: Incremented) { self.total += event.by; }
/// # }
/// # struct Add(u64);
/// # impl Command<Counter> for Add {
/// #     type Error = std::convert::Infallible;
/// #     fn decide(&self, _: &Counter) -> Result<Events<Counter>, Self::Error> {
/// #         Ok(events![Incremented { by: self.0 }])
/// #     }
/// # }
/// # midgard::block_on(async {
/// let counters = Repository::<Counter, _>::new(MemoryStore::new());
/// let done = counters.execute(&7, &Add(2)).await?;
/// assert_eq!((done.state().total, done.version().get()), (2, 1));
///
/// let again = counters.load(&7).await?;
/// assert_eq!(again.state().total, 2);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # What is written is read back
///
/// Before an event is appended, its payload is read back and compared with the event: both when written again, and as
/// their `Debug` shows them. An event that would come back different, or not at all, is refused with
/// [`AppendError::Encode`], and nothing is appended. Examples: a float that is not finite, which is written as
/// `null`; a field that is left out and has no default; a `Some(None)`, which comes back as `None`; a variant of an
/// untagged enum that comes back as an earlier one; and a field with `#[serde(skip)]` that differs from its default,
/// unless the event's own `Debug` leaves it out. The message does not show the values, as errors are logged and kept;
/// [`EncodeReason::Changed`](crate::event::EncodeReason::Changed) has them in its fields. The order within maps and
/// lists is not compared, as a `HashMap` changes its order each time.
///
/// Reading back multiplies the time to write an event: about 0.4 µs more for an event of two fields, 3 µs for one of
/// twenty, 6 µs for a `HashMap` of ten. Half of that is `Debug`. [`without_read_back`](Repository::without_read_back)
/// turns it off; tests with [`given`](crate::testing::given) always read back.
pub struct Repository<A, S> {
    pub(super) store: S,
    pub(super) tries: Tries,
    pub(super) read_back: ReadBack,
    pub(super) clock: Clock,
    pub(super) aggregate: PhantomData<fn() -> A>,
}

impl<A: Aggregate, S: Store> Repository<A, S> {
    /// Creates a repository for the aggregates of type `A` in this store.
    #[must_use]
    pub const fn new(store: S) -> Self {
        Repository {
            store,
            tries: Tries::DEFAULT,
            read_back: ReadBack::Yes,
            clock: Clock::system(),
            aggregate: PhantomData,
        }
    }

    /// Sets how often [`execute`](Repository::execute) decides again after a conflict; 3 when not set.
    #[must_use]
    pub const fn with_retries(mut self, retries: u32) -> Self {
        self.tries.retries = retries;
        self
    }

    /// Sets for how long an append is repeated, with the same event ids, while its outcome is unknown
    /// ([`StoreError::OutcomeUnknown`]: a connection was lost, or a server failed over, in the middle of the commit). Not
    /// repeated when not set. Once the store answers, the outcome is known: the events are stored once, or the command is
    /// decided again. After this time the error is returned. Meant for stores that are reached over a network; each append then
    /// costs a copy of its events.
    ///
    /// With [`ExpectedVersion::Any`](crate::store::ExpectedVersion) and `Exists`, a repeat is recognised as long as no more than
    /// [`RECENT_EVENTS`](crate::store::rules::RECENT_EVENTS) events were appended meanwhile.
    #[must_use]
    pub const fn with_repeats_for(mut self, time: Duration) -> Self {
        self.tries.repeat_for = time;
        self
    }

    /// Turns off [reading back events](Repository#what-is-written-is-read-back), where it costs more than it is
    /// worth. An event that cannot be read is then appended, and its aggregate can no longer be loaded.
    #[must_use]
    pub const fn without_read_back(mut self) -> Self {
        self.read_back = ReadBack::No;
        self
    }

    /// Sets the clock that dates the keys of [`execute_once`](Repository::execute_once); the system's when not set. In
    /// tests, a [`ManualClock`](crate::clock::ManualClock), the same as the store's.
    #[must_use]
    pub fn with_clock(self, clock: impl Into<Clock>) -> Self {
        let clock = clock.into();
        Repository { clock, ..self }
    }

    /// Returns the underlying store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Rebuilds an aggregate from all of its events. One without events is `A::default()` at
    /// version 0.
    ///
    /// The result can be kept, [decided on](Loaded::decide), and [committed](Repository::commit) once.
    ///
    /// # Errors
    /// [`LoadError`]: an event that cannot be read fails the load, with its name, version and position.
    pub async fn load(&self, id: &(impl AsId<A::Id> + ?Sized)) -> Result<Loaded<A>, LoadError> {
        replay::load(&self.store, StreamName::of::<A>(id)?).await
    }

    /// Rebuilds an aggregate as it was at a version. Committing from there is a conflict, unless it is
    /// the last version.
    ///
    /// # Errors
    /// As [`load`](Repository::load), and [`LoadError::NoSuchVersion`].
    pub async fn load_at(
        &self,
        id: &(impl AsId<A::Id> + ?Sized),
        version: Version,
    ) -> Result<Loaded<A>, LoadError> {
        replay::load_at(&self.store, StreamName::of::<A>(id)?, version).await
    }

    /// Rebuilds an aggregate as it was at a time, from the events that the store had recorded by then.
    ///
    /// Times are those of the clock that [recorded](crate::event::RecordedEvent::time) the events, and never go back.
    /// If a clock was ahead for a moment, the events recorded since then have that later time, and are missing from the state
    /// at an earlier one.
    ///
    /// # Errors
    /// As [`load`](Repository::load).
    pub async fn load_as_of(
        &self,
        id: &(impl AsId<A::Id> + ?Sized),
        time: Timestamp,
    ) -> Result<Loaded<A>, LoadError> {
        let stream = StreamName::of::<A>(id)?;
        let mut loaded = Loaded::new(stream.clone());
        replay::catch_up(&self.store, &stream, &mut loaded, |event| {
            event.time <= time
        })
        .await?;
        Ok(loaded)
    }

    /// Returns whether an aggregate has events and was not tombstoned, without reading events.
    ///
    /// # Errors
    /// [`LoadError`] when the id is refused, or the store cannot be read.
    pub async fn exists(&self, id: &(impl AsId<A::Id> + ?Sized)) -> Result<bool, LoadError> {
        let stream = StreamName::of::<A>(id)?;
        Ok(self.store.stream_state(&stream).await?.exists())
    }

    /// Loads an aggregate, lets the command decide, and appends the events that follow.
    ///
    /// When others appended meanwhile, it loads the aggregate again and decides again, a bounded number of times. A
    /// command without events appends nothing.
    ///
    /// The events are applied before they are appended: when an `apply` panics, nothing is appended.
    ///
    /// # Errors
    /// [`ExecuteError::Rejected`] with the command's own error; [`ExecuteError::Conflict`] when every try met one; or
    /// an error of loading or appending. The command had no effect then, except after
    /// [`StoreError::OutcomeUnknown`](crate::store::StoreError::OutcomeUnknown), when it may have had one.
    pub fn execute<'a, C, E>(
        &'a self,
        id: &(impl AsId<A::Id> + ?Sized),
        command: &'a C,
    ) -> Execution<'a, Loaded<A>, E>
    where
        C: Command<A, Error = E>,
        E: Send,
    {
        let stream = StreamName::of::<A>(id);
        Execution::new(async move { self.run(stream, command, &Metadata::new(), None).await })
    }

    /// Does what [`execute`](Repository::execute) does, with metadata for the events: the cause of the command, and headers.
    ///
    /// # Errors
    /// As [`execute`](Repository::execute).
    pub fn execute_with<'a, C, E>(
        &'a self,
        id: &(impl AsId<A::Id> + ?Sized),
        command: &'a C,
        metadata: &'a Metadata,
    ) -> Execution<'a, Loaded<A>, E>
    where
        C: Command<A, Error = E>,
        E: Send,
    {
        Execution::new(self.run(StreamName::of::<A>(id), command, metadata, None))
    }

    /// [Executes](Repository::execute) a command once for each key: if one was executed under the key before, the command is
    /// not decided again, and the aggregate is returned as it was right after the first time. So a
    /// request can be repeated safely, even after
    /// [`StoreError::OutcomeUnknown`](crate::store::StoreError::OutcomeUnknown), by another process, or after a
    /// restart.
    ///
    /// The key is any text that the caller repeats with a repeated request, such as an `Idempotency-Key` header. It
    /// belongs to the type of the aggregate. So a request that creates an aggregate under a new id may be repeated
    /// with another id: the aggregate that the first one created is returned. [`Loaded::stream`] names it.
    ///
    /// The store keeps the key as an [entry](crate::Store::write_entries) of about 100 bytes, written in the same
    /// append as the events, until [`forget_keys`](Repository::forget_keys) removes it. A rejected command stores no
    /// key, and is decided again; one without events stores its key.
    ///
    /// ```standalone_crate
    /// # use midgard::{Aggregate, Apply, Command, Event, Events, MemoryStore, Repository, events};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    /// # #[event(name = "counter.incremented")]
    /// # struct Incremented { by: u64 }
    /// # #[derive(Debug, Default, Aggregate)]
    /// # #[aggregate(name = "counter", id = u64, events(Incremented))]
    /// # struct Counter { total: u64 }
    /// # impl Apply<Incremented> for Counter {
    /// #     fn apply(&mut self, event: Incremented) { self.total += event.by; }
    /// # }
    /// # struct Add(u64);
    /// # impl Command<Counter> for Add {
    /// #     type Error = std::convert::Infallible;
    /// #     fn decide(&self, _: &Counter) -> Result<Events<Counter>, Self::Error> {
    /// #         Ok(events![Incremented { by: self.0 }])
    /// #     }
    /// # }
    /// # midgard::block_on(async {
    /// let counters = Repository::<Counter, _>::new(MemoryStore::new());
    /// let first = counters.execute_once("request-1", &7, &Add(2)).await?;
    /// counters.execute(&7, &Add(5)).await?;
    /// let again = counters.execute_once("request-1", &7, &Add(2)).await?;
    /// assert_eq!((first.state().total, again.state().total), (2, 2));
    /// assert_eq!(counters.load(&7).await?.state().total, 7);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`execute`](Repository::execute). A key is 1 to about 390 bytes long. When the stream that the first
    /// request wrote to was truncated or tombstoned since, the error is [`ExecuteError::Load`].
    pub fn execute_once<'a, C, E>(
        &'a self,
        key: &str,
        id: &(impl AsId<A::Id> + ?Sized),
        command: &'a C,
    ) -> Execution<'a, Loaded<A>, E>
    where
        C: Command<A, Error = E>,
        E: Send,
    {
        let (stream, key) = (StreamName::of::<A>(id), OnceKey::new(A::NAME, key));
        Execution::new(async move { self.run(stream, command, &Metadata::new(), Some(key)).await })
    }

    /// Does what [`execute_once`](Repository::execute_once) does, with metadata for the events.
    ///
    /// # Errors
    /// As [`execute_once`](Repository::execute_once).
    pub fn execute_once_with<'a, C, E>(
        &'a self,
        key: &str,
        id: &(impl AsId<A::Id> + ?Sized),
        command: &'a C,
        metadata: &'a Metadata,
    ) -> Execution<'a, Loaded<A>, E>
    where
        C: Command<A, Error = E>,
        E: Send,
    {
        let key = OnceKey::new(A::NAME, key);
        Execution::new(self.run(StreamName::of::<A>(id), command, metadata, Some(key)))
    }

    /// Removes the keys of [`execute_once`](Repository::execute_once) under which a command was executed before a
    /// time. Returns their number. Afterwards the same key has an effect again, so choose a time so long ago that no request
    /// from before it is still repeated.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn forget_keys(&self, before: Timestamp) -> Result<usize, AppendError> {
        once::forget(&self.store, A::NAME, before).await
    }

    async fn run<C: Command<A>>(
        &self,
        stream: Result<StreamName, LimitError>,
        command: &C,
        metadata: &Metadata,
        once: Option<Result<OnceKey, StoreError>>,
    ) -> Result<Loaded<A>, ExecuteError<C::Error>> {
        let decision = OnStream {
            repository: self,
            stream: stream.map_err(LoadError::from)?,
            command,
            metadata,
            once: once.transpose().map_err(LoadError::from)?,
        };
        let (mut loaded, appended) = append_decision(&self.store, self.tries, decision).await?;
        if let Some(appended) = appended {
            loaded.committed(&appended);
        }
        Ok(loaded)
    }
}

impl<A, S: Clone> Clone for Repository<A, S> {
    fn clone(&self) -> Self {
        Repository {
            store: self.store.clone(),
            tries: self.tries,
            read_back: self.read_back,
            clock: self.clock.clone(),
            aggregate: PhantomData,
        }
    }
}

impl<A: Aggregate, S: fmt::Debug> fmt::Debug for Repository<A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("aggregate", &A::NAME)
            .field("store", &self.store)
            .field("tries", &self.tries)
            .field("read_back", &self.read_back)
            .finish()
    }
}
