//! Which messages wait behind a parked one, and their places.

use super::ParkedCause;
use super::notes::{InboxKeys, Line, Parked};
use crate::consumer::notes::{self, NoteError, backend};
use crate::event::metadata::EventId;
use crate::store::{ReadEntries, Store as _};
use crate::unit_of_work::{NotedUnitOfWork, UnitOfWorkStore};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// How many messages of a line are parked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    // For people: the key of the note is a hash.
    source: String,
    key: String,
    messages: u64,
    /// The place of the next message.
    next: u64,
}

/// The message at a place of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Behind {
    number: String,
}

/// How many messages of a key are parked, as earlier releases wrote it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct KeyParked {
    messages: u64,
    /// The place of the next message.
    #[serde(default)]
    next: u64,
}

/// What holds a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeldBy {
    /// An earlier message of its line.
    Line,
    /// A message of its key from any source, parked by an earlier release.
    Key,
}

/// Returns what holds a message of this line: an earlier one that is parked, and that it must not overtake.
pub(super) async fn held_by(
    work: &UnitOfWorkStore,
    unit: &mut NotedUnitOfWork,
    keys: &InboxKeys,
    line: Line<'_>,
) -> Result<Option<HeldBy>, NoteError> {
    if let Some(key) = keys.key(line.key) {
        let parked: Option<KeyParked> = notes::get(work, unit, &key).await?;
        if parked.is_some() {
            return Ok(Some(HeldBy::Key));
        }
    }
    let held: Option<Held> = notes::get(work, unit, &keys.held(line)).await?;
    Ok(held.map(|_| HeldBy::Line))
}

/// Parks a message, behind the parked ones of its line if it has one.
pub(super) async fn park(
    work: &UnitOfWorkStore,
    unit: &mut NotedUnitOfWork,
    keys: &InboxKeys,
    mut parked: Parked,
) -> Result<(), NoteError> {
    // Numbers sort by time, as far as clocks are right.
    let number = EventId::new().to_string();
    if let Some(line) = parked.line() {
        let place = change_line(work, unit, keys, line, 1).await?;
        let behind = Behind {
            number: number.clone(),
        };
        notes::put(work, unit, &keys.behind(line, place), behind).await?;
        parked.place = place;
    } else if let Some(key) = &parked.key {
        parked.place = change_key(work, unit, keys, key, 1).await?;
    }
    notes::put(work, unit, &keys.parked(&number), parked).await
}

/// Lets later messages of the line pass a parked one.
pub(super) async fn release(
    work: &UnitOfWorkStore,
    unit: &mut NotedUnitOfWork,
    keys: &InboxKeys,
    number: &str,
    parked: &mut Parked,
) -> Result<(), NoteError> {
    if let Some(line) = parked.line() {
        change_line(work, unit, keys, line, -1).await?;
        notes::remove(work, unit, &keys.behind(line, parked.place)).await?;
        if parked.cause == Some(ParkedCause::Unread) {
            call_next(work, unit, keys, line, number).await?;
        }
    } else if let Some(key) = &parked.key {
        change_key(work, unit, keys, key, -1).await?;
    }
    (parked.key, parked.source) = (None, None);
    Ok(())
}

/// Lets the search find the message behind the first one of a line, as it found that one: no message of the line has
/// failed, and the worker that takes it up may be killed before it comes to the next. The unit of work has already changed
/// the line, so a message that is parked behind it meanwhile makes the commit fail.
async fn call_next(
    work: &UnitOfWorkStore,
    unit: &mut NotedUnitOfWork,
    keys: &InboxKeys,
    line: Line<'_>,
    first: &str,
) -> Result<(), NoteError> {
    let numbers = numbers_of(work, keys, line, 2).await?;
    let [number, next] = &*numbers else {
        return Ok(());
    };
    if number != first {
        return Ok(());
    }
    let key = keys.parked(next);
    let next: Option<Parked> = notes::get(work, unit, &key).await?;
    let Some(mut next) = next.filter(|next| next.cause == Some(ParkedCause::Follows)) else {
        return Ok(());
    };
    next.cause = Some(ParkedCause::Unread);
    next.error = "the message before it no longer blocks it, and it is tried next".to_owned();
    notes::put(work, unit, &key, next).await
}

/// Removes a message from the parked ones.
pub(super) async fn unpark(
    work: &UnitOfWorkStore,
    unit: &mut NotedUnitOfWork,
    keys: &InboxKeys,
    number: &str,
    mut parked: Parked,
) -> Result<(), NoteError> {
    release(work, unit, keys, number, &mut parked).await?;
    notes::remove(work, unit, &keys.parked(number)).await
}

/// Returns the numbers of the parked messages of a line, in order, at most this many.
pub(super) async fn numbers_of(
    work: &UnitOfWorkStore,
    keys: &InboxKeys,
    line: Line<'_>,
    limit: usize,
) -> Result<Vec<String>, NoteError> {
    let prefix = keys.behind_all(line);
    let (mut numbers, mut failed) = (Vec::new(), None);
    let read = ReadEntries::prefix(prefix.as_bytes()).limit(limit);
    let each = &mut |key: &[u8], note: &[u8]| {
        let (key, note) = (String::from_utf8_lossy(key), String::from_utf8_lossy(note));
        match notes::read::<Behind>(&key, &note) {
            Ok(behind) => {
                numbers.push(behind.number);
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    };
    let visited = work.store().read_entries(&read, each).await;
    visited.map_err(backend)?;
    failed.map_or(Ok(numbers), Err)
}

/// Counts a message of a line, and returns the place that was the next one.
async fn change_line(
    work: &UnitOfWorkStore,
    unit: &mut NotedUnitOfWork,
    keys: &InboxKeys,
    line: Line<'_>,
    by: i64,
) -> Result<u64, NoteError> {
    change(work, unit, &keys.held(line), by, |held: &mut Held| {
        line.source.clone_into(&mut held.source);
        line.key.clone_into(&mut held.key);
        (&mut held.messages, &mut held.next)
    })
    .await
}

/// Does what [`change_line`] does, for a key that is held in the way of earlier releases.
async fn change_key(
    work: &UnitOfWorkStore,
    unit: &mut NotedUnitOfWork,
    keys: &InboxKeys,
    key: &str,
    by: i64,
) -> Result<u64, NoteError> {
    let Some(note) = keys.key(key) else {
        return Ok(0);
    };
    change(work, unit, &note, by, |parked: &mut KeyParked| {
        (&mut parked.messages, &mut parked.next)
    })
    .await
}

/// Changes a note of how many messages there are, and of the next place.
async fn change<N: Default + Serialize + DeserializeOwned>(
    work: &UnitOfWorkStore,
    unit: &mut NotedUnitOfWork,
    note: &str,
    by: i64,
    counts: impl FnOnce(&mut N) -> (&mut u64, &mut u64),
) -> Result<u64, NoteError> {
    let before: Option<N> = notes::get(work, unit, note).await?;
    let mut counted = before.unwrap_or_default();
    let (messages, next) = counts(&mut counted);
    let place = *next;
    *messages = messages.saturating_add_signed(by);
    *next += u64::from(by > 0);
    match *messages {
        0 => notes::remove(work, unit, note).await?,
        _ => notes::put(work, unit, note, counted).await?,
    }
    Ok(place)
}
