//! For authors of stores: the rules by which an append or a change of entries is accepted, written once.
//!
//! A store provides the [`Facts`] of its state inside its own transaction, calls [`decide`], and follows the
//! [`Ruling`]. All questions are known beforehand: [`questions`] lists them, so that a store that is reached over a
//! network answers everything about a group of appends in one round trip.
//!
//! They are the rules of a store with one log, [`LogId::MAIN`].

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

/// The number of recent events of a log among which a store recognises a retry with [`ExpectedVersion::Any`] or
/// [`ExpectedVersion::Exists`], and an id taken by another event. With `Exact` and `NoStream` a retry is recognised
/// as long as the events are stored.
pub const RECENT_EVENTS: usize = 10_000;

/// Where the event with an id is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Holder {
    /// In the requested stream: the first version of it that has the id.
    Here(Version),
    /// Only in another stream.
    Elsewhere(StreamName, Version),
}

/// The facts about a store that decisions need, read inside the transaction that will write. Only questions that
/// [`questions`] lists are asked.
pub trait Facts {
    /// Returns the state of a stream. When [`decide`] returns [`Ruling::Write`], it has called this exactly once for
    /// each part, in order: a store can keep what it found out about the streams for the write.
    ///
    /// # Errors
    /// When the store cannot be read; this applies to all methods.
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
    /// returns the one in `stream`.
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

    /// Returns whether an entry has this value, or (`None`) is absent.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn entry_is(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<bool, StoreError>;
}

/// What a store must do with an append.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Ruling {
    /// Write its events, and make its changes of entries. Holds, for each part, the version of its stream before the
    /// part's first event.
    Write(Versions),
    /// Write nothing, no entry either, and return this answer: the append was made before.
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
    // The number of events that earlier parts append to each stream; a single part has none before it.
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
    // Last: the entries that a retry expects were so the first time, and no longer are.
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

/// Returns an id that two events of an append share.
fn repeated_id(append: &Append) -> Option<EventId> {
    // New ids are made in ascending order: nearly always this check is enough.
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

/// Returns whether a part with `Any` or `Exists` has an event that its stream already holds. An event that another
/// stream holds is an error.
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

/// Returns the version that a part without events found when the append was made, as far as it is known: the version
/// it expected exactly, the one after an earlier part, or else the current one.
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

/// Returns the first answer to this very append, when all of its events are where it would have put them. Parts
/// without events only check, and do not count.
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

/// Refuses a new event that has the id of the event at a version of its stream, but differs from it.
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

/// Returns how a new event differs from the stored one with its id. Causation, correlation, headers and tags do not
/// count: a retry may come from another caller than the first try.
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
