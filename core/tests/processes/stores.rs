//! Stores that behave as they may at their worst: each step gives way to others, and appends meet others.

use midgard::event::NewEvent;
use midgard::store::{
    Append, AppendError, Appended, ExpectedVersion, ReadLog, ReadStream, StoreError, StreamState,
};
use midgard::store::{EntryError, EntryWrite, ReadEntries, Visit, VisitEntry, give_way};
use midgard::{LogId, MemoryStore, Position, Store, StreamName, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A store in memory each of whose calls can be dropped before it has begun and after it has ended.
#[derive(Clone, Default)]
pub(crate) struct Slow {
    pub(crate) store: MemoryStore,
    /// Of how many appends to a journal only the last is not too late, as another was faster; none is when it is zero.
    pub(crate) one_of: u64,
    appends: Arc<AtomicU64>,
}

impl Slow {
    pub(crate) fn meeting(one_of: u64) -> Self {
        Slow {
            one_of,
            ..Slow::default()
        }
    }

    /// Lets another append to the stream of an aggregate that is about to be appended to.
    async fn meet(&self, append: &Append) {
        if self.one_of == 0 {
            return;
        }
        let journal = append
            .parts()
            .iter()
            .find(|part| part.stream.as_str().starts_with("journal-"));
        let Some(journal) = journal else {
            return;
        };
        let number = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
        if number.is_multiple_of(self.one_of) {
            return;
        }
        let other = NewEvent::encode(&crate::kit::Opened {}).unwrap();
        let other = Append::to(journal.stream.clone(), ExpectedVersion::Any, [other]);
        self.store.append(other).await.unwrap();
    }
}

async fn slowly<T>(step: impl Future<Output = T>) -> T {
    give_way().await;
    let outcome = step.await;
    give_way().await;
    outcome
}

impl Store for Slow {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.meet(&append).await;
        slowly(self.store.append(append)).await
    }

    async fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> Result<StreamState, StoreError> {
        slowly(self.store.read_stream(read, visit)).await
    }

    async fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> Result<Position, StoreError> {
        slowly(self.store.read_log(read, visit)).await
    }

    async fn stream_state(&self, stream: &StreamName) -> Result<StreamState, StoreError> {
        slowly(self.store.stream_state(stream)).await
    }

    async fn last_position(&self, log: LogId) -> Result<Position, StoreError> {
        slowly(self.store.last_position(log)).await
    }

    async fn wait_past(&self, log: LogId, position: Position) -> Result<(), StoreError> {
        slowly(self.store.wait_past(log, position)).await
    }

    async fn truncate(
        &self,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        slowly(self.store.truncate(stream, before, expected)).await
    }

    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        slowly(self.store.tombstone(stream, expected)).await
    }

    async fn read_entries(
        &self,
        read: &ReadEntries,
        visit: &mut VisitEntry<'_>,
    ) -> Result<(), StoreError> {
        slowly(self.store.read_entries(read, visit)).await
    }

    async fn write_entries(&self, write: EntryWrite) -> Result<(), EntryError> {
        slowly(self.store.write_entries(write)).await
    }
}
