//! The snapshot of a transaction, which is released while the transaction's handler waits.
//!
//! A store may have to wait for snapshots: LMDB grows its map, and recovers from some failures, only while none is
//! held. A handler may wait for work that its own snapshot holds up, and for any time. So no snapshot is held while a
//! handler waits: the next read takes a new one. The facts that the transaction relies on must be unchanged then, so
//! that no handler sees rows of two workers.

use crate::store::{Direction, EntrySnapshot, ScanEntry, StoreError};
use std::fmt;
use std::future::poll_fn;
use std::ops::{Bound, Deref};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The snapshot that a transaction of [`Views`](crate::Views) holds.
#[derive(Clone)]
pub struct Held(Arc<Shared>);

struct Shared {
    snapshot: Mutex<Option<Box<dyn EntrySnapshot>>>,
    /// Whether a new snapshot showed that the facts the transaction relies on had changed.
    is_overtaken: AtomicBool,
}

/// A snapshot while it is read.
pub(crate) struct Reading<'a>(MutexGuard<'a, Option<Box<dyn EntrySnapshot>>>);

impl Held {
    pub(crate) fn new(snapshot: Box<dyn EntrySnapshot>) -> Self {
        Held(Arc::new(Shared {
            snapshot: Mutex::new(Some(snapshot)),
            is_overtaken: AtomicBool::new(false),
        }))
    }

    /// Returns the snapshot. After a release, `renew` takes a new one, in which the facts that the transaction relies
    /// on must be unchanged; `None` when they are not.
    pub(crate) fn read<E>(
        &self,
        renew: impl FnOnce() -> Result<Option<Box<dyn EntrySnapshot>>, E>,
    ) -> Result<Option<Reading<'_>>, E> {
        let mut held = self.lock();
        if held.is_none() {
            let Some(snapshot) = renew()? else {
                self.0.is_overtaken.store(true, Ordering::SeqCst);
                return Ok(None);
            };
            *held = Some(snapshot);
        }
        Ok(Some(Reading(held)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<dyn EntrySnapshot>>> {
        let snapshot = &self.0.snapshot;
        snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the snapshot.
    pub(crate) fn release(&self) {
        // Dropped after the lock is released, so that nobody waits for the lock meanwhile.
        let snapshot = self.lock().take();
        drop(snapshot);
    }

    /// Returns whether a read after a wait found that others changed what the transaction relies on.
    pub(crate) fn is_overtaken(&self) -> bool {
        self.0.is_overtaken.load(Ordering::SeqCst)
    }

    /// Runs work that uses the transaction, and releases its snapshot whenever the work waits.
    pub(crate) async fn while_working<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            let polled = work.as_mut().poll(context);
            if polled.is_pending() {
                self.release();
            }
            polled
        })
        .await
    }
}

impl Deref for Reading<'_> {
    type Target = dyn EntrySnapshot;

    fn deref(&self) -> &Self::Target {
        match &*self.0 {
            Some(snapshot) => &**snapshot,
            None => &GivenBack,
        }
    }
}

/// Stands in for a missing snapshot; never read, as a new one is taken first.
struct GivenBack;

impl GivenBack {
    fn error() -> StoreError {
        StoreError::Backend {
            action: "read entries",
            cause: "the snapshot was given back; begin the transaction anew".into(),
        }
    }
}

impl EntrySnapshot for GivenBack {
    fn get(&self, _: &[u8]) -> Result<Option<&[u8]>, StoreError> {
        Err(Self::error())
    }

    fn scan(
        &self,
        _: Bound<&[u8]>,
        _: Bound<&[u8]>,
        _: Direction,
        _: &mut ScanEntry<'_>,
    ) -> Result<(), StoreError> {
        Err(Self::error())
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}
