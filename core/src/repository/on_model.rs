//! A command on a decision model.

use super::decision::{Attempt, Decision};
use super::once::{self, DoneOnce, OnceKey};
use super::{Repositories, encoding, replay};
use crate::aggregate::{Command, Events};
use crate::decision_model::{DecisionModel, Selection};
use crate::event::codec::from_json;
use crate::event::metadata::{EventId, Metadata};
use crate::event::record::NewEvent;
use crate::event::registry::Registry;
use crate::event::{EncodeError, RecordedEventRef};
use crate::place::{LogId, Place, Position, Version};
use crate::repository::{ExecuteError, LoadError};
use crate::store::{
    Append, AppendCondition, AppendError, Appended, ExpectedVersion, Query, QueryItem, ReadLog,
    Store, StoreError,
};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use std::ops::ControlFlow;

/// The scope of the keys of commands on models; no aggregate has such a name.
pub(super) const SCOPE: &str = "decision-models";

/// A decision model after a command.
#[derive(Debug)]
pub struct Decided<M> {
    model: M,
    place: Option<Place>,
}

impl<M> Decided<M> {
    /// Returns the model, with the decided events applied.
    pub const fn model(&self) -> &M {
        &self.model
    }

    /// Returns the model by value. Pass a new model to the next command: one that has been read would be folded again.
    #[must_use]
    pub fn into_model(self) -> M {
        self.model
    }

    /// Returns the place of the last decided event; `None` when there was none. Wait for that place with
    /// [`MidgardHandle::wait_for`](crate::MidgardHandle::wait_for).
    #[must_use]
    pub const fn place(&self) -> Option<Place> {
        self.place
    }

    pub(super) fn appended(&mut self, appended: &Appended) {
        self.place = appended.place();
    }
}

/// A command decided on a model.
pub(super) struct OnModel<'a, M, S, C> {
    repositories: &'a Repositories<S>,
    model: M,
    /// The position that the model was read up to.
    after: Position,
    command: &'a C,
    metadata: &'a Metadata,
    /// The key under which the command has one effect, and the model before it was read.
    once: Option<(OnceKey, M)>,
}

impl<'a, M: DecisionModel, S: Store, C: Command<M>> OnModel<'a, M, S, C> {
    pub(super) fn new(
        repositories: &'a Repositories<S>,
        model: M,
        command: &'a C,
        metadata: &'a Metadata,
        once: Option<OnceKey>,
    ) -> Self {
        OnModel {
            repositories,
            once: once.map(|key| (key, model.__copy())),
            model,
            after: Position::ZERO,
            command,
            metadata,
        }
    }
}

impl<M: DecisionModel, S: Store, C: Command<M>> Decision for OnModel<'_, M, S, C> {
    type Outcome = Decided<M>;
    type Error = C::Error;

    async fn done(&mut self) -> Result<Option<Decided<M>>, LoadError> {
        let store = &self.repositories.store;
        let Some((key, unread)) = &self.once else {
            return Ok(None);
        };
        match key.find(store).await? {
            Some(done) => Ok(Some(repeated(store, unread.__copy(), key, &done).await?)),
            None => Ok(None),
        }
    }

    async fn decide(&mut self, _: u32) -> Result<Attempt<Decided<M>>, ExecuteError<C::Error>> {
        let store = &self.repositories.store;
        self.after = read(store, &mut self.model, self.after, None).await?;
        let decided = self.command.decide(&self.model);
        let events = decided.map_err(ExecuteError::Rejected)?;
        // After a conflict, only what is new is read.
        let copy = self.model.__copy();
        let mut model = std::mem::replace(&mut self.model, copy);
        let append = if events.is_empty() && self.once.is_none() {
            None
        } else {
            let append = self.append(&mut model, &events);
            let append = append.map_err(ExecuteError::Append)?;
            // A panic leaves nothing stored.
            events.into_iter().for_each(|event| model.__take(event));
            Some(append)
        };
        Ok((Decided { model, place: None }, append))
    }
}

impl<M: DecisionModel, S: Store, C> OnModel<'_, M, S, C> {
    /// The append of a decision: its events, and all that it relies on.
    fn append(&self, model: &mut M, events: &Events<M>) -> Result<Append, AppendError> {
        let mut metadata = self.metadata.clone();
        let read_back = self.repositories.read_back;
        let mut encoded = Vec::with_capacity(events.len());
        for event in events {
            let stream = event.stream()?;
            let parts = model.__parts();
            if let Some(aggregate) = parts.iter().find_map(|part| part.unlisted(event)) {
                let descriptor = event.event().descriptor();
                return Err(EncodeError::unlisted(descriptor, stream, aggregate).into());
            }
            let new = event.written(read_back);
            let new = new.map_err(|error| error.for_stream(&stream))?;
            encoded.push((stream, encoding::with_metadata(new, &mut metadata)));
        }
        let seen = Seen {
            after: self.after.get(),
            first: encoded.first().map(|(_, event)| event.id),
            events: encoded.len() as u64,
        };
        let mut append = append_to(streams(model)?, encoded);
        if let Some(query) = query(model.items()) {
            let after = Place::main(self.after);
            append = append.unless(AppendCondition { query, after });
        }
        match &self.once {
            Some((key, _)) => seen.note(key, self.repositories.clock.now(), append),
            None => Ok(append),
        }
    }
}

/// Appends events to their streams, in their order, at the expected versions of the aggregates' streams.
fn append_to(
    mut aggregates: Vec<(StreamName, Version)>,
    events: Vec<(StreamName, NewEvent)>,
) -> Append {
    let mut append = Append::default();
    // Also where no event goes, the stream must still be at its version.
    for (stream, version) in &aggregates {
        if events.iter().all(|(other, _)| other != stream) {
            append = append.and(stream.clone(), *version, []);
        }
    }
    let mut events = events.into_iter().peekable();
    while let Some((stream, event)) = events.next() {
        let mut part = vec![event];
        while let Some((_, event)) = events.next_if(|(next, _)| *next == stream) {
            part.push(event);
        }
        let known = aggregates.iter_mut().find(|(other, _)| *other == stream);
        let expected = known.map_or(ExpectedVersion::Any, |(_, version)| {
            let expected = *version;
            version.0 += part.len() as u64;
            expected.into()
        });
        append = append.and(stream, expected, part);
    }
    append
}

/// Returns the streams of a model's aggregates, each once, with the versions that were read.
fn streams<M: DecisionModel>(model: &mut M) -> Result<Vec<(StreamName, Version)>, AppendError> {
    let mut streams: Vec<(StreamName, Version)> = Vec::new();
    for part in model.__parts() {
        if let Some((stream, state)) = part.stream() {
            let (stream, version) = (stream?, state.version());
            if streams.iter().all(|(other, _)| *other != stream) {
                streams.push((stream, version));
            }
        }
    }
    Ok(streams)
}

/// Returns the query of these items; `None` without any, as a query without items finds all events.
fn query(items: impl IntoIterator<Item = QueryItem>) -> Option<Query> {
    let mut query = Query::all();
    for item in items {
        if !query.items().contains(&item) {
            query = query.or(item);
        }
    }
    (!query.items().is_empty()).then_some(query)
}

/// Reads what a model does not have yet: of the log all that is after a position, up to another or to the end, and of the streams of
/// its aggregates what was there by then. Returns the position up to which it has read.
async fn read<M: DecisionModel, S: Store>(
    store: &S,
    model: &mut M,
    after: Position,
    until: Option<Position>,
) -> Result<Position, LoadError> {
    Registry::linked()?;
    let mut parts = model.__parts();
    let selections: Vec<Selection> = parts.iter().map(|part| part.selection()).collect();
    let items = selections.iter().flat_map(Selection::items).cloned();
    let mut last = until;
    if let Some(query) = query(items) {
        let mut unreadable = None;
        let read = ReadLog::forward().after(after).matching(query);
        let visit = &mut |event: RecordedEventRef<'_>| {
            if until.is_some_and(|until| event.position > until) {
                return ControlFlow::Break(());
            }
            for (part, selection) in parts.iter_mut().zip(&selections) {
                if selection.matches(&event)
                    && let Err(error) = part.apply_record(&event, selection)
                {
                    unreadable = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        };
        let end = store.read_log(&read, visit).await?;
        if let Some(error) = unreadable {
            return Err(error.into());
        }
        last = until.or(Some(end));
    } else if last.is_none() {
        last = Some(store.last_position(LogId::MAIN).await?);
    }
    for part in parts {
        if let Some((stream, state)) = part.stream() {
            // All parts are as of one moment, so that a refusal is right, too. Positions of other logs are not comparable.
            let wanted = |event: &RecordedEventRef<'_>| {
                event.log != LogId::MAIN || last.is_none_or(|last| event.position <= last)
            };
            replay::catch_up(store, &stream?, state, wanted).await?;
        }
    }
    Ok(last.unwrap_or(after))
}

/// What was decided under a key, as it is kept with the key.
#[derive(Serialize, Deserialize)]
struct Seen {
    /// The position that the model was read up to.
    after: u64,
    /// The id of the first decided event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<EventId>,
    /// The number of decided events, which are adjacent in the log.
    events: u64,
}

impl Seen {
    fn note(&self, key: &OnceKey, at: Timestamp, append: Append) -> Result<Append, AppendError> {
        let value = serde_json::value::to_raw_value(self);
        let value = value.map_err(|error| once::not_written(&key.0, error))?;
        key.note(append, &DoneOnce::new(at, None, Some(value)))
    }

    /// Returns the position of the last decided event; `None` when there was none, or when the first was removed.
    async fn position<S: Store>(&self, store: &S) -> Result<Option<Position>, StoreError> {
        let Some(first) = self.first else {
            return Ok(None);
        };
        let mut found = None;
        // It is among the next events: it was appended right after the model was read.
        let read = ReadLog::forward().after(Position(self.after));
        let visit = &mut |event: RecordedEventRef<'_>| {
            if event.id == first {
                found = Some(Position(event.position.get() + self.events - 1));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        store.read_log(&read, visit).await?;
        Ok(found)
    }
}

/// Returns the model as it was right after the command was executed under the key.
async fn repeated<M: DecisionModel, S: Store>(
    store: &S,
    mut model: M,
    key: &OnceKey,
    done: &DoneOnce,
) -> Result<Decided<M>, LoadError> {
    let seen = from_json(done.value().as_bytes(), PhantomData::<Seen>);
    let seen = seen.map_err(|error| once::unreadable(&key.0, error))?;
    let position = seen.position(store).await?;
    let until = position.unwrap_or(Position(seen.after));
    read(store, &mut model, Position::ZERO, Some(until)).await?;
    Ok(Decided {
        model,
        place: position.map(Place::main),
    })
}
