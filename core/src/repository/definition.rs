//! Loads aggregates, runs commands on them, and appends what follows.

use super::end::End;
use super::{Execution, Loaded};
use crate::aggregate::{Aggregate, Command, Events};
use crate::event::codec;
use crate::event::codec::{EncodeError, ReadBack};
use crate::event::metadata::Metadata;
use crate::event::record::NewEvent;
use crate::event::registry::Registry;
use crate::place::Version;
use crate::repository::{ExecuteError, LoadError};
use crate::store::AppendError;
use crate::store::{Append, Appended, ExpectedVersion, ReadStream, Store, StreamState};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use std::fmt;
use std::marker::PhantomData;
use std::ops::ControlFlow;

/// How often a command that met a conflict is decided again.
const RETRIES: u32 = 3;

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
/// Before an event is appended, what was written of it is read, and compared with the event: what it writes once more, and
/// what its `Debug` shows. An event that would come back as another, or not at all, is refused with
/// [`AppendError::Encode`], and nothing is appended. Such are a float that is not finite, which is written as `null`; a field
/// that is left out and has no default; a `Some(None)`, which comes back as `None`; a variant of an untagged enum that comes
/// back as an earlier one; and a field with `#[serde(skip)]` that is not as its default, unless the event's own `Debug`
/// leaves it out. The message does not say the values, as errors are logged and kept; [`EncodeReason::Changed`](crate::event::EncodeReason::Changed) has them in
/// its fields. The order within maps and lists is not compared, as that of a `HashMap` is another each time.
///
/// Writing an event takes several times as long with it: some 0.4 µs more for an event of two fields, 3 µs for one of twenty,
/// 6 µs for a `HashMap` of ten. Half of that is `Debug`. [`without_read_back`](Repository::without_read_back) leaves it
/// out; tests with [`given`](crate::testing::given) never do.
pub struct Repository<A, S> {
    store: S,
    retries: u32,
    read_back: ReadBack,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: Aggregate, S: Store> Repository<A, S> {
    /// The aggregates of type `A` in this store.
    #[must_use]
    pub const fn new(store: S) -> Self {
        Repository {
            store,
            retries: RETRIES,
            read_back: ReadBack::Yes,
            aggregate: PhantomData,
        }
    }

    /// Sets how often [`execute`](Repository::execute) decides again after a conflict; 3 when not set.
    #[must_use]
    pub const fn with_retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Leaves out [reading back what is written](Repository#what-is-written-is-read-back), where it costs more than it
    /// is worth. An event that cannot be read is appended then, and its aggregate can no longer be loaded.
    #[must_use]
    pub const fn without_read_back(mut self) -> Self {
        self.read_back = ReadBack::No;
        self
    }

    /// The store underneath.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Rebuilds an aggregate from all of its events. One without events is `A::default()` at
    /// version 0.
    ///
    /// What is returned can be kept, [decided on](Loaded::decide), and [committed](Repository::commit) once.
    ///
    /// # Errors
    /// [`LoadError`]: an event that cannot be read fails the load, with its name, version and position.
    pub async fn load(&self, id: &A::Id) -> Result<Loaded<A>, LoadError> {
        let mut loaded = Loaded::new(StreamName::of::<A>(id)?);
        self.catch_up(&mut loaded, |_, _| true).await?;
        Ok(loaded)
    }

    /// Rebuilds an aggregate as it was at a version. Committing from there is a conflict, unless it is
    /// the last version.
    ///
    /// # Errors
    /// As [`load`](Repository::load), and [`LoadError::NoSuchVersion`].
    pub async fn load_at(&self, id: &A::Id, version: Version) -> Result<Loaded<A>, LoadError> {
        let mut loaded = Loaded::new(StreamName::of::<A>(id)?);
        self.catch_up(&mut loaded, |at, _| at <= version).await?;
        if loaded.version() < version {
            let (stream, last) = (loaded.stream().clone(), loaded.version());
            return Err(LoadError::NoSuchVersion {
                stream,
                asked: version,
                last,
            });
        }
        Ok(loaded)
    }

    /// Rebuilds an aggregate as it was at a time: from the events that the store had recorded by then.
    ///
    /// Times are those of the clock that [recorded](crate::event::RecordedEvent::time) the events, and never go back. Where a clock
    /// was ahead for a moment, what was recorded since has that time, and is not among what was there before it.
    ///
    /// # Errors
    /// As [`load`](Repository::load).
    pub async fn load_as_of(&self, id: &A::Id, time: Timestamp) -> Result<Loaded<A>, LoadError> {
        let mut loaded = Loaded::new(StreamName::of::<A>(id)?);
        self.catch_up(&mut loaded, |_, recorded| recorded <= time)
            .await?;
        Ok(loaded)
    }

    /// Whether an aggregate has events, and was not tombstoned. Reads none of them.
    ///
    /// # Errors
    /// [`LoadError`] when the id is refused, or the store cannot be read.
    pub async fn exists(&self, id: &A::Id) -> Result<bool, LoadError> {
        Ok(self
            .store
            .stream_state(&StreamName::of::<A>(id)?)
            .await?
            .exists())
    }

    /// Loads an aggregate, lets the command decide, and appends the events that follow.
    ///
    /// When others appended meanwhile, the aggregate is loaded anew and the command decided again, a bounded
    /// number of times. A command without events appends nothing.
    ///
    /// The events are applied before they are appended: where an `apply` panics, nothing is appended.
    ///
    /// # Errors
    /// [`ExecuteError::Rejected`] with the command's own error; [`ExecuteError::Conflict`] when every
    /// try met one; or what loading and appending can say. The command had no effect then, but for
    /// [`StoreError::OutcomeUnknown`](crate::store::StoreError::OutcomeUnknown).
    pub fn execute<'a, C, E>(&'a self, id: &'a A::Id, command: &'a C) -> Execution<'a, A, E>
    where
        C: Command<A, Error = E>,
    {
        Execution::new(async move { self.run(id, command, &Metadata::new()).await })
    }

    /// [`execute`](Repository::execute), with metadata for the events: what led to the command, and headers.
    ///
    /// # Errors
    /// As [`execute`](Repository::execute).
    pub fn execute_with<'a, C, E>(
        &'a self,
        id: &'a A::Id,
        command: &'a C,
        metadata: &'a Metadata,
    ) -> Execution<'a, A, E>
    where
        C: Command<A, Error = E>,
    {
        Execution::new(self.run(id, command, metadata))
    }

    async fn run<C: Command<A>>(
        &self,
        id: &A::Id,
        command: &C,
        metadata: &Metadata,
    ) -> Result<Loaded<A>, ExecuteError<C::Error>> {
        let mut loaded = self.load(id).await?;
        let mut tries = 0;
        loop {
            tries += 1;
            let events = command
                .decide(loaded.state())
                .map_err(ExecuteError::Rejected)?;
            if events.is_empty() {
                return Ok(loaded);
            }
            let append = self
                .to_append(&loaded, events.iter(), metadata)
                .map_err(|error| ExecuteError::Append(error.into()))?;
            // A panic leaves nothing behind.
            loaded.apply(events);
            match self.store.append(append).await {
                Ok(appended) => {
                    loaded.committed(&appended);
                    return Ok(loaded);
                }
                Err(last @ AppendError::Conflict { .. }) if tries <= self.retries => {
                    tracing::debug!(%last, tries, "conflict, deciding again");
                }
                Err(last @ AppendError::Conflict { .. }) => {
                    return Err(ExecuteError::Conflict { tries, last });
                }
                Err(error) => return Err(ExecuteError::Append(error)),
            }
            // The state has events that were not appended. A long stream takes its time, so what was appended
            // while it was read is read before the command decides.
            loaded = self.load(id).await?;
            self.catch_up(&mut loaded, |_, _| true).await?;
        }
    }

    /// Appends events that the caller decided on, under an explicit expectation. Never tried again.
    ///
    /// There is no state here that they could be applied to: an `apply` that panics does so when the aggregate is loaded.
    ///
    /// # Errors
    /// [`AppendError`]: nothing was appended, but for
    /// [`StoreError::OutcomeUnknown`](crate::store::StoreError::OutcomeUnknown).
    pub async fn save(
        &self,
        id: &A::Id,
        expected: impl Into<ExpectedVersion>,
        events: impl Into<Events<A>>,
    ) -> Result<Appended, AppendError> {
        self.save_with(id, expected, events, &Metadata::new()).await
    }

    /// [`save`](Repository::save), with metadata for the events.
    ///
    /// # Errors
    /// As [`save`](Repository::save).
    pub async fn save_with(
        &self,
        id: &A::Id,
        expected: impl Into<ExpectedVersion>,
        events: impl Into<Events<A>>,
        metadata: &Metadata,
    ) -> Result<Appended, AppendError> {
        let stream = StreamName::of::<A>(id)?;
        let events = self.encode(&stream, events.into().iter(), metadata)?;
        self.store
            .append(Append::to(stream, expected, events))
            .await
    }

    /// Appends what was decided on a loaded aggregate, if nobody appended since it was loaded. Never
    /// tried again: the decisions were made on that state.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] when the aggregate is no longer at the version that was loaded.
    pub async fn commit(&self, loaded: Loaded<A>) -> Result<Loaded<A>, AppendError> {
        self.commit_with(loaded, &Metadata::new()).await
    }

    /// [`commit`](Repository::commit), with metadata for the events.
    ///
    /// # Errors
    /// As [`commit`](Repository::commit).
    pub async fn commit_with(
        &self,
        mut loaded: Loaded<A>,
        metadata: &Metadata,
    ) -> Result<Loaded<A>, AppendError> {
        let pending = loaded.take_pending();
        if !pending.is_empty() {
            let append = self.to_append(&loaded, pending.iter(), metadata)?;
            let appended = self.store.append(append).await?;
            loaded.committed(&appended);
        }
        Ok(loaded)
    }

    /// Events to be appended after the stored version of `loaded`.
    fn to_append<'e>(
        &self,
        loaded: &Loaded<A>,
        events: impl Iterator<Item = &'e A::Event>,
        metadata: &Metadata,
    ) -> Result<Append, EncodeError>
    where
        A::Event: 'e,
    {
        let events = self.encode(loaded.stream(), events, metadata)?;
        let (stream, expected) = (loaded.stream().clone(), loaded.starting_version());
        Ok(Append::to(stream, expected, events))
    }

    /// The events of one decision. Those without a correlation share the id of the first as theirs.
    fn encode<'e>(
        &self,
        stream: &StreamName,
        events: impl Iterator<Item = &'e A::Event>,
        metadata: &Metadata,
    ) -> Result<Vec<NewEvent>, EncodeError>
    where
        A::Event: 'e,
    {
        let mut metadata = metadata.clone();
        events
            .map(|event| {
                let mut event = NewEvent::written(event, self.read_back)
                    .map_err(|error| error.for_stream(stream))?;
                if metadata.correlation_id().is_none() {
                    metadata = metadata.clone().with_correlation_id(event.id);
                }
                event.metadata = metadata.clone();
                Ok(event)
            })
            .collect()
    }

    /// Folds the events that `loaded` does not have yet, as long as `wanted` says so of their version
    /// and time.
    async fn catch_up(
        &self,
        loaded: &mut Loaded<A>,
        wanted: impl Fn(Version, Timestamp) -> bool + Send + Sync,
    ) -> Result<(), LoadError> {
        Registry::linked()?;
        let mut end = End::OfStream;
        let read = ReadStream::forward(loaded.stream().clone()).from(loaded.version().next());
        let mut state = self
            .store
            .read_stream(&read, &mut |event| {
                if !wanted(event.version, event.time) {
                    end = End::Unwanted;
                } else if event.version != loaded.version().next() {
                    end = End::Jump(event.version);
                } else {
                    match codec::decode::<A::Event>(&event) {
                        Ok(decoded) => {
                            loaded.replay(decoded, event.version, event.position);
                            return ControlFlow::Continue(());
                        }
                        Err(error) => end = End::Unreadable(error),
                    }
                }
                ControlFlow::Break(())
            })
            .await?;
        if end.lacks_events(loaded, state) {
            // They may have been removed on purpose while they were read.
            let (now, last) = (self.store.stream_state(loaded.stream()).await?, state.last);
            state = StreamState { last, ..now };
        }
        end.check(loaded, state)
    }
}

impl<A, S: Clone> Clone for Repository<A, S> {
    fn clone(&self) -> Self {
        Repository {
            store: self.store.clone(),
            retries: self.retries,
            read_back: self.read_back,
            aggregate: PhantomData,
        }
    }
}

impl<A: Aggregate, S: fmt::Debug> fmt::Debug for Repository<A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("aggregate", &A::NAME)
            .field("store", &self.store)
            .field("retries", &self.retries)
            .field("read_back", &self.read_back)
            .finish()
    }
}
