//! A store with two logs, as a store would be that is partitioned over several.
#![allow(dead_code, missing_docs, unreachable_pub)] // No test program uses all of it.

use midgard::event::RecordedEvent;
use midgard::store::{
    Append, AppendError, Appended, Direction, Layer, Layered, Query, ReadLog, ReadStream,
    StoreError, StreamState, Visit,
};
use midgard::{LogId, MemoryStore, Place, Position, Store};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

/// The second log. Ids need not be adjacent.
pub const WEST: LogId = LogId(3);

/// Puts the streams whose names begin with `west` into a log of their own. Each log counts its positions by itself.
#[derive(Clone, Default)]
pub struct ByName {
    inner: MemoryStore,
    /// The place of each event of the store below, by its position there.
    places: Arc<Mutex<Vec<Place>>>,
}

/// Returns an empty store with two logs.
pub fn two_logs() -> Layered<ByName> {
    Layered::new(ByName::default())
}

pub fn log_of(stream: &str) -> LogId {
    if stream.starts_with("west") {
        WEST
    } else {
        LogId::MAIN
    }
}

impl ByName {
    /// Returns all events with their places, and the place of each position of the store below.
    async fn all(&self) -> Result<(Vec<RecordedEvent>, Vec<Place>), StoreError> {
        let mut events = Vec::new();
        let read = ReadLog::forward().matching(Query::all_with_tombstones());
        let visit = &mut |event: midgard::event::RecordedEventRef<'_>| {
            events.push(event.to_owned());
            ControlFlow::Continue(())
        };
        self.inner.read_log(&read, visit).await?;
        let mut places = self.places.lock().unwrap();
        for event in &events {
            if event.position.get() > places.len() as u64 {
                let log = log_of(event.stream.as_str());
                let before = places.iter().filter(|place| place.log == log);
                let position = Position(before.count() as u64 + 1);
                places.push(Place::new(log, position));
            }
        }
        // Others may have noted later events meanwhile.
        let known = events.last().map_or(0, |last| last.position.get());
        let places = places[..usize::try_from(known).unwrap()].to_vec();
        for event in &mut events {
            let place = places[usize::try_from(event.position.get()).unwrap() - 1];
            (event.log, event.position) = (place.log, place.position);
        }
        Ok((events, places))
    }
}

fn check(log: LogId) -> Result<(), StoreError> {
    match log {
        LogId::MAIN | WEST => Ok(()),
        log => Err(StoreError::UnknownLog { log, last: WEST }),
    }
}

impl Layer for ByName {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let logs = append
            .parts()
            .iter()
            .map(|part| log_of(part.stream.as_str()));
        let condition = append.condition().map(|condition| condition.after.log);
        let logs: Vec<_> = logs.chain(condition).collect();
        if let Some(pair) = logs.windows(2).find(|pair| pair[0] != pair[1]) {
            let (one, other) = (pair[0], pair[1]);
            return Err(StoreError::SeveralLogs { one, other }.into());
        }
        assert!(condition.is_none(), "these tests need no conditions");
        let appended = self.inner.append(append).await?;
        let (_, places) = self.all().await?;
        let place = |at: Position| places[usize::try_from(at.get()).unwrap() - 1];
        let log = logs.first().copied().unwrap_or_default();
        let position = appended.position.map(|at| place(at).position);
        Ok(Appended::new(log, position, appended.versions))
    }

    async fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> Result<StreamState, StoreError> {
        // Every event of the stream has a place by then.
        let state = self.inner.stream_state(&read.stream).await?;
        let (_, places) = self.all().await?;
        let each = &mut |mut event: midgard::event::RecordedEventRef<'_>| {
            let Some(place) = places.get(usize::try_from(event.position.get()).unwrap() - 1) else {
                return ControlFlow::Break(());
            };
            (event.log, event.position) = (place.log, place.position);
            visit(event)
        };
        self.inner.read_stream(read, each).await?;
        Ok(state)
    }

    async fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> Result<Position, StoreError> {
        check(read.log)?;
        let (events, places) = self.all().await?;
        let own = places.iter().filter(|place| place.log == read.log);
        let end = Position(own.count() as u64);
        let of_log = events.iter().filter(|event| event.log == read.log);
        let mut events: Vec<_> = of_log.collect();
        let (before, complete) = match read.direction {
            Direction::Forward => {
                events.retain(|event| event.position >= read.from);
                let before = read.from.previous();
                (before, end.max(before))
            }
            Direction::Backward => {
                events.reverse();
                events.retain(|event| event.position <= read.from);
                (read.from.next(), Position::ZERO)
            }
        };
        let mut left = read.limit;
        if left == 0 {
            return Ok(before);
        }
        for event in events {
            if read.query.matches(&event.view()) {
                left -= 1;
                if visit(event.view()).is_break() || left == 0 {
                    return Ok(event.position);
                }
            }
        }
        Ok(complete)
    }

    async fn logs(&self) -> Result<Vec<LogId>, StoreError> {
        Ok(vec![LogId::MAIN, WEST])
    }

    async fn last_position(&self, log: LogId) -> Result<Position, StoreError> {
        check(log)?;
        let (_, places) = self.all().await?;
        let own = places.iter().filter(|place| place.log == log);
        Ok(Position(own.count() as u64))
    }

    async fn wait_past(&self, log: LogId, position: Position) -> Result<(), StoreError> {
        loop {
            let below = self.inner.last_position(LogId::MAIN).await?;
            if self.last_position(log).await? > position {
                return Ok(());
            }
            self.inner.wait_past(LogId::MAIN, below).await?;
        }
    }
}
