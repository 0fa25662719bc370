//! Decisions on several aggregates and decision models, appended at once.

use super::unit_models::ModelsRead;
use super::{Loaded, encoding, model_replay, replay};
use crate::aggregate::{Aggregate, AsId, Command, Replay};
use crate::event::EventSet;
use crate::event::RecordedEventRef;
use crate::event::codec::{EncodeError, ReadBack};
use crate::event::metadata::Metadata;
use crate::event::record::NewEvent;
use crate::place::{LogId, Position, Version};
use crate::repository::{ExecuteError, LoadError};
use crate::store::{Append, AppendError, ExpectedVersion, ReadStream, Store, StoreError};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::OnceLock;

/// Decisions on several aggregates and [decision models](crate::DecisionModel), appended at once: all of their events, or none.
///
/// Nothing is stored before the whole of it is committed, as by
/// [`Repositories::execute_together`](super::Repositories::execute_together). Each decision sees the events of those
/// before it, whether it is on an aggregate or on a model.
pub struct UnitOfWork<S> {
    pub(super) store: S,
    pub(super) read_back: ReadBack,
    pub(super) metadata: Metadata,
    pub(super) append: Append,
    /// The number of events to append.
    events: usize,
    streams: HashMap<StreamName, Known>,
    /// What was read for decision models.
    pub(super) models: ModelsRead,
    /// Another log than the main one, of which streams were read.
    elsewhere: Option<LogId>,
    /// A change of what was read, met while more was read.
    pub(super) overtaken: Option<AppendError>,
}

/// A stream that was read, or that is appended to.
#[derive(Default)]
pub(super) struct Known {
    /// A `Loaded<A>`, while it includes all events that this unit of work appends.
    aggregate: Option<Box<dyn Any + Send>>,
    /// Its version when it was read first.
    starting: Option<Version>,
    /// The number of events that this unit of work appends to it.
    appended: u64,
    /// Whether the append states its expected version.
    is_expected: bool,
}

impl Known {
    /// Returns its version at the end of this unit of work, if it was read.
    fn version(&self) -> Option<Version> {
        Some(Version(self.starting?.get() + self.appended))
    }
}

impl<S: Store> UnitOfWork<S> {
    pub(crate) fn begin(store: S, metadata: Metadata, read_back: ReadBack) -> Self {
        UnitOfWork {
            store,
            read_back,
            metadata,
            append: Append::default(),
            events: 0,
            streams: HashMap::new(),
            models: ModelsRead::default(),
            elsewhere: None,
            overtaken: None,
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
        Ok(self.loaded::<A>(&stream).await?.state())
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
        Ok(self.loaded::<A>(&stream).await?.state())
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
        let loaded = self.loaded::<A>(&stream).await?;
        let events = command
            .decide(loaded.state())
            .map_err(ExecuteError::Rejected)?;
        let encoded = encoding::encode(&stream, events.iter(), metadata, read_back)
            .map_err(|error| ExecuteError::Append(error.into()))?;
        let before = loaded.version();
        // Not earlier: a handler may continue after an error, and decide on the state again.
        loaded.take_in(events);
        if !encoded.is_empty() {
            self.add(stream.clone(), before.into(), encoded);
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
        let events = events.into_iter().collect();
        self.add(stream, expected.into(), events).aggregate = None;
    }

    /// Adds encoded events to a stream, at its version if it was read.
    pub(super) fn append_decided(&mut self, stream: StreamName, events: Vec<NewEvent>) {
        let version = self.streams.get(&stream).and_then(Known::version);
        let expected = version.map_or(ExpectedVersion::Any, Into::into);
        self.append_events(stream, expected, events);
    }

    fn add(
        &mut self,
        stream: StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> &mut Known {
        self.events += events.len();
        let known = self.streams.entry(stream.clone()).or_default();
        known.appended += events.len() as u64;
        known.is_expected |= matches!(expected, ExpectedVersion::Exact(_));
        self.append = std::mem::take(&mut self.append).and(stream, expected, events);
        known
    }

    /// Returns the aggregate of a stream, including all events of this unit of work.
    pub(crate) async fn loaded<A: Aggregate>(
        &mut self,
        stream: &StreamName,
    ) -> Result<&mut Loaded<A>, LoadError> {
        let known = self.streams.get(stream);
        if known.is_none_or(|known| known.aggregate.is_none()) {
            let mut loaded = Loaded::<A>::new(stream.clone());
            let known = self.read_stream(stream, &mut loaded).await?;
            known.aggregate = Some(Box::new(loaded));
        }
        let known = self.streams.get_mut(stream);
        let loaded = known.and_then(|known| known.aggregate.as_mut()?.downcast_mut());
        loaded.ok_or_else(|| LoadError::TwoAggregates {
            stream: stream.clone(),
        })
    }

    /// Reads a stream as it was when this unit of work first read it, and applies the events that the unit appends to it.
    pub(super) async fn read_stream(
        &mut self,
        stream: &StreamName,
        state: &mut dyn Replay,
    ) -> Result<&mut Known, LoadError> {
        let starting = self.streams.get(stream).and_then(|known| known.starting);
        let end = self.models.end;
        let elsewhere = OnceLock::new();
        replay::catch_up(&self.store, stream, state, |event| {
            if event.log != LogId::MAIN {
                elsewhere.get_or_init(|| event.log);
            }
            match (starting, end) {
                (Some(starting), _) => event.version <= starting,
                (None, Some(end)) => model_replay::is_by(event, end),
                (None, None) => true,
            }
        })
        .await?;
        self.elsewhere = self.elsewhere.or(elsewhere.into_inner());
        self.check_logs()?;
        let known = self.streams.entry(stream.clone()).or_default();
        known.starting = Some(state.version());
        if known.appended > 0 {
            let own = self.append.parts().iter();
            let own = own.filter(|part| part.stream == *stream);
            let now = Timestamp::now();
            for event in own.flat_map(|part| &part.events) {
                let version = state.version().next();
                state.replay(&model_replay::to_be_recorded(event, stream, version, now))?;
            }
        }
        Ok(known)
    }

    /// Fails if a model was read from the main log, and a stream from another: what was read would not be of one moment.
    pub(super) fn check_logs(&self) -> Result<(), StoreError> {
        match self.elsewhere {
            Some(other) if self.models.is_of_log() => Err(StoreError::SeveralLogs {
                one: LogId::MAIN,
                other,
            }),
            _ => Ok(()),
        }
    }

    /// Fails if a stream that was read changed by the end of the first model: what was read would not be of one moment.
    pub(super) async fn check_unchanged(&mut self, end: Position) -> Result<(), LoadError> {
        let known = self.streams.iter();
        let read = known.filter_map(|(stream, known)| Some((stream.clone(), known.starting?)));
        let read: Vec<_> = read.collect();
        for (stream, version) in read {
            let mut is_changed = false;
            let next = ReadStream::forward(stream.clone())
                .from(version.next())
                .limit(1);
            let visit = &mut |event: RecordedEventRef<'_>| {
                is_changed = model_replay::is_by(&event, end);
                ControlFlow::Break(())
            };
            let found = self.store.read_stream(&next, visit).await?;
            // It was removed, or events that were appended meanwhile already were.
            is_changed |=
                found.tombstoned || (found.last > version && found.first > version.next());
            if is_changed {
                self.overtaken = Some(AppendError::Conflict {
                    stream: stream.clone(),
                    expected: version.into(),
                    actual: found.last,
                });
                return Err(LoadError::Overtaken {
                    stream,
                    read: version,
                    now: found.last,
                });
            }
        }
        Ok(())
    }

    /// Returns a change of what was read, if it was met while more was read: then nothing counts that was decided.
    pub(crate) fn take_overtaken(&mut self) -> Option<AppendError> {
        self.overtaken.take()
    }

    /// Returns the number of events to append.
    pub(crate) const fn len(&self) -> usize {
        self.events
    }

    /// Returns the append of the decisions alone; with a decision model, of all that they rely on, as aggregates loaded with it are
    /// as old as the model.
    pub(crate) fn into_decided(self) -> Append {
        match self.models.end {
            Some(_) => self.into_append(),
            None => self.append,
        }
    }

    /// Returns the append of all decisions. Streams that were loaded but not decided on must be unchanged; without
    /// events there is nothing to append.
    pub(crate) fn into_append(self) -> Append {
        let mut append = self.append;
        if append.parts().is_empty() {
            return append;
        }
        for (stream, known) in self.streams {
            if let Some(version) = known.version()
                && !known.is_expected
            {
                append = append.and(stream, version, []);
            }
        }
        match self.models.condition() {
            Some(condition) => append.unless(condition),
            None => append,
        }
    }
}

impl<S> fmt::Debug for UnitOfWork<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnitOfWork")
            .field("append", &self.append)
            .finish_non_exhaustive()
    }
}
