//! A memory store behind hooks, which faults bend.

use crate::faults::NoFault;
use midgard::event::RecordedEvent;
use midgard::store::{
    Append, AppendError, AppendPart, Appended, EntryError, EntryWrite, ExpectedVersion, Layer,
    Layered, Operation, ReadEntries, ReadLog, ReadStream, StoreError, StreamState, Visit,
    VisitEntry,
};
use midgard::{DynStore, LogId, MemoryStore, Position, Store, StreamName, Version};
use midgard_contract::Fixture;
use std::error::Error;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

/// The key and the value of an entry.
pub(crate) type Entry = (Vec<u8>, Vec<u8>);

/// One way to break a store: what it does not override works.
pub(crate) trait Fault: Default + Send + Sync + 'static {
    /// Whether the store is empty each time it is opened.
    const FORGETS: bool = false;
    /// Whether reads heed that the visitor wants no more.
    const BREAKS: bool = true;
    /// Whether reads give way to others on their thread.
    const GIVES_WAY: bool = true;

    fn append(
        &self,
        store: &MemoryStore,
        append: Append,
    ) -> impl Future<Output = Result<Appended, AppendError>> + Send {
        store.append(append)
    }

    fn read_stream(&self, read: ReadStream) -> ReadStream {
        read
    }

    fn read_log(&self, read: ReadLog) -> ReadLog {
        read
    }

    /// What any read found.
    fn events(&self, events: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
        events
    }

    /// What a read of the log found, while the log ended at `end`.
    fn logged(&self, events: Vec<RecordedEvent>, _end: Position) -> Vec<RecordedEvent> {
        events
    }

    fn reached(&self, position: Position) -> Position {
        position
    }

    fn state(&self, _stream: &StreamName, state: StreamState) -> StreamState {
        state
    }

    fn logs(
        &self,
        store: &MemoryStore,
    ) -> impl Future<Output = Result<Vec<LogId>, StoreError>> + Send {
        store.logs()
    }

    fn last_position(
        &self,
        store: &MemoryStore,
        log: LogId,
    ) -> impl Future<Output = Result<Position, StoreError>> + Send {
        store.last_position(log)
    }

    fn wait_past(
        &self,
        store: &MemoryStore,
        log: LogId,
        position: Position,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        store.wait_past(log, position)
    }

    fn truncate(
        &self,
        store: &MemoryStore,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> impl Future<Output = Result<(), AppendError>> + Send {
        store.truncate(stream, before, expected)
    }

    fn tombstone(
        &self,
        store: &MemoryStore,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> impl Future<Output = Result<(), AppendError>> + Send {
        store.tombstone(stream, expected)
    }

    fn read_entries(&self, read: ReadEntries) -> ReadEntries {
        read
    }

    /// What a read of entries found.
    fn entries(&self, entries: Vec<Entry>) -> Vec<Entry> {
        entries
    }

    fn write_entries(
        &self,
        store: &MemoryStore,
        write: EntryWrite,
    ) -> impl Future<Output = Result<(), EntryError>> + Send {
        store.write_entries(write)
    }
}

/// The same append, each of its parts changed.
pub(crate) fn change(append: Append, change: impl FnMut(AppendPart) -> AppendPart) -> Append {
    let condition = append.condition().cloned();
    let entries = append.entries().cloned();
    let parts = append.into_parts().into_iter().map(change);
    let mut changed = parts.fold(Append::default(), |append, part| {
        append.and(part.stream, part.expected, part.events)
    });
    if let Some(condition) = condition {
        changed = changed.unless(condition);
    }
    match entries {
        Some(entries) => changed.with_entries(entries),
        None => changed,
    }
}

/// A store with a fault.
pub(crate) struct Broken<B> {
    store: MemoryStore,
    fault: Arc<B>,
    /// How often it was used; shared by all handles.
    uses: Arc<AtomicU64>,
}

/// Waits for nothing, once in a thousand events.
async fn give_way<B: Fault>(index: usize) {
    let mut is_given = !B::GIVES_WAY || index % 1000 != 999;
    poll_fn(|context| {
        if std::mem::replace(&mut is_given, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl<B: Fault> Layer for Broken<B> {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.store
    }

    async fn around<T: Send, E: Error + From<StoreError> + Send>(
        &self,
        _: Operation,
        call: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let uses = self.uses.fetch_add(1, Ordering::Relaxed);
        // A case that never ends on a broken store is given up on, but its threads would run on.
        assert!(uses < 500_000, "the case goes on for ever");
        call.await
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.fault.append(&self.store, append).await
    }

    async fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> Result<StreamState, StoreError> {
        let mut events = Vec::new();
        let state = self
            .store
            .read_stream(&self.fault.read_stream(read.clone()), &mut |event| {
                events.push(event.to_owned());
                ControlFlow::Continue(())
            })
            .await?;
        for (index, event) in self.fault.events(events).into_iter().enumerate() {
            give_way::<B>(index).await;
            if visit(event.view()).is_break() && B::BREAKS {
                break;
            }
        }
        Ok(self.fault.state(&read.stream, state))
    }

    async fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> Result<Position, StoreError> {
        let mut events = Vec::new();
        let read = self.fault.read_log(read.clone());
        let end = self.store.last_position(read.log).await?;
        let reached = self
            .store
            .read_log(&read, &mut |event| {
                events.push(event.to_owned());
                ControlFlow::Continue(())
            })
            .await?;
        let events = self.fault.logged(self.fault.events(events), end);
        for (index, event) in events.into_iter().enumerate() {
            give_way::<B>(index).await;
            if visit(event.view()).is_break() && B::BREAKS {
                return Ok(event.position);
            }
        }
        Ok(self.fault.reached(reached))
    }

    async fn stream_state(&self, stream: &StreamName) -> Result<StreamState, StoreError> {
        let state = self.store.stream_state(stream).await?;
        Ok(self.fault.state(stream, state))
    }

    async fn logs(&self) -> Result<Vec<LogId>, StoreError> {
        self.fault.logs(&self.store).await
    }

    async fn last_position(&self, log: LogId) -> Result<Position, StoreError> {
        self.fault.last_position(&self.store, log).await
    }

    async fn wait_past(&self, log: LogId, position: Position) -> Result<(), StoreError> {
        self.fault.wait_past(&self.store, log, position).await
    }

    async fn truncate(
        &self,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        self.fault
            .truncate(&self.store, stream, before, expected)
            .await
    }

    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        self.fault.tombstone(&self.store, stream, expected).await
    }

    async fn read_entries(
        &self,
        read: &ReadEntries,
        visit: &mut VisitEntry<'_>,
    ) -> Result<(), StoreError> {
        let mut entries = Vec::new();
        self.store
            .read_entries(&self.fault.read_entries(read.clone()), &mut |key, value| {
                entries.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .await?;
        for (key, value) in self.fault.entries(entries) {
            if visit(&key, &value).is_break() && B::BREAKS {
                break;
            }
        }
        Ok(())
    }

    async fn write_entries(&self, write: EntryWrite) -> Result<(), EntryError> {
        self.fault.write_entries(&self.store, write).await
    }
}

/// Where a store lives that is broken in the way that [`break_stores`] chose.
///
/// One type for all faults, as the whole contract is compiled once for every fixture.
pub(crate) struct Place(Box<dyn Fn() -> DynStore + Send + Sync>);

/// How the next places are made.
static CHOSEN: Mutex<fn() -> Place> = Mutex::new(place::<NoFault>);

/// Breaks the stores of all places that are made from now on, until what it returns is dropped. Who
/// wants them broken in another way waits so long.
pub(crate) fn break_stores<B: Fault>() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    *CHOSEN.lock().unwrap() = place::<B>;
    turn
}

fn place<B: Fault>() -> Place {
    let (store, fault, uses) = (MemoryStore::new(), Arc::<B>::default(), Arc::default());
    Place(Box::new(move || {
        let store = match B::FORGETS {
            true => MemoryStore::new(),
            false => store.clone(),
        };
        DynStore::new(Layered::new(Broken {
            store,
            fault: fault.clone(),
            uses: Arc::clone(&uses),
        }))
    }))
}

impl Fixture for Place {
    type Store = DynStore;

    fn new() -> Self {
        let place = *CHOSEN.lock().unwrap();
        place()
    }

    fn open(&self) -> DynStore {
        (self.0)()
    }
}
