//! A store in memory.

use super::rules::{self, Decision, Holder, RECENT_EVENTS, View};
use super::{
    Append, Appended, Direction, EmbeddedStore, EntryError, EntrySnapshot, EntryWrite, EventTimes,
    ExpectedVersion, ReadEntries, ReadLog, ReadStream, ScanEntry, Store, StreamState, Visit,
    VisitEntry, range_of,
};
use crate::clock::Clock;
use crate::event::metadata::EventId;
use crate::event::record::{RecordedEvent, RecordedEventRef};
use crate::give_way::give_way;
use crate::place::{LogId, Position, Version};
use crate::store::query::Query;
use crate::store::{AppendError, StoreError};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use event_listener::Event as Notify;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps everything in memory, for tests and for trying things out. Clones share the events.
///
/// It keeps every promise of [`Store`] but durability: the events are gone with the last clone.
///
/// ```
/// use midgard::store::{Append, ExpectedVersion};
/// use midgard::{MemoryStore, Store, StreamName, Version};
/// use midgard::event::NewEvent;
///
/// # midgard::block_on(async {
/// let store = MemoryStore::new();
/// let stream = StreamName::new("user-42")?;
/// let event = NewEvent::json("user.created", 1, b"{}".to_vec());
/// let appended = store.append(Append::to(stream, ExpectedVersion::NoStream, [event])).await?;
/// assert_eq!(appended.version(), Version(1));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    appended: Notify,
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Default)]
struct State {
    /// Events by position. Shared, so that a read can go on without the lock.
    log: BTreeMap<Position, Arc<RecordedEvent>>,
    streams: HashMap<StreamName, StreamEvents>,
    /// Where the events are that have an id, in the order of the log.
    ids: HashMap<EventId, Vec<Position>>,
    last_position: Position,
    last_time: Timestamp,
    times: EventTimes,
    /// Replaced when it is changed while a read or a snapshot holds it.
    entries: Arc<Entries>,
}

#[derive(Default)]
struct StreamEvents {
    state: StreamState,
    /// The positions of versions `state.first..=state.last`.
    positions: Vec<Position>,
}

/// How many events are taken from the lock at once.
const BATCH: usize = 256;

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store whose events get their times from this clock, such as a
    /// [`ManualClock`](crate::clock::ManualClock) in tests.
    #[must_use]
    pub fn with_clock(clock: impl Into<Clock>) -> Self {
        let state = State {
            times: EventTimes::new(clock.into()),
            ..State::default()
        };
        MemoryStore(Arc::new(Shared {
            state: Mutex::new(state),
            appended: Notify::new(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made after all that can fail, so a poisoned state is whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries as they are now.
    fn entries(&self) -> Arc<Entries> {
        self.state().entries.clone()
    }

    fn end(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
        change: impl FnOnce(&mut StreamEvents) -> Option<Vec<Position>>,
    ) -> Result<(), AppendError> {
        let mut state = self.state();
        rules::decide_end(stream, expected, &mut *state)?;
        let changed = change(state.streams.entry(stream.clone()).or_default());
        let Some(removed) = changed else {
            return Ok(());
        };
        for position in &removed {
            state.remove(*position);
        }
        // The end of a stream takes a position of its own, in every store.
        state.last_position = state.last_position.next();
        drop(state);
        self.0.appended.notify(usize::MAX);
        Ok(())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("MemoryStore")
            .field("events", &state.log.len())
            .field("streams", &state.streams.len())
            .finish()
    }
}

impl View for State {
    fn state(&mut self, stream: &StreamName) -> Result<StreamState, StoreError> {
        Ok(self
            .streams
            .get(stream)
            .map_or(StreamState::NONE, |events| events.state))
    }

    fn event_at(
        &mut self,
        stream: &StreamName,
        version: Version,
    ) -> Result<Option<(EventId, Position)>, StoreError> {
        let position = self
            .streams
            .get(stream)
            .and_then(|events| events.position(version));
        let event = position.and_then(|position| self.log.get(&position));
        Ok(event.map(|event| (event.id, event.position)))
    }

    fn read_event(
        &mut self,
        _stream: &StreamName,
        position: Position,
        visit: &mut dyn FnMut(RecordedEventRef<'_>),
    ) -> Result<(), StoreError> {
        if let Some(event) = self.log.get(&position) {
            visit(event.view());
        }
        Ok(())
    }

    fn recent(&mut self, stream: &StreamName, id: EventId) -> Result<Option<Holder>, StoreError> {
        let Some(positions) = self.ids.get(&id) else {
            return Ok(None);
        };
        let oldest = Position(self.last_position.0.saturating_sub(RECENT_EVENTS as u64)).next();
        let recent = positions.iter().filter(|position| **position >= oldest);
        let mut holders = recent.filter_map(|position| self.log.get(position));
        let elsewhere = holders.clone().next();
        Ok(match holders.find(|event| event.stream == *stream) {
            Some(event) => Some(Holder::Here(event.version)),
            None => elsewhere.map(|event| Holder::Elsewhere(event.stream.clone(), event.version)),
        })
    }

    fn first_match(
        &mut self,
        query: &Query,
        after: Position,
    ) -> Result<Option<Position>, StoreError> {
        let mut later = self.log.range(after.next()..);
        Ok(later
            .find(|(_, event)| query.matches(&event.view()))
            .map(|(position, _)| *position))
    }

    fn entry_is(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<bool, StoreError> {
        Ok(self.entries.get(key).map(Vec::as_slice) == value)
    }
}

impl State {
    fn write(&mut self, append: Append, before: &[Version]) -> Appended {
        if let Some(entries) = append.entries() {
            self.change_entries(entries);
        }
        let time = self.times.after(self.last_time);
        let mut versions = before.to_vec();
        let mut position = None;
        for (part, version) in append.into_parts().into_iter().zip(&mut versions) {
            for event in part.events {
                *version = version.next();
                self.last_position = self.last_position.next();
                position = Some(self.last_position);
                self.last_time = time;
                let stream = self.streams.entry(part.stream.clone()).or_default();
                stream.state.last = *version;
                stream.positions.push(self.last_position);
                self.ids
                    .entry(event.id)
                    .or_default()
                    .push(self.last_position);
                let recorded = RecordedEvent {
                    log: LogId::MAIN,
                    position: self.last_position,
                    stream: part.stream.clone(),
                    version: *version,
                    id: event.id,
                    time,
                    name: event.name.into_owned(),
                    schema_version: event.schema_version,
                    codec: event.codec,
                    payload: event.payload,
                    tags: event.tags,
                    metadata: event.metadata,
                };
                self.log.insert(self.last_position, Arc::new(recorded));
            }
        }
        Appended::new(LogId::MAIN, position, versions)
    }

    fn remove(&mut self, position: Position) {
        let Some(event) = self.log.remove(&position) else {
            return;
        };
        if let Some(positions) = self.ids.get_mut(&event.id) {
            positions.retain(|other| *other != position);
            if positions.is_empty() {
                self.ids.remove(&event.id);
            }
        }
    }

    fn change_entries(&mut self, write: &EntryWrite) {
        let entries = Arc::make_mut(&mut self.entries);
        for (key, value) in write.changes().iter() {
            match value {
                Some(value) => entries.insert(key.to_vec(), value.to_vec()),
                None => entries.remove(key),
            };
        }
    }

    /// The next events of a stream, and the version after them.
    fn stream_batch(
        &self,
        read: &ReadStream,
        from: Version,
        wanted: usize,
    ) -> Vec<Arc<RecordedEvent>> {
        let Some(events) = self.streams.get(&read.stream) else {
            return Vec::new();
        };
        let get = |position: &Position| self.log.get(position).cloned();
        let first = events.state.first;
        match read.direction {
            Direction::Forward => {
                let skip = usize::try_from(from.0.saturating_sub(first.0)).unwrap_or(usize::MAX);
                events
                    .positions
                    .iter()
                    .skip(skip)
                    .take(wanted)
                    .filter_map(get)
                    .collect()
            }
            Direction::Backward => {
                let skip = usize::try_from(events.state.last.0.saturating_sub(from.0))
                    .unwrap_or(usize::MAX);
                events
                    .positions
                    .iter()
                    .rev()
                    .skip(skip)
                    .take(wanted)
                    .filter_map(get)
                    .collect()
            }
        }
    }

    /// The next events of the log, matching or not.
    fn log_batch(&self, direction: Direction, from: Position) -> Vec<Arc<RecordedEvent>> {
        match direction {
            Direction::Forward => self
                .log
                .range(from..)
                .take(BATCH)
                .map(|(_, event)| event.clone())
                .collect(),
            Direction::Backward => self
                .log
                .range(..=from)
                .rev()
                .take(BATCH)
                .map(|(_, event)| event.clone())
                .collect(),
        }
    }
}

impl StreamEvents {
    fn position(&self, version: Version) -> Option<Position> {
        let index = usize::try_from(version.0.checked_sub(self.state.first.0)?).ok()?;
        self.positions.get(index).copied()
    }
}

impl Store for MemoryStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        append.check_limits()?;
        let mut state = self.state();
        let appended = match rules::decide(&append, &mut *state)? {
            Decision::Repeat(first) => return Ok(first),
            Decision::Write(before) => state.write(append, &before),
        };
        drop(state);
        self.0.appended.notify(usize::MAX);
        Ok(appended)
    }

    async fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> Result<StreamState, StoreError> {
        let mut left = read.limit;
        let state = self.stream_state(&read.stream).await?;
        let mut from = match read.direction {
            Direction::Forward => read.from.max(Version::FIRST),
            // What was appended since lies before the start of a backward read.
            Direction::Backward => read.from.min(state.last),
        };
        loop {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(BATCH);
            let batch = self.state().stream_batch(read, from, wanted);
            for event in &batch {
                // What was appended after the read began is not part of it.
                if event.version > state.last || visit(event.view()).is_break() {
                    return Ok(state);
                }
            }
            left -= batch.len() as u64;
            let Some(last) = batch.last().filter(|_| left > 0) else {
                return Ok(state);
            };
            from = match read.direction {
                Direction::Forward => last.version.next(),
                Direction::Backward if last.version > state.first => last.version.previous(),
                Direction::Backward => return Ok(state),
            };
            if batch.len() == BATCH {
                give_way().await;
            }
        }
    }

    async fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> Result<Position, StoreError> {
        let end = self.last_position(read.log).await?;
        let mut left = read.limit;
        let (mut from, before, complete) = match read.direction {
            Direction::Forward => {
                let before = read.from.previous();
                (read.from, before, end.max(before))
            }
            // What was appended since lies before the start of a backward read.
            Direction::Backward => (read.from.min(end), read.from.next(), Position::ZERO),
        };
        if left == 0 {
            return Ok(before);
        }
        loop {
            let batch = self.state().log_batch(read.direction, from);
            for event in &batch {
                let event = event.view();
                if event.position > end {
                    return Ok(complete);
                }
                if read.query.matches(&event) {
                    left -= 1;
                    if visit(event).is_break() || left == 0 {
                        return Ok(event.position);
                    }
                }
            }
            let Some(last) = batch.last() else {
                return Ok(complete);
            };
            from = match read.direction {
                Direction::Forward => last.position.next(),
                Direction::Backward => last.position.previous(),
            };
            if batch.len() == BATCH {
                give_way().await;
            }
        }
    }

    async fn stream_state(&self, stream: &StreamName) -> Result<StreamState, StoreError> {
        self.state().state(stream)
    }

    async fn last_position(&self, log: LogId) -> Result<Position, StoreError> {
        if log != LogId::MAIN {
            return Err(StoreError::UnknownLog {
                log,
                last: LogId::MAIN,
            });
        }
        Ok(self.state().last_position)
    }

    async fn wait_past(&self, log: LogId, position: Position) -> Result<(), StoreError> {
        loop {
            let listener = self.0.appended.listen();
            if self.last_position(log).await? > position {
                return Ok(());
            }
            listener.await;
        }
    }

    async fn truncate(
        &self,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        self.end(stream, expected, |events| {
            let first = before.min(events.state.last.next()).max(events.state.first);
            let count = first.0 - events.state.first.0;
            events.state.first = first;
            let removed = ..usize::try_from(count).unwrap_or(usize::MAX);
            (count > 0).then(|| events.positions.drain(removed).collect())
        })
    }

    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        self.end(stream, expected, |events| {
            events.state.tombstoned = true;
            Some(std::mem::take(&mut events.positions))
        })
    }

    async fn read_entries(
        &self,
        read: &ReadEntries,
        visit: &mut VisitEntry<'_>,
    ) -> Result<(), StoreError> {
        let entries = self.entries();
        if let Some(range) = read.range() {
            let mut entries = entries.range::<[u8], _>(range).take(read.limit);
            let _ = entries.try_for_each(|(key, value)| visit(key, value));
        }
        Ok(())
    }

    async fn write_entries(&self, write: EntryWrite) -> Result<(), EntryError> {
        write.check_limits()?;
        let mut state = self.state();
        rules::decide_entries(&write, &mut *state)?;
        state.change_entries(&write);
        Ok(())
    }
}

impl EmbeddedStore for MemoryStore {
    fn snapshot(&self) -> Result<Box<dyn EntrySnapshot>, StoreError> {
        Ok(Box::new(MemorySnapshot(self.entries())))
    }
}

struct MemorySnapshot(Arc<Entries>);

impl EntrySnapshot for MemorySnapshot {
    fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.0.get(key).map(Vec::as_slice))
    }

    fn scan(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        direction: Direction,
        visit: &mut ScanEntry<'_>,
    ) -> Result<(), StoreError> {
        if let Some(range) = range_of(from, to) {
            let mut entries = self.0.range::<[u8], _>(range);
            let _ = match direction {
                Direction::Forward => entries.try_for_each(|(key, value)| visit(key, value)),
                Direction::Backward => entries.rev().try_for_each(|(key, value)| visit(key, value)),
            };
        }
        Ok(())
    }
}
