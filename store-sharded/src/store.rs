//! The store: each operation goes to the shard that it concerns.

use crate::Routing;
use crate::entries::TransactionId;
use event_listener::Event;
use midgard::store::{
    Append, AppendCondition, AppendError, Appended, EntryError, EntryWrite, ExpectedVersion,
    ReadEntries, ReadLog, ReadStream, StoreError, StreamState, Visit, VisitEntry,
};
use midgard::{LogId, Place, Position, Store, StreamName, Version};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One store over several: see the [crate](crate). Cheap to clone.
pub struct ShardedStore<S>(Arc<Shards<S>>);

impl<S> Clone for ShardedStore<S> {
    fn clone(&self) -> Self {
        ShardedStore(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for ShardedStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardedStore")
            .field("shards", &self.0.all.len())
            .field("routing", &self.0.routing)
            .finish_non_exhaustive()
    }
}

impl<S: Store> ShardedStore<S> {
    pub(crate) fn of(shards: Vec<S>, routing: Routing) -> Self {
        ShardedStore(Arc::new(Shards::new(
            shards,
            0,
            move |stream, shards| routing.shard(stream, shards),
            routing,
        )))
    }

    /// Puts all streams into the first of two stores, and all entries into the second: so that the contract of a store, which
    /// knows one log, sees what happens over two.
    #[doc(hidden)]
    pub fn with_entries_apart(streams: S, entries: S) -> Self {
        let routing = Routing::default();
        ShardedStore(Arc::new(Shards::new(
            vec![streams, entries],
            1,
            |_, _| 0,
            routing,
        )))
    }

    pub(crate) fn all_shards(&self) -> &Shards<S> {
        &self.0
    }

    /// Returns the shards, in the order of their logs. A shard can be looked at and verified by itself; to append to one by itself
    /// breaks the store, and a backup is one of all shards, made while nobody writes.
    #[must_use]
    pub fn shards(&self) -> &[S] {
        &self.0.all
    }

    /// Returns the log of a stream, which is the number of its shard.
    #[must_use]
    pub fn log_of(&self, stream: &StreamName) -> LogId {
        log(self.0.shard_of(stream))
    }
}

type Route = dyn Fn(&str, usize) -> usize + Send + Sync;

/// The shards.
pub(crate) struct Shards<S> {
    all: Vec<S>,
    routing: Routing,
    route: Box<Route>,
    /// The shard of all entries.
    pub(crate) home: usize,
    /// Notified when this process releases locks of entries.
    pub(crate) released: Event,
    /// Transactions that this process has begun and does not take to their end, and since when.
    abandoned: Mutex<HashMap<TransactionId, Instant>>,
}

/// After this time, everybody ends them anyway.
const ABANDONED_FOR: Duration = Duration::from_secs(10);

impl<S> Shards<S> {
    fn new(
        all: Vec<S>,
        home: usize,
        route: impl Fn(&str, usize) -> usize + Send + Sync + 'static,
        routing: Routing,
    ) -> Self {
        Shards {
            all,
            routing,
            route: Box::new(route),
            home,
            released: Event::new(),
            abandoned: Mutex::default(),
        }
    }

    /// Returns the store of all entries.
    pub(crate) fn home(&self) -> &S {
        &self.all[self.home]
    }

    pub(crate) fn shard(&self, shard: usize) -> Result<&S, StoreError> {
        self.of_log(log(shard))
    }

    /// Returns all stores, with their numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &S)> {
        self.all.iter().enumerate()
    }

    fn shard_of(&self, stream: &StreamName) -> usize {
        (self.route)(stream.as_str(), self.all.len())
    }

    fn of_log(&self, asked: LogId) -> Result<&S, StoreError> {
        let shard = self.all.get(asked.0 as usize);
        shard.ok_or_else(|| StoreError::UnknownLog {
            log: asked,
            last: log(self.all.len() - 1),
        })
    }

    /// Returns the shard of all streams and of the condition of an append.
    fn shard_of_append(&self, append: &Append) -> Result<usize, StoreError> {
        let streams = append.parts().iter();
        let mut logs = streams.map(|part| log(self.shard_of(&part.stream)));
        let condition = append.condition().map(|condition| condition.after.log);
        if let Some(condition) = condition {
            self.of_log(condition)?;
        }
        let one = logs.next().or(condition).unwrap_or(LogId::MAIN);
        match logs.chain(condition).find(|other| *other != one) {
            Some(other) => Err(StoreError::SeveralLogs { one, other }),
            None => Ok(one.0 as usize),
        }
    }

    /// Tells others in this process that a transaction is not taken to its end.
    pub(crate) fn abandon(&self, id: TransactionId) {
        let mut abandoned = self
            .abandoned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        abandoned.retain(|_, since| since.elapsed() < ABANDONED_FOR);
        abandoned.insert(id, Instant::now());
        drop(abandoned);
        self.released.notify(usize::MAX);
    }

    pub(crate) fn is_abandoned(&self, id: TransactionId) -> bool {
        let abandoned = self
            .abandoned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        abandoned.contains_key(&id)
    }

    pub(crate) fn no_longer_abandoned(&self, id: TransactionId) {
        let mut abandoned = self
            .abandoned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        abandoned.remove(&id);
    }
}

/// Returns the log of a shard.
fn log(shard: usize) -> LogId {
    LogId(u32::try_from(shard).unwrap_or(u32::MAX))
}

/// Returns an error of a shard as one of the whole store.
fn in_log(error: StoreError, of: LogId) -> StoreError {
    match error {
        StoreError::Corrupt {
            position,
            stream,
            reason,
            ..
        } => StoreError::Corrupt {
            log: of,
            position,
            stream,
            reason,
        },
        other => other,
    }
}

fn append_in_log(error: AppendError, of: LogId) -> AppendError {
    match error {
        AppendError::ConditionFailed { after, place } => AppendError::ConditionFailed {
            after: Place::new(of, after.position),
            place: Place::new(of, place.position),
        },
        AppendError::Store(error) => AppendError::Store(in_log(error, of)),
        other => other,
    }
}

impl<S: Store> Store for ShardedStore<S> {
    async fn append(&self, mut append: Append) -> Result<Appended, AppendError> {
        let shards = &*self.0;
        let shard = shards.shard_of_append(&append)?;
        if let Some(AppendCondition { query, after }) = append.condition()
            && after.log != LogId::MAIN
        {
            let condition = AppendCondition {
                query: query.clone(),
                after: Place::main(after.position),
            };
            append = append.unless(condition);
        }
        let entries = append.take_entries();
        let entries =
            entries.filter(|write| !(write.expected().is_empty() && write.changes().is_empty()));
        let appended = match entries {
            None => shards.shard(shard)?.append(append).await,
            Some(entries) => shards.append_with_entries(shard, append, entries).await,
        };
        let appended = appended.map_err(|error| append_in_log(error, log(shard)))?;
        Ok(Appended::new(
            log(shard),
            appended.position,
            appended.versions,
        ))
    }

    async fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> Result<StreamState, StoreError> {
        let of = self.log_of(&read.stream);
        let each = &mut |mut event: midgard::event::RecordedEventRef<'_>| {
            event.log = of;
            visit(event)
        };
        let state = self.0.of_log(of)?.read_stream(read, each).await;
        state.map_err(|error| in_log(error, of))
    }

    async fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> Result<Position, StoreError> {
        let of = read.log;
        let shard = self.0.of_log(of)?;
        if of == LogId::MAIN {
            return shard.read_log(read, visit).await;
        }
        let each = &mut |mut event: midgard::event::RecordedEventRef<'_>| {
            event.log = of;
            visit(event)
        };
        let mut read = read.clone();
        read.log = LogId::MAIN;
        let reached = shard.read_log(&read, each).await;
        reached.map_err(|error| in_log(error, of))
    }

    async fn stream_state(&self, stream: &StreamName) -> Result<StreamState, StoreError> {
        let of = self.log_of(stream);
        let state = self.0.of_log(of)?.stream_state(stream).await;
        state.map_err(|error| in_log(error, of))
    }

    async fn logs(&self) -> Result<Vec<LogId>, StoreError> {
        Ok((0..self.0.all.len()).map(log).collect())
    }

    async fn last_position(&self, log: LogId) -> Result<Position, StoreError> {
        let last = self.0.of_log(log)?.last_position(LogId::MAIN).await;
        last.map_err(|error| in_log(error, log))
    }

    async fn wait_past(&self, log: LogId, position: Position) -> Result<(), StoreError> {
        let waited = self.0.of_log(log)?.wait_past(LogId::MAIN, position).await;
        waited.map_err(|error| in_log(error, log))
    }

    async fn truncate(
        &self,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        let of = self.log_of(stream);
        let truncated = self.0.of_log(of)?.truncate(stream, before, expected).await;
        truncated.map_err(|error| append_in_log(error, of))
    }

    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        let of = self.log_of(stream);
        let ended = self.0.of_log(of)?.tombstone(stream, expected).await;
        ended.map_err(|error| append_in_log(error, of))
    }

    async fn read_entries(
        &self,
        read: &ReadEntries,
        visit: &mut VisitEntry<'_>,
    ) -> Result<(), StoreError> {
        self.0.read_entries(read, visit).await
    }

    async fn write_entries(&self, write: EntryWrite) -> Result<(), EntryError> {
        self.0.write_entries(write).await
    }
}
