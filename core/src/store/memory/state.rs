//! The contents of a store in memory, and the facts that the rules ask of it.

use crate::event::metadata::EventId;
use crate::event::record::{RecordedEvent, RecordedEventRef};
use crate::limits::TOMBSTONE;
use crate::place::{LogId, Position, Version};
use crate::store::query::Query;
use crate::store::rules::{Facts, Holder, RECENT_EVENTS};
use crate::store::{
    Append, Appended, Direction, EntryWrite, EventTimes, ReadStream, StoreError, StreamState,
    StreamTombstoned, Versions,
};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(super) type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Default)]
pub(super) struct State {
    /// Events and tombstones by position. Shared, so that a read can continue without the lock.
    pub(super) log: BTreeMap<Position, Arc<RecordedEvent>>,
    pub(super) streams: HashMap<StreamName, StreamEvents>,
    /// The positions of the events with each id, in the order of the log.
    ids: HashMap<EventId, Vec<Position>>,
    pub(super) last_position: Position,
    last_time: Timestamp,
    times: EventTimes,
    /// Copied before a change while a read or a snapshot holds it.
    pub(super) entries: Arc<Entries>,
}

#[derive(Default)]
pub(super) struct StreamEvents {
    pub(super) state: StreamState,
    /// The positions of versions `state.first..=state.last`.
    pub(super) positions: Vec<Position>,
}

/// The number of events copied at once under the lock.
pub(super) const BATCH: usize = 256;

impl Facts for State {
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

    fn holder(&mut self, stream: &StreamName, id: EventId) -> Result<Option<Holder>, StoreError> {
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
            .find(|(_, event)| is_asked_for(query, &event.view()))
            .map(|(position, _)| *position))
    }

    fn entry_is(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<bool, StoreError> {
        Ok(self.entries.get(key).map(Vec::as_slice) == value)
    }
}

/// Returns whether a query selects an event, or a tombstone by its name.
pub(super) fn is_asked_for(query: &Query, event: &RecordedEventRef<'_>) -> bool {
    match event.name {
        TOMBSTONE => query.asks_for_tombstones(),
        _ => query.matches(event),
    }
}

impl State {
    pub(super) fn new(times: EventTimes) -> Self {
        State {
            times,
            ..State::default()
        }
    }

    pub(super) fn write(&mut self, append: Append, mut versions: Versions) -> Appended {
        if let Some(entries) = append.entries() {
            self.change_entries(entries);
        }
        let time = self.times.after(self.last_time);
        let mut position = None;
        let parts = append.into_parts().into_iter().zip(versions.iter_mut());
        for (part, version) in parts.filter(|(part, _)| !part.events.is_empty()) {
            let stream = self.streams.entry(part.stream.clone()).or_default();
            for event in part.events {
                *version = version.next();
                let at = self.last_position.next();
                (self.last_position, position) = (at, Some(at));
                self.last_time = time;
                stream.state.last = *version;
                stream.positions.push(at);
                self.ids.entry(event.id).or_default().push(at);
                let recorded = RecordedEvent {
                    log: LogId::MAIN,
                    position: at,
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
                self.log.insert(at, Arc::new(recorded));
            }
        }
        Appended::new(LogId::MAIN, position, versions)
    }

    pub(super) fn remove(&mut self, position: Position) {
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

    /// Records the tombstone of a stream at the last position, if the stream is tombstoned.
    pub(super) fn note_tombstone(&mut self, stream: &StreamName) {
        let Some(StreamState {
            last,
            tombstoned: true,
            ..
        }) = self.streams.get(stream).map(|events| events.state)
        else {
            return;
        };
        self.last_time = self.times.after(self.last_time);
        let (position, time) = (self.last_position, self.last_time);
        let tombstone =
            StreamTombstoned::recorded(stream.clone(), last, position, EventId::new(), time);
        self.log.insert(position, Arc::new(tombstone));
    }

    pub(super) fn change_entries(&mut self, write: &EntryWrite) {
        let entries = Arc::make_mut(&mut self.entries);
        for (key, value) in write.changes().iter() {
            match value {
                Some(value) => entries.insert(key.to_vec(), value.to_vec()),
                None => entries.remove(key),
            };
        }
    }

    /// Returns the next events of a stream, and the version after them.
    pub(super) fn stream_batch(
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

    /// Returns the next events of the log, matching or not.
    pub(super) fn log_batch(
        &self,
        direction: Direction,
        from: Position,
    ) -> Vec<Arc<RecordedEvent>> {
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
