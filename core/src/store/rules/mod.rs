//! For authors of stores: the decision whether an append or a change of entries goes through, written once.
//!
//! A store gives the [`Facts`] of its state inside its own transaction, asks [`decide`], and does what
//! the [`Ruling`] says. What will be asked is known beforehand: [`questions`] lists it, so that a store which is reached over
//! a network answers everything about a group of appends in one round trip.

mod questions;

pub use questions::{FirstEvent, Question, end_questions, entry_questions, questions};

use super::{
    Append, AppendPart, Appended, EntryError, EntryWrite, ExpectedVersion, StreamState, Versions,
};
use crate::event::metadata::EventId;
use crate::event::record::{NewEvent, RecordedEventRef};
use crate::place::{LogId, Place, Position, Version};
use crate::store::query::{AppendCondition, Query};
use crate::store::{AppendError, IdDifference, StoreError};
use crate::stream_name::StreamName;
use std::collections::HashMap;

/// How many of the last events of a log a store remembers to recognise a retry with
/// [`ExpectedVersion::Any`] or [`ExpectedVersion::Exists`], and an id that is another event's. With `Exact` and
/// `NoStream` a retry is recognised for as long as the events are there.
pub const RECENT_EVENTS: usize = 10_000;

/// Where an event is that has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Holder {
    /// In the stream that was asked for: the first version of it that has the id.
    Here(Version),
    /// Only in another stream.
    Elsewhere(StreamName, Version),
}

/// What a store knows, as decisions need it; read inside the transaction that will write. No question is asked that
/// [`questions`] does not list.
pub trait Facts {
    /// Returns the state of a stream. When [`decide`] answers [`Ruling::Write`], it has asked this exactly once for each
    /// part, in their order: what a store found out about the streams can be kept for the write.
    ///
    /// # Errors
    /// When the store cannot be read; so for all methods.
    fn state(&mut self, stream: &StreamName) -> Result<StreamState, StoreError>;

    /// Returns the id and the position of the event at a version of a stream. Only a retry, or a conflict, leads to
    /// this question.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn event_at(
        &mut self,
        stream: &StreamName,
        version: Version,
    ) -> Result<Option<(EventId, Position)>, StoreError>;

    /// Calls `visit` once, with the event at a position that [`Facts::event_at`] returned. Only a retry leads to
    /// this question.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn read_event(
        &mut self,
        stream: &StreamName,
        position: Position,
        visit: &mut dyn FnMut(RecordedEventRef<'_>),
    ) -> Result<(), StoreError>;

    /// Returns where an event with the id `id` is, as far back as the store remembers. When several streams have one,
    /// the answer is the one of `stream`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn holder(&mut self, stream: &StreamName, id: EventId) -> Result<Option<Holder>, StoreError>;

    /// Returns the position of the first event after a position that matches.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn first_match(
        &mut self,
        query: &Query,
        after: Position,
    ) -> Result<Option<Position>, StoreError>;

    /// Returns whether an entry has this value, or (`None`) is not there.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn entry_is(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<bool, StoreError>;
}

/// What a store is to do with an append.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Ruling {
    /// Write its events, and make its changes of entries. For each part, the version of its stream
    /// before the part's first event.
    Write(Versions),
    /// Write nothing, also no entry, and return this answer: the append was made before.
    Repeat(Appended),
}

/// Decides whether an append goes through. Its limits must have been checked.
///
/// # Errors
/// [`AppendError::Conflict`], [`AppendError::Tombstoned`], [`AppendError::ConditionFailed`],
/// [`AppendError::EntryChanged`], [`AppendError::IdTaken`], [`AppendError::IdRepeated`], or an error of the facts.
pub fn decide(append: &Append, facts: &mut impl Facts) -> Result<Ruling, AppendError> {
    if let Some(id) = repeated_id(append) {
        return Err(AppendError::IdRepeated { id });
    }
    let parts = append.parts();
    let mut before = Versions::with_capacity(parts.len());
    // How many events earlier parts append to each stream; a single part has none before it.
    let mut earlier: Option<HashMap<&StreamName, u64>> = (parts.len() > 1).then(HashMap::new);
    for part in parts {
        let state = facts.state(&part.stream)?;
        if state.tombstoned {
            return Err(AppendError::Tombstoned {
                stream: part.stream.clone(),
                version: state.last,
            });
        }
        let mut last = state.last;
        if let Some(earlier) = &mut earlier {
            let appended = earlier.entry(&part.stream).or_default();
            last.0 += *appended;
            *appended += part.events.len() as u64;
        }
        if !part.expected.accepts(last) || is_partly_known(part, facts)? {
            return find_repeat(append, facts)?
                .map(Ruling::Repeat)
                .ok_or_else(|| AppendError::Conflict {
                    stream: part.stream.clone(),
                    expected: part.expected,
                    actual: last,
                });
        }
        before.push(last);
    }
    if let Some(AppendCondition { query, after }) = append.condition() {
        if after.log != LogId::MAIN {
            return Err(AppendError::Store(StoreError::UnknownLog {
                log: after.log,
                last: LogId::MAIN,
            }));
        }
        if let Some(position) = facts.first_match(query, after.position)? {
            return Err(AppendError::ConditionFailed {
                after: *after,
                place: Place::new(after.log, position),
            });
        }
    }
    // Last: what a retry expects of entries was met the first time, and no longer is.
    if let Some(entries) = append.entries() {
        decide_entries(entries, facts)?;
    }
    Ok(Ruling::Write(before))
}

/// Decides whether entries may be changed. The limits of the change must have been checked.
///
/// # Errors
/// [`EntryError::Changed`] names the first entry that is not as expected; or an error of the facts.
pub fn decide_entries(write: &EntryWrite, facts: &mut impl Facts) -> Result<(), EntryError> {
    for (key, expected) in write.expected() {
        if !facts.entry_is(key, expected.as_deref())? {
            return Err(EntryError::Changed { key: key.clone() });
        }
    }
    Ok(())
}

/// Decides whether a stream may be truncated or tombstoned, and returns its state.
///
/// # Errors
/// [`AppendError::Conflict`], [`AppendError::Tombstoned`], or an error of the facts.
pub fn decide_end(
    stream: &StreamName,
    expected: ExpectedVersion,
    facts: &mut impl Facts,
) -> Result<StreamState, AppendError> {
    let state = facts.state(stream)?;
    if state.tombstoned {
        return Err(AppendError::Tombstoned {
            stream: stream.clone(),
            version: state.last,
        });
    }
    if !expected.accepts(state.last) {
        return Err(AppendError::Conflict {
            stream: stream.clone(),
            expected,
            actual: state.last,
        });
    }
    Ok(state)
}

/// An id that two events of an append have.
fn repeated_id(append: &Append) -> Option<EventId> {
    // New ids are made in ascending order: nearly always that is all there is to do.
    if append
        .events()
        .map(|event| event.id)
        .is_sorted_by(|one, next| one < next)
    {
        return None;
    }
    let mut ids: Vec<_> = append.events().map(|event| event.id).collect();
    ids.sort_unstable();
    let pair = ids.array_windows().find(|[one, next]| one == next)?;
    Some(pair[0])
}

/// Whether a part that accepts many states has an event that its stream already holds. One that another stream holds
/// is an error.
fn is_partly_known(part: &AppendPart, facts: &mut impl Facts) -> Result<bool, AppendError> {
    let Some(FirstEvent::Holding(_)) = questions::first_event(part) else {
        return Ok(false);
    };
    for event in &part.events {
        match facts.holder(&part.stream, event.id)? {
            None => {}
            Some(Holder::Here(_)) => return Ok(true),
            Some(Holder::Elsewhere(stream, version)) => {
                return Err(AppendError::IdTaken {
                    id: event.id,
                    stream,
                    version,
                    difference: IdDifference::Stream,
                });
            }
        }
    }
    Ok(false)
}

/// The version that a part without events found when the append was made, as far as it can be told:
/// what it expected exactly, or what an earlier part left, or else what is there now.
fn checked_version(
    append: &Append,
    index: usize,
    versions: &[Version],
    facts: &mut impl Facts,
) -> Result<Version, StoreError> {
    let (earlier, rest) = append.parts().split_at(index);
    let Some(part) = rest.first() else {
        return Ok(Version::ZERO);
    };
    match part.expected {
        ExpectedVersion::NoStream => Ok(Version::ZERO),
        ExpectedVersion::Exact(version) => Ok(version),
        ExpectedVersion::Any | ExpectedVersion::Exists => {
            let same = |one: &AppendPart| one.stream == part.stream;
            match earlier.iter().rposition(same) {
                Some(before) => Ok(versions[before]),
                None => Ok(facts.state(&part.stream)?.last),
            }
        }
    }
}

/// The first answer to this very append, when all of its events are there as it would have put them.
/// Parts without events only check, and do not count.
fn find_repeat(append: &Append, facts: &mut impl Facts) -> Result<Option<Appended>, AppendError> {
    let mut position = None;
    let mut versions = Versions::with_capacity(append.parts().len());
    for (index, part) in append.parts().iter().enumerate() {
        let Some(first) = questions::first_event(part) else {
            versions.push(checked_version(append, index, &versions, facts)?);
            continue;
        };
        let first = match first {
            FirstEvent::At(version) => version,
            FirstEvent::Holding(id) => match facts.holder(&part.stream, id)? {
                Some(Holder::Here(version)) => version,
                Some(Holder::Elsewhere(..)) | None => return Ok(None),
            },
        };
        let mut version = first.previous();
        for event in &part.events {
            version = version.next();
            match facts.event_at(&part.stream, version)? {
                Some((id, at)) if id == event.id => {
                    check_same(event, &part.stream, version, at, facts)?;
                    position = Some(at);
                }
                _ => return Ok(None),
            }
        }
        versions.push(version);
    }
    Ok(position.map(|position| Appended::new(LogId::MAIN, Some(position), versions)))
}

/// Refuses a new event whose id is that of the event at a version of its stream, but which is another.
fn check_same(
    event: &NewEvent,
    stream: &StreamName,
    version: Version,
    position: Position,
    facts: &mut impl Facts,
) -> Result<(), AppendError> {
    let mut difference = None;
    facts.read_event(stream, position, &mut |stored| {
        difference = difference_of(event, &stored);
    })?;
    difference.map_or(Ok(()), |difference| {
        Err(AppendError::IdTaken {
            id: event.id,
            stream: stream.clone(),
            version,
            difference,
        })
    })
}

/// What tells a new event from one that is stored under its id. What led to an event, headers and tags do not: a
/// retry may come from another place than the first try.
fn difference_of(event: &NewEvent, stored: &RecordedEventRef<'_>) -> Option<IdDifference> {
    if event.name != stored.name {
        Some(IdDifference::Name)
    } else if event.schema_version != stored.schema_version {
        Some(IdDifference::SchemaVersion)
    } else if event.codec != stored.codec {
        Some(IdDifference::Codec)
    } else if event.payload != stored.payload {
        Some(IdDifference::Payload)
    } else {
        None
    }
}
