//! Decisions on several aggregates, appended at once.

use super::{Loaded, encoding, replay};
use crate::aggregate::{Aggregate, AsId, Command};
use crate::event::EventSet;
use crate::event::codec::{EncodeError, ReadBack};
use crate::event::metadata::Metadata;
use crate::event::record::NewEvent;
use crate::place::Version;
use crate::repository::{ExecuteError, LoadError};
use crate::store::{Append, ExpectedVersion, Store};
use crate::stream_name::StreamName;
use std::any::Any;
use std::collections::HashMap;
use std::fmt;

/// Decisions on several aggregates, appended at once: all of their events, or none.
///
/// Nothing is stored before the whole of it is committed, as by
/// [`Repositories::execute_together`](super::Repositories::execute_together). A second decision on the same aggregate
/// sees the events of the first.
pub struct UnitOfWork<S> {
    store: S,
    read_back: ReadBack,
    metadata: Metadata,
    append: Append,
    /// The number of events to append.
    events: usize,
    loaded: HashMap<StreamName, Known>,
}

/// A loaded stream.
struct Known {
    /// A `Loaded<A>`.
    aggregate: Box<dyn Any + Send>,
    /// Its version when it was loaded.
    starting: Version,
    /// Whether the append states its expected version.
    is_expected: bool,
}

impl<S: Store> UnitOfWork<S> {
    pub(crate) fn begin(store: S, metadata: Metadata, read_back: ReadBack) -> Self {
        UnitOfWork {
            store,
            read_back,
            metadata,
            append: Append::default(),
            events: 0,
            loaded: HashMap::new(),
        }
    }

    /// Loads an aggregate; returns its state, including the decisions of this unit of work.
    ///
    /// Decisions of this unit may rely on it: when others append to its stream before the commit, that is a conflict.
    ///
    /// # Errors
    /// [`LoadError`]: an event that cannot be read fails the load, with its name, version and position.
    pub async fn load<A: Aggregate>(
        &mut self,
        id: &(impl AsId<A::Id> + ?Sized),
    ) -> Result<&A, LoadError> {
        let stream = StreamName::of::<A>(id)?;
        Ok(self.loaded::<A>(&stream).await?.0.state())
    }

    /// Loads an aggregate and lets the command decide; returns the state after the events that follow.
    ///
    /// # Errors
    /// [`ExecuteError::Rejected`] with the command's own error, or an error of loading or encoding. The unit of work
    /// is unchanged then.
    pub async fn execute<A, C>(
        &mut self,
        id: &(impl AsId<A::Id> + ?Sized),
        command: &C,
    ) -> Result<&A, ExecuteError<C::Error>>
    where
        A: Aggregate,
        C: Command<A>,
    {
        let mut metadata = self.metadata.clone();
        let stream = self.decide::<A, C>(id, command, &mut metadata).await?;
        self.metadata = metadata;
        Ok(self.loaded::<A>(&stream).await?.0.state())
    }

    /// Lets a command decide, and adds its events; returns the stream of the aggregate.
    pub(crate) async fn decide<A: Aggregate, C: Command<A>>(
        &mut self,
        id: &(impl AsId<A::Id> + ?Sized),
        command: &C,
        metadata: &mut Metadata,
    ) -> Result<StreamName, ExecuteError<C::Error>> {
        let stream = StreamName::of::<A>(id).map_err(LoadError::from)?;
        let read_back = self.read_back;
        let (loaded, is_expected) = self.loaded::<A>(&stream).await?;
        let events = command
            .decide(loaded.state())
            .map_err(ExecuteError::Rejected)?;
        let encoded = encoding::encode(&stream, events.iter(), metadata, read_back)
            .map_err(|error| ExecuteError::Append(error.into()))?;
        let before = loaded.version();
        // Not earlier: a handler may continue after an error, and decide on the state again.
        loaded.take_in(events);
        if !encoded.is_empty() {
            *is_expected = true;
            self.append_events(stream.clone(), before, encoded);
        }
        Ok(stream)
    }

    /// Adds an event to a stream that belongs to no aggregate.
    ///
    /// # Errors
    /// When the event cannot be encoded so that it can be read.
    pub fn record<E: EventSet>(
        &mut self,
        stream: StreamName,
        expected: impl Into<ExpectedVersion>,
        event: &E,
    ) -> Result<(), EncodeError> {
        let events = [event].into_iter();
        let events = encoding::encode(&stream, events, &mut self.metadata, self.read_back)?;
        self.append_events(stream, expected, events);
        Ok(())
    }

    /// Adds encoded events.
    pub(crate) fn append_events(
        &mut self,
        stream: StreamName,
        expected: impl Into<ExpectedVersion>,
        events: impl IntoIterator<Item = NewEvent>,
    ) {
        self.append = std::mem::take(&mut self.append).and(stream, expected, events);
        let part = self.append.parts().last();
        self.events += part.map_or(0, |part| part.events.len());
    }

    /// Returns the aggregate of a stream, and whether the append states its expected version.
    pub(crate) async fn loaded<A: Aggregate>(
        &mut self,
        stream: &StreamName,
    ) -> Result<(&mut Loaded<A>, &mut bool), LoadError> {
        if !self.loaded.contains_key(stream) {
            let loaded = replay::load::<A, S>(&self.store, stream.clone()).await?;
            let known = Known {
                starting: loaded.starting_version(),
                aggregate: Box::new(loaded),
                is_expected: false,
            };
            self.loaded.insert(stream.clone(), known);
        }
        let known = self.loaded.get_mut(stream).and_then(|known| {
            let loaded = known.aggregate.downcast_mut()?;
            Some((loaded, &mut known.is_expected))
        });
        known.ok_or_else(|| LoadError::TwoAggregates {
            stream: stream.clone(),
        })
    }

    /// Returns the number of events to append.
    pub(crate) const fn len(&self) -> usize {
        self.events
    }

    /// Returns the append of the decisions alone.
    pub(crate) fn into_decided(self) -> Append {
        self.append
    }

    /// Returns the append of all decisions. Streams that were loaded but not decided on must be unchanged; without
    /// events there is nothing to append.
    pub(crate) fn into_append(self) -> Append {
        let mut append = self.append;
        if append.parts().is_empty() {
            return append;
        }
        for (stream, known) in self.loaded {
            if !known.is_expected {
                append = append.and(stream, known.starting, []);
            }
        }
        append
    }
}

impl<S> fmt::Debug for UnitOfWork<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnitOfWork")
            .field("append", &self.append)
            .finish_non_exhaustive()
    }
}
