//! For authors of stores: the decision whether an append or a change of entries goes through, written once.
//!
//! A store gives a [`View`] of its state inside its own transaction, asks [`decide`], and does what
//! the [`Decision`] says.

use super::{Append, AppendPart, Appended, EntryError, EntryWrite, ExpectedVersion, StreamState};
use crate::error::{AppendError, StoreError};
use crate::metadata::EventId;
use crate::place::{LogId, Position, Version};
use crate::query::Query;
use crate::stream_name::StreamName;
use std::collections::HashMap;

/// How many of the last events of a log a store remembers to recognise a retry with
/// [`ExpectedVersion::Any`] or [`ExpectedVersion::Exists`]. With `Exact` and `NoStream` a retry is
/// recognised for as long as the events are there.
pub const RECENT_EVENTS: usize = 10_000;

/// What a store knows, as [`decide`] needs it; read inside the transaction that will write.
pub trait View {
    /// The state of a stream.
    ///
    /// # Errors
    /// When the store cannot be read; so for all methods.
    fn state(&mut self, stream: &StreamName) -> Result<StreamState, StoreError>;

    /// The event at a version of a stream: its id and position.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn event_at(
        &mut self,
        stream: &StreamName,
        version: Version,
    ) -> Result<Option<(EventId, Position)>, StoreError>;

    /// The first version of a stream that holds the event `id`, as far back as the store remembers.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn recent(&mut self, stream: &StreamName, id: EventId) -> Result<Option<Version>, StoreError>;

    /// The first event after a position that matches.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn first_match(
        &mut self,
        query: &Query,
        after: Position,
    ) -> Result<Option<Position>, StoreError>;

    /// Whether an entry has this value, or (`None`) is not there.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn entry_is(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<bool, StoreError>;
}

/// What a store is to do with an append.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Decision {
    /// Write its events, and make its changes of entries. For each part, the version of its stream
    /// before the part's first event.
    Write(Vec<Version>),
    /// Write nothing, also no entry, and give this answer: the append was made before.
    Repeat(Appended),
}

/// Decides whether an append goes through. Its limits must have been checked.
///
/// # Errors
/// [`AppendError::Conflict`], [`AppendError::Tombstoned`], [`AppendError::ConditionFailed`],
/// [`AppendError::EntryChanged`], or the view's own error.
pub fn decide(append: &Append, view: &mut impl View) -> Result<Decision, AppendError> {
    let mut before = Vec::with_capacity(append.parts().len());
    // How many events earlier parts append to each stream; nothing to look up for a single part.
    let mut earlier: HashMap<&StreamName, u64> = HashMap::new();
    for part in append.parts() {
        let state = view.state(&part.stream)?;
        if state.tombstoned {
            return Err(AppendError::Tombstoned {
                stream: part.stream.clone(),
                version: state.last,
            });
        }
        let appended = earlier.get(&part.stream).copied().unwrap_or_default();
        let last = Version(state.last.0 + appended);
        let expected = part.expected.accepts(last);
        if !expected || is_partly_known(part, state, view)? {
            return find_repeat(append, view)?
                .map(Decision::Repeat)
                .ok_or_else(|| {
                    let (stream, expected) = (part.stream.clone(), part.expected);
                    AppendError::Conflict {
                        stream,
                        expected,
                        actual: last,
                    }
                });
        }
        before.push(last);
        if append.parts().len() > 1 {
            earlier.insert(&part.stream, appended + part.events.len() as u64);
        }
    }
    if let Some(condition) = append.condition()
        && let Some(position) = view.first_match(&condition.query, condition.after)?
    {
        return Err(AppendError::ConditionFailed {
            after: condition.after,
            position,
        });
    }
    // Last: what a retry expects of entries was met the first time, and no longer is.
    if let Some(entries) = append.entries() {
        decide_entries(entries, view)?;
    }
    Ok(Decision::Write(before))
}

/// Decides whether entries may be changed. The limits of the change must have been checked.
///
/// # Errors
/// [`EntryError::Changed`] names the first entry that is not as expected; or the view's own error.
pub fn decide_entries(write: &EntryWrite, view: &mut impl View) -> Result<(), EntryError> {
    for (key, expected) in write.expected() {
        if !view.entry_is(key, expected.as_deref())? {
            return Err(EntryError::Changed { key: key.clone() });
        }
    }
    Ok(())
}

/// Decides whether a stream may be truncated or tombstoned, and gives its state.
///
/// # Errors
/// [`AppendError::Conflict`], [`AppendError::Tombstoned`], or the view's own error.
pub fn decide_end(
    stream: &StreamName,
    expected: ExpectedVersion,
    view: &mut impl View,
) -> Result<StreamState, AppendError> {
    let state = view.state(stream)?;
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

/// Whether a part that accepts many states has an event that its stream already holds.
fn is_partly_known(
    part: &AppendPart,
    state: StreamState,
    view: &mut impl View,
) -> Result<bool, StoreError> {
    let open = matches!(
        part.expected,
        ExpectedVersion::Any | ExpectedVersion::Exists
    );
    if !open || state.last == Version::ZERO {
        return Ok(false);
    }
    for event in &part.events {
        if view.recent(&part.stream, event.id)?.is_some() {
            return Ok(true);
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
    view: &mut impl View,
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
                None => Ok(view.state(&part.stream)?.last),
            }
        }
    }
}

/// The first answer to this very append, when all of its events are there as it would have put them.
/// Parts without events only check, and do not count.
fn find_repeat(append: &Append, view: &mut impl View) -> Result<Option<Appended>, StoreError> {
    let mut position = None;
    let mut versions = Vec::with_capacity(append.parts().len());
    for (index, part) in append.parts().iter().enumerate() {
        let Some(first) = part.events.first() else {
            versions.push(checked_version(append, index, &versions, view)?);
            continue;
        };
        let before = match part.expected {
            ExpectedVersion::NoStream => Some(Version::ZERO),
            ExpectedVersion::Exact(version) => Some(version),
            ExpectedVersion::Any | ExpectedVersion::Exists => {
                view.recent(&part.stream, first.id)?.map(Version::previous)
            }
        };
        let Some(mut version) = before else {
            return Ok(None);
        };
        for event in &part.events {
            version = version.next();
            match view.event_at(&part.stream, version)? {
                Some((id, at)) if id == event.id => position = Some(at),
                _ => return Ok(None),
            }
        }
        versions.push(version);
    }
    Ok(position.map(|position| Appended::new(LogId::MAIN, Some(position), versions)))
}
