//! The end of the log, as far as it is known in this process, and waiting for it to move.

use crate::Shared;
use crate::reading;
use event_listener::Event as Notify;
use futures_util::future::{self, Either};
use midgard::Position;
use midgard::store::StoreError;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// The pauses between two looks at the log: short while it moves, longer while it does not.
const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(20);

/// The end of the log, which never moves back.
#[derive(Debug)]
pub(crate) struct Tail {
    known: AtomicU64,
    moved: Notify,
    /// One of those that wait looks for appends of other processes; the rest wait for it.
    looking: Mutex<Duration>,
}

impl Tail {
    pub(crate) fn new() -> Self {
        Tail {
            known: AtomicU64::new(0),
            moved: Notify::new(),
            looking: Mutex::new(SHORTEST),
        }
    }

    /// Notes that the log has reached a position, and wakes those that wait.
    pub(crate) fn reached(&self, position: Position) {
        let before = self.known.fetch_max(position.get(), Ordering::AcqRel);
        if before < position.get() {
            self.moved.notify(usize::MAX);
        }
    }

    fn is_past(&self, position: Position) -> bool {
        self.known.load(Ordering::Acquire) > position.get()
    }
}

/// Waits until the log has an event after a position.
pub(crate) async fn wait_past(shared: &Shared, position: Position) -> Result<(), StoreError> {
    let tail = &shared.tail;
    loop {
        let moved = tail.moved.listen();
        if tail.is_past(position) {
            return Ok(());
        }
        let mut pause = match future::select(moved, pin!(tail.looking.lock())).await {
            Either::Left(_) => continue,
            Either::Right((pause, _)) => pause,
        };
        while !tail.is_past(position) {
            let moved = tail.moved.listen();
            let known = tail.known.load(Ordering::Acquire);
            let end = reading::last_position(shared).await?;
            tail.reached(end);
            if tail.is_past(position) {
                break;
            }
            *pause = match end.get() > known {
                true => SHORTEST,
                false => pause.saturating_mul(2).min(LONGEST),
            };
            future::select(moved, pin!(tokio::time::sleep(*pause))).await;
        }
    }
}
