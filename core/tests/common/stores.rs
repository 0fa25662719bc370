//! Stores that do not behave.

use super::Deposited;
use midgard::event::NewEvent;
use midgard::store::{
    Append, AppendError, Appended, ExpectedVersion, ReadLog, ReadStream, StoreError, StreamState,
};
use midgard::store::{EntryError, EntryWrite, ReadEntries, Visit, VisitEntry};
use midgard::{LogId, MemoryStore, Position, Store, StreamName, Version};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};

/// A memory store that others use at the worst moment, and that loses what it should keep.
#[derive(Debug, Default)]
pub struct Unruly {
    pub inner: MemoryStore,
    /// Before so many appends, somebody else deposits one cent on the same stream.
    pub rivals: AtomicU32,
    /// The rivals deposit twice, and cut off everything but their last event.
    pub rivals_truncate: bool,
    /// How many appends were tried.
    pub appends: AtomicU32,
    /// The versions that reads of a stream leave out.
    pub lost: Vec<Version>,
    /// The position at which a read finds a damaged record.
    pub damaged: Option<Position>,
}

impl Unruly {
    /// Somebody else is faster than the next so many appends.
    pub fn with_rivals(inner: MemoryStore, rivals: u32) -> Self {
        Unruly {
            inner,
            rivals: rivals.into(),
            ..Unruly::default()
        }
    }

    /// Reads of a stream leave these versions out.
    pub fn losing(inner: MemoryStore, lost: impl IntoIterator<Item = u64>) -> Self {
        Unruly {
            inner,
            lost: lost.into_iter().map(Version).collect(),
            ..Unruly::default()
        }
    }

    /// Reads of a stream find a damaged record at this position.
    pub fn damaged_at(inner: MemoryStore, position: Position) -> Self {
        Unruly {
            inner,
            damaged: Some(position),
            ..Unruly::default()
        }
    }

    pub fn appends(&self) -> u32 {
        self.appends.load(Ordering::Relaxed)
    }
}

impl Store for Unruly {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.appends.fetch_add(1, Ordering::Relaxed);
        let fewer = |left: u32| left.checked_sub(1);
        let relaxed = Ordering::Relaxed;
        if self.rivals.fetch_update(relaxed, relaxed, fewer).is_ok() {
            let stream = append.parts()[0].stream.clone();
            let count = if self.rivals_truncate { 2 } else { 1 };
            let deposit = || NewEvent::encode(&Deposited { cents: 1 });
            let deposits = (0..count)
                .map(|_| deposit())
                .collect::<Result<Vec<_>, _>>()?;
            let rival = Append::to(stream.clone(), ExpectedVersion::Any, deposits);
            let appended = self.inner.append(rival).await?;
            if self.rivals_truncate {
                let (before, expected) = (appended.version(), appended.version().into());
                self.inner.truncate(&stream, before, expected).await?;
            }
        }
        self.inner.append(append).await
    }

    async fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> Result<StreamState, StoreError> {
        let mut kept = |event: midgard::event::RecordedEventRef<'_>| {
            if self.lost.contains(&event.version) {
                return ControlFlow::Continue(());
            }
            visit(event)
        };
        let state = self.inner.read_stream(read, &mut kept).await?;
        match self.damaged {
            None => Ok(state),
            Some(position) => Err(StoreError::Corrupt {
                log: LogId::MAIN,
                position,
                stream: Some(read.stream.to_string()),
                reason: "its checksum is wrong".to_owned(),
            }),
        }
    }

    async fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> Result<Position, StoreError> {
        self.inner.read_log(read, visit).await
    }

    async fn stream_state(&self, stream: &StreamName) -> Result<StreamState, StoreError> {
        self.inner.stream_state(stream).await
    }

    async fn last_position(&self, log: LogId) -> Result<Position, StoreError> {
        self.inner.last_position(log).await
    }

    async fn wait_past(&self, log: LogId, position: Position) -> Result<(), StoreError> {
        self.inner.wait_past(log, position).await
    }

    async fn truncate(
        &self,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        self.inner.truncate(stream, before, expected).await
    }

    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        self.inner.tombstone(stream, expected).await
    }

    async fn read_entries(
        &self,
        read: &ReadEntries,
        visit: &mut VisitEntry<'_>,
    ) -> Result<(), StoreError> {
        self.inner.read_entries(read, visit).await
    }

    async fn write_entries(&self, write: EntryWrite) -> Result<(), EntryError> {
        self.inner.write_entries(write).await
    }
}
