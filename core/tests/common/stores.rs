//! Stores that do not behave.

use super::Deposited;
use midgard::event::NewEvent;
use midgard::store::{
    Append, AppendError, Appended, ExpectedVersion, Layer, Layered, ReadStream, StoreError,
    StreamState, Visit,
};
use midgard::{LogId, MemoryStore, Position, Store, Version};
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
    /// The answers to so many appends are lost, though they were made.
    pub lost_answers: AtomicU32,
    /// How many appends were tried.
    pub appends: AtomicU32,
    /// The versions that reads of a stream leave out.
    pub lost: Vec<Version>,
    /// The position at which a read finds a damaged record.
    pub damaged: Option<Position>,
}

impl Unruly {
    /// Somebody else is faster than the next so many appends.
    pub fn with_rivals(inner: MemoryStore, rivals: u32) -> Layered<Self> {
        Layered::new(Unruly {
            inner,
            rivals: rivals.into(),
            ..Unruly::default()
        })
    }

    /// Reads of a stream leave these versions out.
    pub fn losing(inner: MemoryStore, lost: impl IntoIterator<Item = u64>) -> Layered<Self> {
        Layered::new(Unruly {
            inner,
            lost: lost.into_iter().map(Version).collect(),
            ..Unruly::default()
        })
    }

    /// Reads of a stream find a damaged record at this position.
    pub fn damaged_at(inner: MemoryStore, position: Position) -> Layered<Self> {
        Layered::new(Unruly {
            inner,
            damaged: Some(position),
            ..Unruly::default()
        })
    }

    pub fn appends(&self) -> u32 {
        self.appends.load(Ordering::Relaxed)
    }
}

impl Layer for Unruly {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

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
        let appended = self.inner.append(append).await?;
        let is_lost = self.lost_answers.fetch_update(relaxed, relaxed, fewer);
        if is_lost.is_ok() {
            return Err(AppendError::Store(StoreError::OutcomeUnknown {
                reason: "the connection was lost".to_owned(),
            }));
        }
        Ok(appended)
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
}
