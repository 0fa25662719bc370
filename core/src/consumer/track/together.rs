//! The tracks of several logs that change the same rows: one worker runs all of them, under one lease, and they take
//! turns.

use futures_util::lock::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex as SyncMutex, PoisonError};
use std::time::{Duration, Instant};

/// What the tracks of one generation share.
pub(crate) struct Together {
    /// Held by the track whose transaction is open: a lease keeps other workers away, but not the tracks of the same one.
    turn: Mutex<()>,
    /// Since when it is held.
    since: SyncMutex<Option<Instant>>,
    /// The number of tracks that have not come to their end.
    left: AtomicUsize,
}

impl Together {
    pub(crate) fn new(tracks: usize) -> Self {
        Together {
            turn: Mutex::new(()),
            since: SyncMutex::new(None),
            left: AtomicUsize::new(tracks),
        }
    }

    /// Waits for the turn of a track.
    pub(super) async fn turn(&self) -> Turn<'_> {
        let held = self.turn.lock().await;
        self.set_since(Some(Instant::now()));
        Turn {
            together: self,
            _held: held,
        }
    }

    /// Returns whether a track has had its turn for longer than this: its handler may never end.
    pub(super) fn is_held_longer_than(&self, time: Duration) -> bool {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() > time)
    }

    fn set_since(&self, since: Option<Instant>) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// The turn of a track, until it is dropped.
pub(super) struct Turn<'a> {
    together: &'a Together,
    _held: MutexGuard<'a, ()>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Fields are dropped afterwards: the next track notes its own beginning later.
        self.together.set_since(None);
    }
}

/// A track that shares something with others, until it has come to its end.
pub(super) struct Member<'a> {
    together: &'a Together,
    /// Whether it was the last, once it has come to its end.
    was_last: Option<bool>,
}

impl<'a> Member<'a> {
    pub(super) const fn new(together: &'a Together) -> Self {
        Member {
            together,
            was_last: None,
        }
    }

    /// Comes to its end; returns whether all others had.
    pub(super) fn end(&mut self) -> bool {
        let left = &self.together.left;
        *self
            .was_last
            .get_or_insert_with(|| left.fetch_sub(1, Ordering::SeqCst) == 1)
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        self.end();
    }
}
