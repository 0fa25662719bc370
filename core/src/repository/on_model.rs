//! A command on a decision model.

use super::decision::{Attempt, Decision};
use super::model_replay::{is_by, query, read, read_log};
use super::once::{self, DoneOnce, OnceKey, Seen};
use super::{Repositories, model_replay, replay};
use crate::aggregate::{Command, Events};
use crate::decision_model::DecisionModel;
use crate::event::RecordedEventRef;
use crate::event::codec::from_json;
use crate::event::metadata::Metadata;
use crate::event::record::NewEvent;
use crate::place::{LogId, Place, Position, Version};
use crate::repository::{ExecuteError, LoadError};
use crate::store::{Append, AppendCondition, AppendError, Appended, ExpectedVersion, Store};
use crate::stream_name::StreamName;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

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

    /// Returns the model by value. When it is passed to another command, it is read from its beginning, as any model.
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
        model: &M,
        command: &'a C,
        metadata: &'a Metadata,
        once: Option<OnceKey>,
    ) -> Self {
        OnModel {
            repositories,
            once: once.map(|key| (key, model.__initial())),
            model: model.__initial(),
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
            Some(done) => Ok(Some(repeated(store, unread.__initial(), key, &done).await?)),
            None => Ok(None),
        }
    }

    async fn decide(&mut self, tries: u32) -> Result<Attempt<Decided<M>>, ExecuteError<C::Error>> {
        let store = &self.repositories.store;
        self.after = read(store, &mut self.model, self.after, None).await?;
        let decided = self.command.decide(&self.model);
        let events = decided.map_err(ExecuteError::Rejected)?;
        let is_appended = !events.is_empty() || self.once.is_some();
        // After a conflict, only what is new is read.
        let next = if is_appended && tries <= self.repositories.tries.retries {
            self.model.__copy()
        } else {
            self.model.__initial()
        };
        let mut model = std::mem::replace(&mut self.model, next);
        let append = if is_appended {
            let append = self.append(&mut model, &events);
            let append = append.map_err(ExecuteError::Append)?;
            // A panic leaves nothing stored.
            events.into_iter().for_each(|event| model.__take(event));
            Some(append)
        } else {
            None
        };
        Ok((Decided { model, place: None }, append))
    }
}

impl<M: DecisionModel, S: Store, C> OnModel<'_, M, S, C> {
    /// The append of a decision: its events, and all that it relies on.
    fn append(&self, model: &mut M, events: &Events<M>) -> Result<Append, AppendError> {
        let mut metadata = self.metadata.clone();
        let read_back = self.repositories.read_back;
        let encoded = model_replay::encode(model, events, &mut metadata, read_back)?;
        let mut append = append_to(streams(model)?, encoded);
        if let Some(query) = query(model.items()) {
            let after = Place::main(self.after);
            append = append.unless(AppendCondition { query, after });
        }
        let Some((key, _)) = &self.once else {
            return Ok(append);
        };
        let seen =
            serde_json::value::to_raw_value(&Seen::of(&append, self.after).with_streams(&append));
        let seen = seen.map_err(|error| once::not_written(&key.0, error))?;
        let now = self.repositories.clock.now();
        key.note(append, &DoneOnce::new(now, None, Some(seen)))
    }
}

/// Appends events to their streams, in their order, at the expected versions of the aggregates' streams.
fn append_to(
    mut aggregates: Vec<(StreamName, Version)>,
    parts: Vec<(StreamName, Vec<NewEvent>)>,
) -> Append {
    let mut append = Append::default();
    // Also where no event goes, the stream must still be at its version.
    for (stream, version) in &aggregates {
        if parts.iter().all(|(other, _)| other != stream) {
            append = append.and(stream.clone(), *version, []);
        }
    }
    for (stream, events) in parts {
        let known = aggregates.iter_mut().find(|(other, _)| *other == stream);
        let expected = known.map_or(ExpectedVersion::Any, |(_, version)| {
            let expected = *version;
            version.0 += events.len() as u64;
            expected.into()
        });
        append = append.and(stream, expected, events);
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

/// Returns the model as it was right after the command was executed under the key.
async fn repeated<M: DecisionModel, S: Store>(
    store: &S,
    mut model: M,
    key: &OnceKey,
    done: &DoneOnce,
) -> Result<Decided<M>, LoadError> {
    let seen = from_json(done.value().as_bytes(), PhantomData::<Seen>);
    let seen = seen.map_err(|error| once::unreadable(&key.0, error))?;
    let place = seen.place(store).await?;
    if place.is_none() {
        seen.check_kept(store).await?;
        if seen.lacks_last() {
            let reason = "its events are no longer found";
            return Err(once::unanswerable(&key.0, reason).into());
        }
    }
    let until = place.filter(|place| place.log == LogId::MAIN);
    let until = until.map_or(seen.after(), |place| place.position);
    read_log(store, &mut model, Position::ZERO, Some(until)).await?;
    for part in model.__parts() {
        if let Some((stream, state)) = part.stream() {
            let stream = stream?;
            let version = seen.version_of(&stream);
            let is_elsewhere = AtomicBool::new(false);
            let wanted = |event: &RecordedEventRef<'_>| match version {
                Some(version) => event.version <= version,
                None => {
                    is_elsewhere.fetch_or(event.log != LogId::MAIN, Ordering::Relaxed);
                    is_by(event, until)
                }
            };
            replay::catch_up(store, &stream, state, wanted).await?;
            if is_elsewhere.into_inner() {
                let reason = format_args!(
                    "it does not tell which version of stream \"{stream}\" was read, which is not in the main log"
                );
                return Err(once::unanswerable(&key.0, reason).into());
            }
        }
    }
    Ok(Decided { model, place })
}
