//! A store that is picked at run time.

use super::{
    Append, Appended, EmbeddedStore, EntryError, EntrySnapshot, EntryWrite, ExpectedVersion,
    ReadEntries, ReadLog, ReadStream, Store, StreamState, Visit, VisitEntry,
};
use crate::place::{LogId, Position, Version};
use crate::store::{AppendError, StoreError};
use crate::stream_name::StreamName;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// Any store behind one type, for programs that pick the store at run time. Cheap to clone.
///
/// ```
/// use midgard::{DynStore, MemoryStore};
///
/// let store: DynStore = match std::env::var("STORE").as_deref() {
///     // Ok("lmdb") => DynStore::new(LmdbStore::open("data")?),
///     _ => DynStore::new(MemoryStore::new()),
/// };
/// ```
///
/// [`Views`](crate::view::Views) need an [embedded](EmbeddedStore) store; wrap it as one, and the wrapper can hold
/// views.
///
/// ```
/// use midgard::{DynStore, MemoryStore, Views};
///
/// let store = DynStore::embedded(MemoryStore::new());
/// assert!(store.is_embedded());
/// let views = Views::new(store.clone());
/// views.snapshot()?;
///
/// let error = Views::new(DynStore::new(MemoryStore::new())).snapshot().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "views cannot be kept in this store, as it was wrapped with `DynStore::new`; wrap an embedded store with `DynStore::embedded`"
/// );
/// # Ok::<_, midgard::view::ViewError>(())
/// ```
#[derive(Clone)]
pub struct DynStore {
    store: Arc<dyn ErasedStore>,
    snapshot: Option<Arc<Snapshot>>,
}

/// Takes a snapshot of the entries of an embedded store.
type Snapshot = dyn Fn() -> Result<Box<dyn EntrySnapshot>, StoreError> + Send + Sync;

impl DynStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(store: impl Store) -> Self {
        DynStore {
            store: Arc::new(store),
            snapshot: None,
        }
    }

    /// Wraps an embedded store: one that can hold views.
    #[must_use]
    pub fn embedded(store: impl EmbeddedStore) -> Self {
        let store = Arc::new(store);
        let embedded = store.clone();
        DynStore {
            store,
            snapshot: Some(Arc::new(move || embedded.snapshot())),
        }
    }

    /// Returns whether it was wrapped as an [embedded](Self::embedded) store, and can hold views.
    #[must_use]
    pub const fn is_embedded(&self) -> bool {
        self.snapshot.is_some()
    }
}

/// For a store that was wrapped with [`DynStore::embedded`].
impl EmbeddedStore for DynStore {
    /// # Errors
    /// [`StoreError::NotEmbedded`] when the store was wrapped with [`DynStore::new`].
    fn snapshot(&self) -> Result<Box<dyn EntrySnapshot>, StoreError> {
        let snapshot = self.snapshot.as_ref();
        snapshot.ok_or(StoreError::NotEmbedded)?()
    }
}

impl fmt::Debug for DynStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynStore").finish_non_exhaustive()
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Store`] with boxed futures, so that it can be a trait object.
trait ErasedStore: Send + Sync + 'static {
    fn append(&self, append: Append) -> Boxed<'_, Result<Appended, AppendError>>;
    fn read_stream<'a>(
        &'a self,
        read: &'a ReadStream,
        visit: &'a mut Visit<'_>,
    ) -> Boxed<'a, Result<StreamState, StoreError>>;
    fn read_log<'a>(
        &'a self,
        read: &'a ReadLog,
        visit: &'a mut Visit<'_>,
    ) -> Boxed<'a, Result<Position, StoreError>>;
    fn stream_state<'a>(
        &'a self,
        stream: &'a StreamName,
    ) -> Boxed<'a, Result<StreamState, StoreError>>;
    fn logs(&self) -> Boxed<'_, Result<Vec<LogId>, StoreError>>;
    fn last_position(&self, log: LogId) -> Boxed<'_, Result<Position, StoreError>>;
    fn wait_past(&self, log: LogId, position: Position) -> Boxed<'_, Result<(), StoreError>>;
    fn truncate<'a>(
        &'a self,
        stream: &'a StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Boxed<'a, Result<(), AppendError>>;
    fn tombstone<'a>(
        &'a self,
        stream: &'a StreamName,
        expected: ExpectedVersion,
    ) -> Boxed<'a, Result<(), AppendError>>;
    fn read_entries<'a>(
        &'a self,
        read: &'a ReadEntries,
        visit: &'a mut VisitEntry<'_>,
    ) -> Boxed<'a, Result<(), StoreError>>;
    fn write_entries(&self, write: EntryWrite) -> Boxed<'_, Result<(), EntryError>>;
}

impl<S: Store> ErasedStore for S {
    fn append(&self, append: Append) -> Boxed<'_, Result<Appended, AppendError>> {
        Box::pin(Store::append(self, append))
    }

    fn read_stream<'a>(
        &'a self,
        read: &'a ReadStream,
        visit: &'a mut Visit<'_>,
    ) -> Boxed<'a, Result<StreamState, StoreError>> {
        Box::pin(Store::read_stream(self, read, visit))
    }

    fn read_log<'a>(
        &'a self,
        read: &'a ReadLog,
        visit: &'a mut Visit<'_>,
    ) -> Boxed<'a, Result<Position, StoreError>> {
        Box::pin(Store::read_log(self, read, visit))
    }

    fn stream_state<'a>(
        &'a self,
        stream: &'a StreamName,
    ) -> Boxed<'a, Result<StreamState, StoreError>> {
        Box::pin(Store::stream_state(self, stream))
    }

    fn logs(&self) -> Boxed<'_, Result<Vec<LogId>, StoreError>> {
        Box::pin(Store::logs(self))
    }

    fn last_position(&self, log: LogId) -> Boxed<'_, Result<Position, StoreError>> {
        Box::pin(Store::last_position(self, log))
    }

    fn wait_past(&self, log: LogId, position: Position) -> Boxed<'_, Result<(), StoreError>> {
        Box::pin(Store::wait_past(self, log, position))
    }

    fn truncate<'a>(
        &'a self,
        stream: &'a StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Boxed<'a, Result<(), AppendError>> {
        Box::pin(Store::truncate(self, stream, before, expected))
    }

    fn tombstone<'a>(
        &'a self,
        stream: &'a StreamName,
        expected: ExpectedVersion,
    ) -> Boxed<'a, Result<(), AppendError>> {
        Box::pin(Store::tombstone(self, stream, expected))
    }

    fn read_entries<'a>(
        &'a self,
        read: &'a ReadEntries,
        visit: &'a mut VisitEntry<'_>,
    ) -> Boxed<'a, Result<(), StoreError>> {
        Box::pin(Store::read_entries(self, read, visit))
    }

    fn write_entries(&self, write: EntryWrite) -> Boxed<'_, Result<(), EntryError>> {
        Box::pin(Store::write_entries(self, write))
    }
}

impl Store for DynStore {
    fn append(&self, append: Append) -> impl Future<Output = Result<Appended, AppendError>> + Send {
        self.store.append(append)
    }

    async fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> Result<StreamState, StoreError> {
        self.store.read_stream(read, visit).await
    }

    async fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> Result<Position, StoreError> {
        self.store.read_log(read, visit).await
    }

    async fn stream_state(&self, stream: &StreamName) -> Result<StreamState, StoreError> {
        self.store.stream_state(stream).await
    }

    fn logs(&self) -> impl Future<Output = Result<Vec<LogId>, StoreError>> + Send {
        self.store.logs()
    }

    fn last_position(
        &self,
        log: LogId,
    ) -> impl Future<Output = Result<Position, StoreError>> + Send {
        self.store.last_position(log)
    }

    fn wait_past(
        &self,
        log: LogId,
        position: Position,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.store.wait_past(log, position)
    }

    async fn truncate(
        &self,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        self.store.truncate(stream, before, expected).await
    }

    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        self.store.tombstone(stream, expected).await
    }

    async fn read_entries(
        &self,
        read: &ReadEntries,
        visit: &mut VisitEntry<'_>,
    ) -> Result<(), StoreError> {
        self.store.read_entries(read, visit).await
    }

    fn write_entries(
        &self,
        write: EntryWrite,
    ) -> impl Future<Output = Result<(), EntryError>> + Send {
        self.store.write_entries(write)
    }
}
