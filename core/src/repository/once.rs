//! The result of a request under a key, so that the same key has one effect.
//!
//! It is an entry of the store, written together with the events: both are there, or neither. Its key is
//! `once/{scope}/{key}`; the scope is the name of an aggregate, or empty for a unit of work. Its value is JSON with a
//! `format`.

use super::end::End;
use crate::event::RecordedEventRef;
use crate::event::codec::{from_json, to_json};
use crate::event::metadata::EventId;
use crate::limits;
use crate::place::{Place, Position, Version};
use crate::repository::LoadError;
use crate::store::{
    Append, EntryWrite, ExpectedVersion, Query, ReadEntries, ReadLog, ReadStream, Store,
};
use crate::store::{AppendError, StoreError};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow};

/// The format that this release writes.
const FORMAT: u32 = 1;
/// The scope of the keys of units of work.
pub(super) const OF_UNITS: &str = "";
/// How many entries are removed at once.
const AT_ONCE: usize = 1000;

/// The result of a request under a key.
#[derive(Serialize, Deserialize)]
pub(super) struct DoneOnce {
    format: u32,
    /// The time of execution, in microseconds since 1970.
    at: u64,
    /// The last stream that it appended to; `None` when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    /// The version of that stream afterwards.
    version: u64,
    /// The returned value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
    /// Where its events are, when only the store knew their versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<Seen>,
}

impl DoneOnce {
    pub(super) fn new(
        at: Timestamp,
        place: Option<(&StreamName, Version)>,
        value: Option<Box<RawValue>>,
    ) -> Self {
        DoneOnce {
            format: FORMAT,
            at: at.as_micros(),
            stream: place.map(|(stream, _)| stream.as_str().to_owned()),
            version: place.map_or(0, |(_, version)| version.get()),
            value,
            seen: None,
        }
    }

    /// Adds where its events are.
    pub(super) fn with_seen(self, seen: Option<Seen>) -> Self {
        DoneOnce { seen, ..self }
    }

    /// Returns the stream, and its version afterwards.
    pub(super) fn stream_after(&self) -> Option<(StreamName, Version)> {
        let stream = StreamName::from_store(self.stream.as_deref()?);
        Some((stream, Version(self.version)))
    }

    /// Returns the value that was returned, as JSON.
    pub(super) fn value(&self) -> &str {
        self.value.as_ref().map_or("null", |value| value.get())
    }

    /// Returns the place of the last event; `None` when there was none, or when it is no longer there.
    pub(super) async fn last_place<S: Store>(
        &self,
        store: &S,
    ) -> Result<Option<Place>, StoreError> {
        if let Some(seen) = &self.seen {
            return seen.place(store).await;
        }
        let after = self.stream_after();
        let Some((stream, version)) = after.filter(|(_, version)| *version > Version::ZERO) else {
            return Ok(None);
        };
        let mut place = None;
        let read = ReadStream::forward(stream).from(version).limit(1);
        store
            .read_stream(&read, &mut |event| {
                place = (event.version == version).then_some(event.place());
                ControlFlow::Break(())
            })
            .await?;
        Ok(place)
    }
}

/// What a decision has seen of the log, and the events that were appended right after that.
#[derive(Serialize, Deserialize)]
pub(super) struct Seen {
    /// The position that was read up to.
    after: u64,
    /// The id of the first event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<EventId>,
    /// The number of events, which are adjacent in the log.
    events: u64,
    /// The last event. Earlier releases did not note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<LastEvent>,
    /// The streams of the model's aggregates, with their versions afterwards: positions of several logs are not comparable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    streams: BTreeMap<String, u64>,
}

/// The last event of an append.
#[derive(Serialize, Deserialize)]
struct LastEvent {
    id: EventId,
    stream: String,
    /// The names of the first and the last event: no others need be looked through.
    names: Vec<String>,
}

impl LastEvent {
    fn of(append: &Append) -> Option<Self> {
        let mut parts = append.parts().iter().rev();
        let (part, last) = parts.find_map(|part| Some((part, part.events.last()?)))?;
        let mut names = vec![last.name.to_string()];
        names.extend(append.events().next().map(|first| first.name.to_string()));
        names.dedup();
        Some(LastEvent {
            id: last.id,
            stream: part.stream.as_str().to_owned(),
            names,
        })
    }

    fn stream(&self) -> StreamName {
        StreamName::from_store(&self.stream)
    }

    /// Looks for it in its stream.
    async fn place_in<S: Store>(
        &self,
        store: &S,
        read: &ReadStream,
    ) -> Result<Option<Place>, StoreError> {
        let mut place = None;
        let visit = &mut |event: RecordedEventRef<'_>| {
            if event.id == self.id {
                place = Some(Place::new(event.log, event.position));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        store.read_stream(read, visit).await?;
        Ok(place)
    }
}

impl Seen {
    pub(super) fn of(append: &Append, after: Position) -> Self {
        Seen {
            after: after.get(),
            first: append.events().next().map(|event| event.id),
            events: append.events().count() as u64,
            last: LastEvent::of(append),
            streams: BTreeMap::new(),
        }
    }

    /// Adds the versions after the append of all streams whose versions it expects.
    pub(super) fn with_streams(mut self, append: &Append) -> Self {
        for part in append.parts() {
            if let ExpectedVersion::Exact(before) = part.expected {
                let after = before.get() + part.events.len() as u64;
                self.streams.insert(part.stream.as_str().to_owned(), after);
            }
        }
        self
    }

    /// Returns the version of a stream after the append; `None` when it was not noted.
    pub(super) fn version_of(&self, stream: &StreamName) -> Option<Version> {
        self.streams.get(stream.as_str()).copied().map(Version)
    }

    /// Returns the position that was read up to.
    pub(super) const fn after(&self) -> Position {
        Position(self.after)
    }

    /// Returns the place of the last event; `None` when there was none, or when it was removed.
    pub(super) async fn place<S: Store>(&self, store: &S) -> Result<Option<Place>, StoreError> {
        let Some(first) = self.first else {
            return Ok(None);
        };
        if let Some(last) = &self.last
            && let Some(version) = self.version_of(&last.stream())
            && let read = ReadStream::forward(last.stream()).from(version).limit(1)
            && let Some(place) = last.place_in(store, &read).await?
        {
            return Ok(Some(place));
        }
        let mut found = None;
        // It is among the next events: it was appended right after the log was read.
        let mut read = ReadLog::forward().after(self.after());
        if let Some(last) = &self.last {
            read = read.matching(Query::named(last.names.iter().map(String::as_str)));
        }
        let last = self.last.as_ref().map(|last| last.id);
        let visit = &mut |event: RecordedEventRef<'_>| {
            let position = event.position.get();
            if event.id == first {
                found = Some(position + self.events - 1);
            } else if Some(event.id) == last {
                found = Some(position);
            }
            match found {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        };
        store.read_log(&read, visit).await?;
        if let Some(position) = found {
            return Ok(Some(Place::main(Position(position))));
        }
        match &self.last {
            // In another log, perhaps.
            Some(last) => {
                last.place_in(store, &ReadStream::forward(last.stream()))
                    .await
            }
            None => Ok(None),
        }
    }

    /// Returns whether an earlier release noted it, which did not tell which event was the last.
    pub(super) const fn lacks_last(&self) -> bool {
        self.first.is_some() && self.last.is_none()
    }

    /// Fails if the stream of the last event was tombstoned or truncated.
    pub(super) async fn check_kept<S: Store>(&self, store: &S) -> Result<(), LoadError> {
        let Some(last) = &self.last else {
            return Ok(());
        };
        let stream = last.stream();
        let state = store.stream_state(&stream).await?;
        End::Unwanted.check(&stream, Version::ZERO, state)
    }
}

/// The key of an entry.
pub(super) struct OnceKey(pub(super) Vec<u8>);

impl OnceKey {
    /// Creates the key of a request within a scope.
    ///
    /// # Errors
    /// When the key is empty or too long.
    pub(super) fn new(scope: &str, key: &str) -> Result<Self, StoreError> {
        let prefix = prefix(scope);
        let most = limits::ENTRY_KEY_BYTES.saturating_sub(prefix.len());
        limits::check_text(limits::Limited::EntryKey, most, key)?;
        Ok(OnceKey((prefix + key).into_bytes()))
    }

    /// Returns the result stored under the key.
    pub(super) async fn find<S: Store>(&self, store: &S) -> Result<Option<DoneOnce>, StoreError> {
        let mut found = None;
        store
            .read_entries(&ReadEntries::key(&self.0), &mut |_, value| {
                found = Some(parse(&self.0, value));
                ControlFlow::Break(())
            })
            .await?;
        found.transpose()
    }

    /// Adds the entry to an append, which fails if the key exists already.
    pub(super) fn note(&self, append: Append, done: &DoneOnce) -> Result<Append, AppendError> {
        let mut value = Vec::new();
        to_json(&mut value, done).map_err(|error| not_written(&self.0, error))?;
        let write = EntryWrite::new().expect(&self.0, None).put(&self.0, &value);
        Ok(append.with_entries(write))
    }
}

/// Removes the keys of a scope whose requests were executed before a time; returns their number.
pub(super) async fn forget<S: Store>(
    store: &S,
    scope: &str,
    before: Timestamp,
) -> Result<usize, AppendError> {
    let prefix = prefix(scope).into_bytes();
    let (mut read, mut forgotten) = (ReadEntries::prefix(&prefix).limit(AT_ONCE), 0);
    loop {
        let (mut last, mut count, mut unread) = (Vec::new(), 0, None);
        let (mut write, mut found) = (EntryWrite::new(), 0);
        store
            .read_entries(&read, &mut |key, value| {
                match parse(key, value) {
                    Ok(done) if done.at < before.as_micros() => {
                        // Another process may remove it at the same time: a missing entry is no conflict.
                        write.set(key.to_vec(), None);
                        found += 1;
                    }
                    Ok(_) => {}
                    Err(error) => unread = Some(error),
                }
                count += 1;
                last = key.to_vec();
                ControlFlow::Continue(())
            })
            .await?;
        if let Some(error) = unread {
            return Err(error.into());
        }
        if found > 0 {
            store.write_entries(write).await?;
            forgotten += found;
        }
        if count < AT_ONCE {
            return Ok(forgotten);
        }
        read.from = Bound::Excluded(last);
    }
}

fn prefix(scope: &str) -> String {
    format!("once/{scope}/")
}

fn parse(key: &[u8], value: &[u8]) -> Result<DoneOnce, StoreError> {
    let done = from_json(value, PhantomData::<DoneOnce>).map_err(|error| unreadable(key, error))?;
    if done.format > FORMAT {
        let reason = format!(
            "it has format {}, and this release reads {FORMAT}",
            done.format
        );
        return Err(unreadable(key, reason));
    }
    Ok(done)
}

/// Returns the error for an entry that cannot be read.
pub(super) fn unreadable(key: &[u8], reason: impl fmt::Display) -> StoreError {
    let key = key.escape_ascii();
    StoreError::Backend {
        action: "read what was done under a key",
        cause: format!(
            "the entry \"{key}\" cannot be read ({reason}); it was damaged, or written by a newer release: run the newer release, or restore the store from a backup"
        )
        .into(),
    }
}

/// Returns the error for a note of an earlier release from which the first answer cannot be told.
pub(super) fn unanswerable(key: &[u8], reason: impl fmt::Display) -> StoreError {
    let key = key.escape_ascii();
    StoreError::Backend {
        action: "tell what was answered under a key",
        cause: format!(
            "the entry \"{key}\" was written by an earlier release, and {reason}; the command was executed: read the model instead of repeating the command"
        )
        .into(),
    }
}

/// Returns the error for a value that cannot be written.
pub(super) fn not_written(key: &[u8], reason: impl fmt::Display) -> StoreError {
    let key = key.escape_ascii();
    StoreError::Backend {
        action: "write down what is done under a key",
        cause: format!("the entry \"{key}\" cannot be written: {reason}").into(),
    }
}
