//! Layers: stores that change part of what another store does.

use super::{
    Append, Appended, EmbeddedStore, EntryError, EntrySnapshot, EntryWrite, ExpectedVersion,
    ReadEntries, ReadLog, ReadStream, Store, StreamState, Visit, VisitEntry,
};
use crate::place::{LogId, Position, Version};
use crate::store::{AppendError, StoreError};
use crate::stream_name::StreamName;
use std::error::Error;
use std::fmt;

/// The changes of a layer to the store below it: measurements, spans, encryption of personal data, faults in tests.
///
/// Each method forwards to [`inner`](Layer::inner) by default, so that a layer consists of its changes. [`Layered`]
/// turns it into a store. Override [`around`](Layer::around) for behaviour that all operations share, and an
/// operation's own method to change its arguments or results; `around` surrounds that method.
///
/// ```
/// use midgard::event::NewEvent;
/// use midgard::store::{Append, ExpectedVersion, Layer, Layered, Operation, StoreError};
/// use midgard::{MemoryStore, Store, StreamName};
/// use std::error::Error;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// /// Counts the operations that fail.
/// struct Counted<S> {
///     inner: S,
///     failed: AtomicU64,
/// }
///
/// impl<S: Store> Layer for Counted<S> {
///     type Inner = S;
///
///     fn inner(&self) -> &S {
///         &self.inner
///     }
///
///     async fn around<T: Send, E: Error + From<StoreError> + Send>(
///         &self,
///         operation: Operation,
///         call: impl Future<Output = Result<T, E>> + Send,
///     ) -> Result<T, E> {
///         let outcome = call.await;
///         if let Err(error) = &outcome {
///             eprintln!("{operation} failed: {error}");
///             self.failed.fetch_add(1, Ordering::Relaxed);
///         }
///         outcome
///     }
/// }
///
/// # midgard::block_on(async {
/// let store = Layered::new(Counted { inner: MemoryStore::new(), failed: AtomicU64::new(0) });
/// let append = || {
///     let created = NewEvent::json("user.created", 1, b"{}".to_vec());
///     Ok::<_, midgard::limits::LimitError>(Append::to(StreamName::new("user-42")?, ExpectedVersion::NoStream, [created]))
/// };
/// store.append(append()?).await?;
/// store.append(append()?).await.unwrap_err(); // the stream is there
/// assert_eq!(store.layer().failed.load(Ordering::Relaxed), 1);
/// # Ok::<_, Box<dyn Error>>(())
/// # }).unwrap();
/// ```
///
/// # What a layer must keep
///
/// A layer is part of the store, so all [promises of a store](Store#what-every-store-promises) apply to it: run
/// `store_contract!` of the crate `midgard-contract` on it. Two of them are easy to break:
///
/// - A retry is recognised by its payload, byte by byte. A layer that encrypts must append the same bytes for the
///   same event, or recognise retries itself.
/// - A read calls `visit` with each event, and stops when `visit` returns `Break`. A layer that changes events passes
///   each changed event to the same `visit` as it comes.
pub trait Layer: Send + Sync + 'static {
    /// The store below.
    type Inner: Store;

    /// Returns the store below.
    fn inner(&self) -> &Self::Inner;

    /// Surrounds every operation: put spans and measurements here, and faults, as `E` converts from a [`StoreError`].
    /// `call` runs the layer's own method for the operation, and does nothing before it is polled.
    ///
    /// [`EmbeddedStore::snapshot`], which is not async, is not an operation.
    fn around<T: Send, E: Error + From<StoreError> + Send>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, E>> + Send,
    ) -> impl Future<Output = Result<T, E>> + Send {
        let _ = operation;
        call
    }

    /// Runs [`Store::append`].
    fn append(&self, append: Append) -> impl Future<Output = Result<Appended, AppendError>> + Send {
        self.inner().append(append)
    }

    /// Runs [`Store::read_stream`].
    fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> impl Future<Output = Result<StreamState, StoreError>> + Send {
        self.inner().read_stream(read, visit)
    }

    /// Runs [`Store::read_log`].
    fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> impl Future<Output = Result<Position, StoreError>> + Send {
        self.inner().read_log(read, visit)
    }

    /// Runs [`Store::stream_state`].
    fn stream_state(
        &self,
        stream: &StreamName,
    ) -> impl Future<Output = Result<StreamState, StoreError>> + Send {
        self.inner().stream_state(stream)
    }

    /// Runs [`Store::logs`].
    fn logs(&self) -> impl Future<Output = Result<Vec<LogId>, StoreError>> + Send {
        self.inner().logs()
    }

    /// Runs [`Store::last_position`].
    fn last_position(
        &self,
        log: LogId,
    ) -> impl Future<Output = Result<Position, StoreError>> + Send {
        self.inner().last_position(log)
    }

    /// Runs [`Store::wait_past`].
    fn wait_past(
        &self,
        log: LogId,
        position: Position,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.inner().wait_past(log, position)
    }

    /// Runs [`Store::truncate`].
    fn truncate(
        &self,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> impl Future<Output = Result<(), AppendError>> + Send {
        self.inner().truncate(stream, before, expected)
    }

    /// Runs [`Store::tombstone`].
    fn tombstone(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> impl Future<Output = Result<(), AppendError>> + Send {
        self.inner().tombstone(stream, expected)
    }

    /// Runs [`Store::read_entries`].
    fn read_entries(
        &self,
        read: &ReadEntries,
        visit: &mut VisitEntry<'_>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.inner().read_entries(read, visit)
    }

    /// Runs [`Store::write_entries`].
    fn write_entries(
        &self,
        write: EntryWrite,
    ) -> impl Future<Output = Result<(), EntryError>> + Send {
        self.inner().write_entries(write)
    }

    /// Runs [`EmbeddedStore::snapshot`] where the store below has it, so that the layered store can hold views.
    ///
    /// # Errors
    /// As [`EmbeddedStore::snapshot`].
    fn snapshot(&self) -> Result<Box<dyn EntrySnapshot>, StoreError>
    where
        Self::Inner: EmbeddedStore,
    {
        self.inner().snapshot()
    }
}

/// An operation of a store, as passed to [`Layer::around`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`Store::append`].
    Append,
    /// [`Store::read_stream`].
    ReadStream,
    /// [`Store::read_log`].
    ReadLog,
    /// [`Store::stream_state`].
    StreamState,
    /// [`Store::logs`].
    Logs,
    /// [`Store::last_position`].
    LastPosition,
    /// [`Store::wait_past`].
    WaitPast,
    /// [`Store::truncate`].
    Truncate,
    /// [`Store::tombstone`].
    Tombstone,
    /// [`Store::read_entries`].
    ReadEntries,
    /// [`Store::write_entries`].
    WriteEntries,
}

impl Operation {
    /// Returns the name of the operation's method, for spans and labels of measurements.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Operation::Append => "append",
            Operation::ReadStream => "read_stream",
            Operation::ReadLog => "read_log",
            Operation::StreamState => "stream_state",
            Operation::Logs => "logs",
            Operation::LastPosition => "last_position",
            Operation::WaitPast => "wait_past",
            Operation::Truncate => "truncate",
            Operation::Tombstone => "tombstone",
            Operation::ReadEntries => "read_entries",
            Operation::WriteEntries => "write_entries",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The store made of a [`Layer`] and the store below it. It is an [`EmbeddedStore`], which can hold views, if the
/// store below is.
///
/// To stack layers, use a layered store as the store below another layer.
#[derive(Debug, Clone, Default)]
pub struct Layered<L>(L);

impl<L: Layer> Layered<L> {
    /// Turns a layer into a store.
    #[must_use]
    pub const fn new(layer: L) -> Self {
        Layered(layer)
    }
}

impl<L> Layered<L> {
    /// Returns the layer.
    #[must_use]
    pub const fn layer(&self) -> &L {
        &self.0
    }
}

impl<L: Layer> Store for Layered<L> {
    fn append(&self, append: Append) -> impl Future<Output = Result<Appended, AppendError>> + Send {
        self.0.around(Operation::Append, self.0.append(append))
    }

    fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> impl Future<Output = Result<StreamState, StoreError>> + Send {
        let call = self.0.read_stream(read, visit);
        self.0.around(Operation::ReadStream, call)
    }

    fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> impl Future<Output = Result<Position, StoreError>> + Send {
        let call = self.0.read_log(read, visit);
        self.0.around(Operation::ReadLog, call)
    }

    fn stream_state(
        &self,
        stream: &StreamName,
    ) -> impl Future<Output = Result<StreamState, StoreError>> + Send {
        let call = self.0.stream_state(stream);
        self.0.around(Operation::StreamState, call)
    }

    fn logs(&self) -> impl Future<Output = Result<Vec<LogId>, StoreError>> + Send {
        let call = self.0.logs();
        self.0.around(Operation::Logs, call)
    }

    fn last_position(
        &self,
        log: LogId,
    ) -> impl Future<Output = Result<Position, StoreError>> + Send {
        let call = self.0.last_position(log);
        self.0.around(Operation::LastPosition, call)
    }

    fn wait_past(
        &self,
        log: LogId,
        position: Position,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let call = self.0.wait_past(log, position);
        self.0.around(Operation::WaitPast, call)
    }

    fn truncate(
        &self,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> impl Future<Output = Result<(), AppendError>> + Send {
        let call = self.0.truncate(stream, before, expected);
        self.0.around(Operation::Truncate, call)
    }

    fn tombstone(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> impl Future<Output = Result<(), AppendError>> + Send {
        let call = self.0.tombstone(stream, expected);
        self.0.around(Operation::Tombstone, call)
    }

    fn read_entries(
        &self,
        read: &ReadEntries,
        visit: &mut VisitEntry<'_>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let call = self.0.read_entries(read, visit);
        self.0.around(Operation::ReadEntries, call)
    }

    fn write_entries(
        &self,
        write: EntryWrite,
    ) -> impl Future<Output = Result<(), EntryError>> + Send {
        let call = self.0.write_entries(write);
        self.0.around(Operation::WriteEntries, call)
    }
}

impl<L: Layer<Inner: EmbeddedStore>> EmbeddedStore for Layered<L> {
    fn snapshot(&self) -> Result<Box<dyn EntrySnapshot>, StoreError> {
        self.0.snapshot()
    }
}
