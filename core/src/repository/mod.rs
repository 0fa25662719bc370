//! Loads aggregates, runs commands on them, and appends what follows.

mod execution;
mod loaded;

pub use execution::Execution;
pub use loaded::Loaded;

use crate::aggregate::{Aggregate, Command, Events};
use crate::codec::{self, DecodeError};
use crate::error::{AppendError, ExecuteError, LoadError};
use crate::metadata::Metadata;
use crate::place::Version;
use crate::record::NewEvent;
use crate::registry::Registry;
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
pub struct Repository<A, S> {
    store: S,
    retries: u32,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: Aggregate, S: Store> Repository<A, S> {
    /// The aggregates of type `A` in this store.
    #[must_use]
    pub const fn new(store: S) -> Self {
        Repository {
            store,
            retries: RETRIES,
            aggregate: PhantomData,
        }
    }

    /// Sets how often [`execute`](Repository::execute) decides again after a conflict; 3 when not set.
    #[must_use]
    pub const fn with_retries(mut self, retries: u32) -> Self {
        self.retries = retries;
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
    /// When others appended meanwhile, the command is decided again on the newer state, a bounded
    /// number of times. A command without events appends nothing.
    ///
    /// # Errors
    /// [`ExecuteError::Rejected`] with the command's own error; [`ExecuteError::Conflict`] when every
    /// try met one; or what loading and appending can say. The command had no effect then, but for
    /// [`StoreError::OutcomeUnknown`](crate::StoreError::OutcomeUnknown).
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
            match self.append(&loaded, events.iter(), metadata).await {
                Ok(None) => return Ok(loaded),
                Ok(Some(appended)) => {
                    loaded.appended(events, &appended);
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
            self.catch_up(&mut loaded, |_, _| true).await?;
        }
    }

    /// Appends events that the caller decided on, under an explicit expectation. Never tried again.
    ///
    /// # Errors
    /// [`AppendError`]: nothing was appended, but for
    /// [`StoreError::OutcomeUnknown`](crate::StoreError::OutcomeUnknown).
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
        let events = encode(events.into().iter(), metadata)?;
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
        if let Some(appended) = self.append(&loaded, pending.iter(), metadata).await? {
            loaded.committed(&appended);
        }
        Ok(loaded)
    }

    /// Appends events after the stored version of `loaded`; `None` when there are none.
    async fn append<'e>(
        &self,
        loaded: &Loaded<A>,
        events: impl ExactSizeIterator<Item = &'e A::Event>,
        metadata: &Metadata,
    ) -> Result<Option<Appended>, AppendError>
    where
        A::Event: 'e,
    {
        if events.len() == 0 {
            return Ok(None);
        }
        let events = encode(events, metadata)?;
        let append = Append::to(loaded.stream().clone(), loaded.starting_version(), events);
        self.store.append(append).await.map(Some)
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

/// Where the events that were read ended.
enum End {
    OfStream,
    /// At an event that was not wanted.
    Unwanted,
    /// At a version that is not the next one.
    Jump(Version),
    /// At an event that cannot be read.
    Unreadable(DecodeError),
}

impl End {
    /// Whether events that the stream had when the read began did not come.
    fn lacks_events<A: Aggregate>(&self, loaded: &Loaded<A>, state: StreamState) -> bool {
        match self {
            End::Jump(_) => true,
            End::OfStream => loaded.version() < state.last,
            End::Unwanted | End::Unreadable(_) => false,
        }
    }

    /// Whether everything before the end is there. A stream that lost its events cannot be told from
    /// one without any by reading it.
    fn check<A: Aggregate>(self, loaded: &Loaded<A>, state: StreamState) -> Result<(), LoadError> {
        let stream = || loaded.stream().clone();
        let missing = loaded.version().next();
        match self {
            End::Unreadable(error) => Err(error.into()),
            _ if state.tombstoned => Err(LoadError::Tombstoned {
                stream: stream(),
                version: state.last,
            }),
            _ if missing < state.first => Err(LoadError::Truncated {
                stream: stream(),
                first: state.first,
            }),
            End::Jump(found) => Err(LoadError::Gap {
                stream: stream(),
                missing,
                found,
            }),
            End::OfStream if missing <= state.last => Err(LoadError::Cut {
                stream: stream(),
                missing,
                last: state.last,
            }),
            End::OfStream | End::Unwanted => Ok(()),
        }
    }
}

/// The events of one decision. Those without a correlation share the id of the first as theirs.
fn encode<'e, E: crate::EventSet>(
    events: impl Iterator<Item = &'e E>,
    metadata: &Metadata,
) -> Result<Vec<NewEvent>, AppendError> {
    let mut metadata = metadata.clone();
    events
        .map(|event| {
            let mut event = NewEvent::encode(event)?;
            if metadata.correlation_id().is_none() {
                metadata = metadata.clone().with_correlation_id(event.id);
            }
            event.metadata = metadata.clone();
            Ok(event)
        })
        .collect()
}

impl<A, S: Clone> Clone for Repository<A, S> {
    fn clone(&self) -> Self {
        Repository {
            store: self.store.clone(),
            retries: self.retries,
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
            .finish()
    }
}
