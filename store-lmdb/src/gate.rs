//! The gate to the open environment: it admits reads, and finds a moment without any.
//!
//! An environment can be reopened only while nobody reads in it. A read may last long, and may wait for the very
//! write that needs the reopening. So waiting for reads to end never blocks other reads for more than a moment, and
//! has a limit.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockWriteGuard, TryLockError};
use std::time::{Duration, Instant};

/// How long to wait for reads that are under way; also how long the writer, and reads that wait without a thread,
/// wait for held snapshots.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// How long a read blocks its thread waiting for a held snapshot, whose holder may itself need that thread.
pub(crate) const SHORT: Duration = Duration::from_millis(50);
/// The longest that new reads are held up so that current reads end. A thread that already reads, and begins another
/// read, is held up as well.
const MOMENT: Duration = Duration::from_millis(20);
/// How often to check whether all reads have ended: they do not notify.
const LOOK: Duration = Duration::from_micros(500);

/// Admits reads.
pub(crate) struct Gate {
    held: Arc<AtomicUsize>,
    /// How many wait for the environment to be empty.
    closing: AtomicUsize,
    lock: Mutex<()>,
    opened: Condvar,
}

/// A read that lasts longer than a call; counted as long as it lives.
pub(crate) struct Hold(Arc<AtomicUsize>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gate {
    pub(crate) fn new() -> Self {
        Gate {
            held: Arc::default(),
            closing: AtomicUsize::new(0),
            lock: Mutex::new(()),
            opened: Condvar::new(),
        }
    }

    /// Admits a read. Waits a moment if somebody waits for reads to end.
    pub(crate) fn pass(&self) {
        if self.closing.load(Ordering::Relaxed) > 0 {
            let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            let is_closing = |_: &mut ()| self.closing.load(Ordering::SeqCst) > 0;
            // After the moment the read is admitted, whatever happened.
            drop(self.opened.wait_timeout_while(lock, MOMENT, is_closing));
        }
    }

    /// Counts a read that lasts longer than a call. To be called while `open` is locked for reading.
    pub(crate) fn hold(&self) -> Hold {
        self.held.fetch_add(1, Ordering::SeqCst);
        Hold(self.held.clone())
    }

    /// Returns the number of reads that last longer than a call.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// Returns the open environment when nobody reads in it; `None` when reads do not end in time, or long ones not
    /// within `for_holds`.
    pub(crate) fn empty<'o, T>(
        &self,
        open: &'o RwLock<T>,
        for_holds: Duration,
    ) -> Option<RwLockWriteGuard<'o, T>> {
        let began = Instant::now();
        let closing = Closing {
            gate: self,
            is_closed: AtomicBool::new(false),
        };
        loop {
            // Reads that last only for a call end while no others are admitted.
            closing.set(self.held() == 0);
            if let Some(empty) = self.empty_now(open) {
                return Some(empty);
            }
            let waited = began.elapsed();
            if (self.held() > 0 && waited >= for_holds) || waited >= PATIENCE {
                return None;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// As [`empty`](Gate::empty), without waiting.
    pub(crate) fn empty_now<'o, T>(&self, open: &'o RwLock<T>) -> Option<RwLockWriteGuard<'o, T>> {
        let empty = match open.try_write() {
            Ok(empty) => empty,
            Err(TryLockError::Poisoned(empty)) => empty.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        // No hold can begin while it is locked.
        (self.held() == 0).then_some(empty)
    }
}

/// Keeps others out as long as it is closed.
struct Closing<'g> {
    gate: &'g Gate,
    is_closed: AtomicBool,
}

impl Closing<'_> {
    fn set(&self, closed: bool) {
        if self.is_closed.swap(closed, Ordering::Relaxed) == closed {
            return;
        }
        if closed {
            self.gate.closing.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let lock = &self.gate.lock;
        let _lock = lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.gate.closing.fetch_sub(1, Ordering::SeqCst);
        self.gate.opened.notify_all();
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn who_waits_for_reads_to_end_holds_up_no_read_that_they_need() {
        let (gate, open) = (Gate::new(), RwLock::new(()));
        let outer = open.read().unwrap();
        thread::scope(|scope| {
            let emptied = scope.spawn(|| drop(gate.empty(&open, PATIENCE).unwrap()));
            while gate.closing.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            for _ in 0..3 {
                gate.pass();
                drop(open.read().unwrap());
            }
            assert!(!emptied.is_finished());
            drop(outer);
        });
        assert_eq!(gate.closing.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn reads_that_begin_all_the_time_do_not_keep_it_from_being_empty() {
        let (gate, open, is_done) = (Gate::new(), RwLock::new(()), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !is_done.load(Ordering::Relaxed) {
                        gate.pass();
                        let read = open.read().unwrap();
                        thread::yield_now();
                        drop(read);
                    }
                });
            }
            for _ in 0..100 {
                assert!(gate.empty(&open, PATIENCE).is_some());
            }
            is_done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn it_is_not_empty_while_somebody_holds_it() {
        let (gate, open) = (Gate::new(), RwLock::new(()));
        let held = [gate.hold(), gate.hold()];
        assert!(gate.empty(&open, Duration::ZERO).is_none() && gate.empty_now(&open).is_none());
        let [first, second] = held;
        drop(first);
        assert!(gate.empty(&open, SHORT).is_none());
        thread::scope(|scope| {
            let emptied = scope.spawn(|| gate.empty(&open, PATIENCE).is_some());
            drop(second);
            assert!(emptied.join().unwrap());
        });
        assert!(gate.empty_now(&open).is_some());
    }
}
