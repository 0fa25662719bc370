//! A store in memory.

mod state;

use super::rules::{self, Facts, Ruling};
use super::{
    Append, Appended, Direction, EmbeddedStore, EntryError, EntrySnapshot, EntryWrite, EventTimes,
    ExpectedVersion, ReadEntries, ReadLog, ReadStream, ScanEntry, Store, StreamState, Visit,
    VisitEntry, range_of,
};
use crate::clock::Clock;
use crate::give_way::give_way;
use crate::place::{LogId, Position, Version};
use crate::store::{AppendError, StoreError};
use crate::stream_name::StreamName;
use event_listener::Event as Notify;
use state::{BATCH, Entries, State, StreamEvents, is_asked_for};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store in memory, for tests and experiments. Clones share the events.
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

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty store whose events get their times from this clock, such as a
    /// [`ManualClock`](crate::clock::ManualClock) in tests.
    #[must_use]
    pub fn with_clock(clock: impl Into<Clock>) -> Self {
        let state = State::new(EventTimes::new(clock.into()));
        MemoryStore(Arc::new(Shared {
            state: Mutex::new(state),
            appended: Notify::new(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made after all steps that can fail, so a poisoned state is consistent.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current entries.
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
        state.note_tombstone(stream);
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

impl Store for MemoryStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        append.check_limits()?;
        let mut state = self.state();
        let appended = match rules::decide(&append, &mut *state)? {
            Ruling::Repeat(first) => return Ok(first),
            Ruling::Write(before) => state.write(append, before),
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
            // Events appended since are before the start of a backward read.
            Direction::Backward => read.from.min(state.last),
        };
        loop {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(BATCH);
            let batch = self.state().stream_batch(read, from, wanted);
            for event in &batch {
                // Events appended after the read began are not part of it.
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
            // Events appended since are before the start of a backward read.
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
                if is_asked_for(&read.query, &event) {
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

    async fn logs(&self) -> Result<Vec<LogId>, StoreError> {
        Ok(vec![LogId::MAIN])
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
