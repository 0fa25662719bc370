//! The contract of a store, and the trait that every store implements.

use super::{
    Append, Appended, EntryError, EntryWrite, EventStream, ExpectedVersion, ReadEntries, ReadLog,
    ReadStream, StreamState, VisitEntry,
};
use crate::event::record::RecordedEventRef;
use crate::place::{LogId, Position, Version};
use crate::store::{AppendError, StoreError};
use crate::stream_name::StreamName;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The callback of a read, called with each event; `Break` ends the read. It must not use the same store, which may
/// hold a lock until the read returns. To use the store between events, read with [`Store::events`].
pub type Visit<'a> = dyn FnMut(RecordedEventRef<'_>) -> ControlFlow<()> + Send + 'a;

/// Stores streams of events. A store never sees domain types, only names, versions, tags and bytes.
///
/// To change part of another store's behaviour, write a [`Layer`](crate::store::Layer).
///
/// # What every store promises
///
/// 1. An append is atomic: all its events or none, over all its streams, even when the process is killed. So are
///    the [entries it changes](Append::with_entries): they change with its events or not at all.
/// 2. When an append has returned, its events survive a kill and a power loss (unless the caller chose a weaker
///    durability, whose name states the risk).
/// 3. [`ExpectedVersion`] is checked; a mismatch is [`AppendError::Conflict`].
/// 4. A retry of an append (same event ids, same expected version) gets the first answer, even after later appends.
///    It does not change entries again, and its expected entries are not checked. A batch that is already stored only
///    in part is a conflict. `Any` and `Exists` recognise a retry among the last
///    [`RECENT_EVENTS`](super::rules::RECENT_EVENTS) events of the log. A retry on a stream tombstoned since is
///    [`AppendError::Tombstoned`].
///
///    A retry matches the stored events in id, stream, name, version, codec and payload, byte by byte; the tags and
///    [metadata](crate::Metadata) of the first attempt are kept. An event that shares only its id with a stored one is
///    [`AppendError::IdTaken`], and never taken for a retry. The check covers the same events as the recognition of
///    retries: with `Any` and `Exists` the last [`RECENT_EVENTS`](super::rules::RECENT_EVENTS) events of all streams;
///    with `Exact` and `NoStream`, when the stream is no longer at the expected version, the versions of its own
///    stream that the append would have got. Elsewhere an `Exact` append checks no ids: they are unique as long as
///    they come from [`EventId::new`](crate::EventId::new). An id that occurs twice in one append is
///    [`AppendError::IdRepeated`].
/// 5. Once a reader has passed a position, no new event ever appears at or below it.
/// 6. An [`AppendCondition`](crate::store::AppendCondition) is checked in the same atomic step.
/// 7. Reads go forward or backward from anywhere, in constant memory, while others append.
/// 8. [`Store::events`] with [`EventStream::follow`] catches up and continues live, without a gap or a repeat.
/// 9. A stream may be truncated or tombstoned; its versions never restart. Each truncation or tombstone takes a
///    position of its own in the log, at which no event is read; only a read whose query names
///    [`StreamTombstoned`](super::StreamTombstoned) reads each tombstone there.
/// 10. [Limits](crate::limits) are checked; the error names the limit.
/// 11. A damaged record is [`StoreError::Corrupt`]; it is never skipped.
/// 12. [Entries](Store::write_entries), small values stored alongside the events, change all at once and only if they
///     are as expected, and are as durable as events. The entries that an append expects are checked in the same
///     atomic step, after its versions and its condition.
///
/// A store with several [logs](Store::logs) keeps each stream in one of them, and all of this holds for each log. An append
/// with streams in several logs, or with a condition on another log than that of its streams, is
/// [`StoreError::SeveralLogs`]. Entries belong to no log.
///
/// `midgard_contract::store_contract!` runs all of this against a store.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store",
    label = "this type does not implement `Store`",
    note = "open a store, such as `LmdbStore::open(\"data\")?`, or create `MemoryStore::new()` in tests; `DynStore` wraps a store that is chosen at run time",
    note = "stores are cheap to clone: pass `store.clone()` to keep one"
)]
pub trait Store: Send + Sync + 'static {
    /// Appends all events and changes all [entries](Append::with_entries), or nothing.
    ///
    /// An append without events checks its expected versions and condition and changes its entries; it adds nothing
    /// to the log.
    ///
    /// When its future is dropped early, the append is stored as a whole or not at all, and blocks no other append.
    ///
    /// # Errors
    /// [`AppendError::Conflict`], [`AppendError::ConditionFailed`], [`AppendError::Tombstoned`],
    /// [`AppendError::EntryChanged`], [`AppendError::IdTaken`] and [`AppendError::IdRepeated`] state why the append
    /// was refused; no event was appended and no entry changed. [`StoreError::OutcomeUnknown`] is the only error
    /// after which events may have been appended; the entries were changed if the events are there.
    fn append(&self, append: Append) -> impl Future<Output = Result<Appended, AppendError>> + Send;

    /// Calls `visit` with the events of a stream, and returns the stream's state when the read began.
    ///
    /// Events appended meanwhile are not read; events removed meanwhile may be missing. A stream that does not exist
    /// has no events, nor has a tombstoned one. A long read yields to other tasks on its thread.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a record cannot be read; the events before it were visited.
    fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> impl Future<Output = Result<StreamState, StoreError>> + Send;

    /// Calls `visit` with the matching events of a log, and returns the last position that the read examined, whether
    /// it matched or not: a reader may continue after it (backward: before it). A forward read that was not cut short
    /// has examined the whole log, so it returns at least [`Store::last_position`], whatever was truncated. When
    /// there was nothing to examine, it returns the position before the start. A long read yields to other tasks on
    /// its thread.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a record cannot be read; the events before it were visited.
    fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> impl Future<Output = Result<Position, StoreError>> + Send;

    /// Returns the state of a stream.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn stream_state(
        &self,
        stream: &StreamName,
    ) -> impl Future<Output = Result<StreamState, StoreError>> + Send;

    /// Returns the ids of the store's logs, in order. Nearly every store has one, [`LogId::MAIN`]. A consumer asks when it
    /// begins to run, and then handles the events of each log in their order; there is no order between logs.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn logs(&self) -> impl Future<Output = Result<Vec<LogId>, StoreError>> + Send;

    /// Returns the position of the last event of a log; zero when it never had one. It never decreases, even when
    /// that event was truncated since.
    ///
    /// # Errors
    /// [`StoreError::UnknownLog`], or when the store cannot be read.
    fn last_position(
        &self,
        log: LogId,
    ) -> impl Future<Output = Result<Position, StoreError>> + Send;

    /// Waits until a log has an event after `position`. Returns at once when it already has, and soon after an append
    /// in this process; appends of other processes are noticed within milliseconds.
    ///
    /// # Errors
    /// When the store cannot be read, or is closed.
    fn wait_past(
        &self,
        log: LogId,
        position: Position,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes the events of a stream before version `before`, for good. The stream continues where it was; with `before` past
    /// its last version no events are left, and its next version is the one after its last. Truncating
    /// before an earlier version than last time changes nothing.
    ///
    /// # Errors
    /// As [`Store::append`].
    fn truncate(
        &self,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> impl Future<Output = Result<(), AppendError>> + Send;

    /// Ends a stream for good: its events are removed, and it accepts no more.
    ///
    /// # Errors
    /// As [`Store::append`]; [`AppendError::Tombstoned`] when the stream already is.
    fn tombstone(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> impl Future<Output = Result<(), AppendError>> + Send;

    /// Calls `visit` with entries: small values stored alongside the events, in the order of their keys. Entries are not part
    /// of a log. A read may take several steps, and sees entries written between them.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn read_entries(
        &self,
        read: &ReadEntries,
        visit: &mut VisitEntry<'_>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Changes all the given entries, or none. They are durable when it returns, as after an append.
    /// [`Append::with_entries`] changes entries together with events.
    ///
    /// # Errors
    /// [`EntryError::Changed`] when an entry is not as expected.
    fn write_entries(
        &self,
        write: EntryWrite,
    ) -> impl Future<Output = Result<(), EntryError>> + Send;

    /// Returns the events of a log as a [`Stream`](futures_core::Stream), read in bounded batches.
    fn events(&self, read: ReadLog) -> EventStream<'_, Self>
    where
        Self: Sized,
    {
        EventStream::of_log(self, read)
    }

    /// Returns the events of one stream as a [`Stream`](futures_core::Stream), read in bounded batches.
    fn stream_events(&self, read: ReadStream) -> EventStream<'_, Self>
    where
        Self: Sized,
    {
        EventStream::of_stream(self, read)
    }

    /// Returns the same as [`events`](Self::events), in a stream that owns the store: for responses, tasks and anything
    /// else that outlives the caller. Pass `store.clone()` to keep one.
    fn into_events(self, read: ReadLog) -> EventStream<'static, Self>
    where
        Self: Sized,
    {
        EventStream::owned_of_log(self, read)
    }

    /// Returns the same as [`stream_events`](Self::stream_events), in a stream that owns the store.
    fn into_stream_events(self, read: ReadStream) -> EventStream<'static, Self>
    where
        Self: Sized,
    {
        EventStream::owned_of_stream(self, read)
    }
}

/// A shared store is a store.
impl<S: Store> Store for Arc<S> {
    fn append(&self, append: Append) -> impl Future<Output = Result<Appended, AppendError>> + Send {
        S::append(self, append)
    }

    fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> impl Future<Output = Result<StreamState, StoreError>> + Send {
        S::read_stream(self, read, visit)
    }

    fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> impl Future<Output = Result<Position, StoreError>> + Send {
        S::read_log(self, read, visit)
    }

    fn stream_state(
        &self,
        stream: &StreamName,
    ) -> impl Future<Output = Result<StreamState, StoreError>> + Send {
        S::stream_state(self, stream)
    }

    fn logs(&self) -> impl Future<Output = Result<Vec<LogId>, StoreError>> + Send {
        S::logs(self)
    }

    fn last_position(
        &self,
        log: LogId,
    ) -> impl Future<Output = Result<Position, StoreError>> + Send {
        S::last_position(self, log)
    }

    fn wait_past(
        &self,
        log: LogId,
        position: Position,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        S::wait_past(self, log, position)
    }

    fn truncate(
        &self,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> impl Future<Output = Result<(), AppendError>> + Send {
        S::truncate(self, stream, before, expected)
    }

    fn tombstone(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> impl Future<Output = Result<(), AppendError>> + Send {
        S::tombstone(self, stream, expected)
    }

    fn read_entries(
        &self,
        read: &ReadEntries,
        visit: &mut VisitEntry<'_>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        S::read_entries(self, read, visit)
    }

    fn write_entries(
        &self,
        write: EntryWrite,
    ) -> impl Future<Output = Result<(), EntryError>> + Send {
        S::write_entries(self, write)
    }
}
