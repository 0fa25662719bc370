//! The tracks of several logs that change the same rows: one worker runs all of them, under one lease, and they take
//! turns.

use futures_util::lock::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the tracks of one generation share.
pub(crate) struct Together {
    /// Held by the track whose transaction is open: a lease keeps other workers away, but not the tracks of the same one.
    turn: Mutex<()>,
    /// The number of tracks that have not come to their end.
    left: AtomicUsize,
}

impl Together {
    pub(crate) fn new(tracks: usize) -> Self {
        Together {
            turn: Mutex::new(()),
            left: AtomicUsize::new(tracks),
        }
    }

    /// Waits for the turn of a track.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
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
