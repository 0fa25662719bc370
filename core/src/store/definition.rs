//! The contract of a store, and what every store shares.

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

/// What a read calls with each event; `Break` ends the read. It must not use the same store: a store may
/// hold a lock for the read until it returns. To do that, read with [`Store::events`].
pub type Visit<'a> = dyn FnMut(RecordedEventRef<'_>) -> ControlFlow<()> + Send + 'a;

/// Keeps streams of events. A store never sees domain types, only names, versions, tags and bytes.
///
/// To change some of what another store does, write a [`Layer`](crate::store::Layer).
///
/// # What every store promises
///
/// 1. An append is atomic: all its events or none, over all its streams, also when the process is killed.
///    So are the [entries it changes](Append::with_entries): they change with its events or not at all.
/// 2. When an append has returned, its events survive a kill and a power loss (unless the caller chose
///    a weaker durability, named for what it risks).
/// 3. [`ExpectedVersion`] is checked; a mismatch is [`AppendError::Conflict`].
/// 4. A retry of an append (same event ids, same expected version) gets the first answer, also after
///    later appends. It changes no entry again, whatever it expects of entries. A batch of which only a
///    part is known is a conflict. `Any` and `Exists` recognise a retry among the last
///    [`RECENT_EVENTS`](super::rules::RECENT_EVENTS) events of the log. Once its stream is tombstoned, a retry is told so.
///
///    A retry has the id, the stream, the name, the version, the codec and the payload, byte by byte, of each event
///    that is stored; tags and [metadata](crate::Metadata) are those of the first time. An event that has only the
///    id in common with one that is stored is [`AppendError::IdTaken`], and never taken for it. It is found out
///    wherever a retry would be recognised: with `Any` and `Exists` among the last [`RECENT_EVENTS`](super::rules::RECENT_EVENTS) events,
///    of all streams; with `Exact` and `NoStream` at the versions that the append would have got, in its own stream,
///    when that is no more where the append expects it. Elsewhere an `Exact` append looks for no ids: they are unique
///    as long as [`EventId::new`](crate::EventId::new) makes them. One append has no id twice:
///    [`AppendError::IdRepeated`].
/// 5. Once a reader has passed a position, no event at or below it ever appears.
/// 6. An [`AppendCondition`](crate::store::AppendCondition) is checked in the same atomic step.
/// 7. Reads go forward or backward from anywhere, in constant memory, while appends go on.
/// 8. [`Store::events`] with [`EventStream::follow`] catches up and goes on live, without a gap or a repeat.
/// 9. A stream may be truncated or tombstoned; its versions never restart. Such an end takes a position
///    of its own in the log, at which no event is read; but a read whose query names
///    [`StreamTombstoned`](super::StreamTombstoned) reads each tombstone there.
/// 10. [Limits](crate::limits) are checked, and named in the error.
/// 11. A damaged record is [`StoreError::Corrupt`]; it is never skipped.
/// 12. [Entries](Store::write_entries), small values beside the events, change all at once and only as
///     expected, and are as durable as events. What an append expects of entries is checked in the same
///     atomic step, after its versions and its condition.
///
/// `midgard_contract::store_contract!` runs all of this against a store.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store",
    label = "this type does not implement `Store`",
    note = "open one, such as `LmdbStore::open(\"data\")?`, or `MemoryStore::new()` in tests; `DynStore` wraps one that is picked at run time. Stores are cheap to clone: pass `store.clone()` to keep one"
)]
pub trait Store: Send + Sync + 'static {
    /// Appends all events and changes all [entries](Append::with_entries), or nothing.
    ///
    /// An append without events checks its expected versions and condition, and adds nothing to the log;
    /// its entries are changed.
    ///
    /// Where its future is dropped before it is done, the append is there as a whole or not at all, and takes no room that others
    /// wait for.
    ///
    /// # Errors
    /// [`AppendError::Conflict`], [`AppendError::ConditionFailed`], [`AppendError::Tombstoned`],
    /// [`AppendError::EntryChanged`], [`AppendError::IdTaken`] and [`AppendError::IdRepeated`] say what stood against it; nothing was appended then, and no entry
    /// was changed. [`StoreError::OutcomeUnknown`] is the only error after which events may have been
    /// appended; the entries were changed then if the events are there.
    fn append(&self, append: Append) -> impl Future<Output = Result<Appended, AppendError>> + Send;

    /// Calls `visit` with the events of a stream, and returns the stream's state when the read began.
    ///
    /// What is appended meanwhile is not read; what is removed meanwhile may be missing. A stream that
    /// does not exist has no events; a tombstoned one neither. A long read gives way to others on its thread.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a record cannot be read; the events before it were visited.
    fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> impl Future<Output = Result<StreamState, StoreError>> + Send;

    /// Calls `visit` with the events of a log that match, and returns the last position that was
    /// looked at, whether it matched or not: a reader may go on after (or, backward, before) it. A
    /// forward read that was not cut short has looked at the whole log, so that it is
    /// [`Store::last_position`] at least, whatever was truncated. It is the position before the start
    /// when there was nothing to look at. A long read gives way to others on its thread.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a record cannot be read; the events before it were visited.
    fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> impl Future<Output = Result<Position, StoreError>> + Send;

    /// The state of a stream.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn stream_state(
        &self,
        stream: &StreamName,
    ) -> impl Future<Output = Result<StreamState, StoreError>> + Send;

    /// Returns the ids of the logs that the store has, in their order. Nearly every store has one, [`LogId::MAIN`].
    ///
    /// # Errors
    /// When the store cannot be read.
    fn logs(&self) -> impl Future<Output = Result<Vec<LogId>, StoreError>> + Send;

    /// The position of the last event of a log; zero when it never had one. It never goes down, also
    /// when that event was truncated since.
    ///
    /// # Errors
    /// [`StoreError::UnknownLog`], or when the store cannot be read.
    fn last_position(
        &self,
        log: LogId,
    ) -> impl Future<Output = Result<Position, StoreError>> + Send;

    /// Waits until a log has something after `position`. It ends at once when it already has, and
    /// soon after an append in this process; appends of other processes are noticed within
    /// milliseconds.
    ///
    /// # Errors
    /// When the store cannot be read, or is closed.
    fn wait_past(
        &self,
        log: LogId,
        position: Position,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes the events of a stream before version `before`, for good. The stream goes on where it
    /// was; with `before` past its last version it has no events left, and its next version is the
    /// one after its last. Truncating before an earlier version than last time changes nothing.
    ///
    /// # Errors
    /// As [`Store::append`].
    fn truncate(
        &self,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> impl Future<Output = Result<(), AppendError>> + Send;

    /// Ends a stream for good: its events are removed, and it takes no more.
    ///
    /// # Errors
    /// As [`Store::append`]; a stream that is already tombstoned says so.
    fn tombstone(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> impl Future<Output = Result<(), AppendError>> + Send;

    /// Calls `visit` with entries: small values that are kept beside the events, in the order of
    /// their keys. Entries are no part of a log. A read may come in several steps, and sees what is
    /// written between them.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn read_entries(
        &self,
        read: &ReadEntries,
        visit: &mut VisitEntry<'_>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Changes entries: all that is asked for, or nothing. Durable when it returns, as an append.
    /// [`Append::with_entries`] changes them together with events.
    ///
    /// # Errors
    /// [`EntryError::Changed`] when an entry is not as it was expected to be.
    fn write_entries(
        &self,
        write: EntryWrite,
    ) -> impl Future<Output = Result<(), EntryError>> + Send;

    /// The events of a log as a [`Stream`](futures_core::Stream), read in bounded batches.
    fn events(&self, read: ReadLog) -> EventStream<'_, Self>
    where
        Self: Sized,
    {
        EventStream::of_log(self, read)
    }

    /// The events of one stream as a [`Stream`](futures_core::Stream), read in bounded batches.
    fn stream_events(&self, read: ReadStream) -> EventStream<'_, Self>
    where
        Self: Sized,
    {
        EventStream::of_stream(self, read)
    }

    /// As [`events`](Self::events), in a stream that owns the store: for responses, tasks and whatever else outlives the
    /// caller. Pass `store.clone()` to keep one.
    fn into_events(self, read: ReadLog) -> EventStream<'static, Self>
    where
        Self: Sized,
    {
        EventStream::owned_of_log(self, read)
    }

    /// As [`stream_events`](Self::stream_events), in a stream that owns the store.
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
