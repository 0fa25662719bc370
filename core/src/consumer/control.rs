//! Control of the consumers of one program.

use crate::clock::Clock;
use crate::time::Timestamp;
use event_listener::{Event as Notify, Listener as _};
use futures_timer::Delay;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What consumers should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    Run,
    /// Handle what is in the log, and end.
    Drain,
    /// End as soon as nothing is half done.
    Stop,
}

/// Shared by all consumers of a program and its handles.
#[derive(Default)]
pub(crate) struct Control {
    pub(crate) clock: Clock,
    mode: AtomicU8,
    /// How often all consumers were woken: one that has not seen the last number checks again.
    wake_count: AtomicU64,
    /// How many consumers of the log have not come to their end.
    readers: AtomicUsize,
    /// Whether a receiver of messages has failed for good.
    has_lost_receiver: AtomicBool,
    changed: Notify,
}

/// Counts as a consumer of the log that has not come to its end.
pub(crate) struct Reader(Arc<Control>);

impl Reader {
    pub(crate) fn new(control: &Arc<Control>) -> Self {
        control.readers.fetch_add(1, Ordering::SeqCst);
        Reader(control.clone())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::SeqCst);
        self.0.wake();
    }
}

impl Control {
    pub(crate) fn new(clock: Clock) -> Self {
        Control {
            clock,
            ..Control::default()
        }
    }

    /// Returns the time, by the clock of the program.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn mode(&self) -> Mode {
        match self.mode.load(Ordering::SeqCst) {
            0 => Mode::Run,
            1 => Mode::Drain,
            _ => Mode::Stop,
        }
    }

    /// Returns whether receivers of messages should end. In a drain, they continue for as long as other consumers read the
    /// log: an outbox may wait until what it has published is handled.
    pub(crate) fn is_over_for_receivers(&self) -> bool {
        match self.mode() {
            Mode::Run => false,
            Mode::Drain => self.readers.load(Ordering::SeqCst) == 0,
            Mode::Stop => true,
        }
    }

    /// Notes that a receiver of messages has failed for good.
    pub(crate) fn lose_receiver(&self) {
        self.has_lost_receiver.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Returns whether published messages may wait for a receiver in this program that has failed for good.
    pub(crate) fn has_lost_receiver(&self) -> bool {
        self.has_lost_receiver.load(Ordering::SeqCst)
    }

    /// Requests a mode; an earlier request is not taken back.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.fetch_max(mode as u8, Ordering::SeqCst);
        self.wake();
    }

    /// Waits until consumers are told to end.
    pub(crate) async fn told_to_end(&self) {
        loop {
            let changed = self.changed.listen();
            if self.mode() != Mode::Run {
                return;
            }
            changed.await;
        }
    }

    /// Wakes every consumer to check what to do.
    pub(crate) fn wake(&self) {
        self.wake_count.fetch_add(1, Ordering::SeqCst);
        self.changed.notify(usize::MAX);
    }

    pub(crate) fn wake_count(&self) -> u64 {
        self.wake_count.load(Ordering::SeqCst)
    }

    /// Waits for `other`, for the time to pass, or until a wake-up after `seen`. Returns the output of `other` if it
    /// completed.
    pub(crate) async fn wait<T>(
        &self,
        seen: u64,
        time: Duration,
        other: impl Future<Output = T>,
    ) -> Option<T> {
        let woken = self.changed.listen();
        if self.wake_count() != seen {
            woken.discard();
            return None;
        }
        let alarm = select(woken, Delay::new(time));
        match select(pin!(other), alarm).await {
            Either::Left((outcome, _)) => Some(outcome),
            Either::Right(_) => None,
        }
    }

    /// Waits longer the more has failed in a row, up to 26 seconds, or until a wake-up.
    pub(crate) async fn back_off(&self, seen: u64, failures: u32) {
        let wait = Duration::from_millis(50) * (1 << failures.min(9));
        self.pause(seen, wait).await;
    }

    /// Waits for the time to pass, or until a wake-up after `seen`.
    pub(crate) async fn pause(&self, seen: u64, time: Duration) {
        self.wait(seen, time, std::future::pending::<()>()).await;
    }
}
