//! The capacity of the writer's queue. When it is full, writes wait in line, without blocking a thread.

use futures_channel::oneshot;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// About how many bytes may wait: as many as the largest append has.
const BYTES: usize = midgard::limits::APPEND_BYTES;

/// The room of the queue.
#[derive(Default)]
pub(super) struct Capacity {
    used: AtomicUsize,
    /// The number of waiting writes.
    waiting: AtomicUsize,
    line: Mutex<Line>,
}

/// The waiting writes, in the order in which they came.
#[derive(Default)]
struct Line {
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
}

struct Waiting {
    bytes: usize,
    granted: oneshot::Sender<()>,
}

/// A part of the room, held as long as it lives.
pub(super) struct Share {
    capacity: Arc<Capacity>,
    bytes: usize,
}

impl Capacity {
    /// Waits for room for this many bytes. A larger request than the whole room gets all of it.
    pub(super) async fn take(self: &Arc<Self>, bytes: usize) -> Share {
        let bytes = bytes.min(BYTES);
        if self.waiting.load(SeqCst) > 0 || !self.try_use(bytes) {
            self.wait(bytes).await;
        }
        Share {
            capacity: self.clone(),
            bytes,
        }
    }

    fn try_use(&self, bytes: usize) -> bool {
        let more = |used: usize| Some(used + bytes).filter(|used| *used <= BYTES);
        self.used.fetch_update(SeqCst, SeqCst, more).is_ok()
    }

    async fn wait(&self, bytes: usize) {
        let (granted, is_granted) = oneshot::channel();
        let mut place = {
            let mut line = self.line();
            line.last += 1;
            let number = line.last;
            line.waiting.insert(number, Waiting { bytes, granted });
            // Counted before the second check: a release of room sees the count, or this sees the room.
            self.waiting.fetch_add(1, SeqCst);
            self.grant(&mut line);
            PlaceInLine {
                capacity: self,
                number,
                bytes,
                is_over: false,
            }
        };
        // An error means that nobody is left to grant it, which cannot happen while this is borrowed.
        let _ = is_granted.await;
        place.is_over = true;
    }

    /// Grants room to the first in line, as far as there is some.
    fn grant(&self, line: &mut Line) {
        while let Some(first) = line.waiting.first_entry() {
            if !self.try_use(first.get().bytes) {
                return;
            }
            let first = first.remove();
            self.waiting.fetch_sub(1, SeqCst);
            // If the receiver is gone, the share is dropped and the room returned.
            let _ = first.granted.send(());
        }
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, SeqCst);
        if self.waiting.load(SeqCst) > 0 {
            self.grant(&mut self.line());
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.capacity.give_back(self.bytes);
    }
}

/// A place in line. Dropping it leaves the line, or returns room that was granted meanwhile.
struct PlaceInLine<'c> {
    capacity: &'c Capacity,
    number: u64,
    bytes: usize,
    is_over: bool,
}

impl Drop for PlaceInLine<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut line = self.capacity.line();
        if line.waiting.remove(&self.number).is_none() {
            drop(line);
            self.capacity.give_back(self.bytes);
            return;
        }
        self.capacity.waiting.fetch_sub(1, SeqCst);
        // It may have been in the way of smaller ones.
        self.capacity.grant(&mut line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::pin::pin;
    use std::thread;

    fn now(capacity: &Arc<Capacity>, bytes: usize) -> Option<Share> {
        capacity.take(bytes).now_or_never()
    }

    #[test]
    fn room_is_given_in_turn_and_never_more_than_there_is() {
        let capacity = Arc::<Capacity>::default();
        let half = now(&capacity, BYTES / 2).unwrap();
        let mut large = pin!(capacity.take(2 * BYTES));
        assert!((&mut large).now_or_never().is_none());
        assert!(now(&capacity, 1).is_none(), "a large one is before it");
        drop(half);
        let all = large.now_or_never().unwrap();
        assert!(now(&capacity, 1).is_none());
        drop(all);
        assert!(now(&capacity, BYTES).is_some());
        assert_eq!(capacity.used.load(SeqCst), 0);
    }

    #[test]
    fn who_gives_up_leaves_nothing_behind() {
        let capacity = Arc::<Capacity>::default();
        let all = now(&capacity, BYTES).unwrap();
        {
            let mut large = Box::pin(capacity.take(BYTES));
            let mut small = pin!(capacity.take(1));
            assert!((&mut large).now_or_never().is_none());
            assert!((&mut small).now_or_never().is_none());
            drop(all);
            // Granted, and never taken.
            drop(large);
            drop(small.now_or_never().unwrap());
        }
        let all = now(&capacity, BYTES).unwrap();
        for _ in 0..1000 {
            assert!(now(&capacity, 1).is_none());
        }
        assert!(capacity.line().waiting.is_empty());
        drop(all);
        assert_eq!(
            (capacity.used.load(SeqCst), capacity.waiting.load(SeqCst)),
            (0, 0)
        );
    }

    #[test]
    fn many_threads_get_their_turns() {
        let capacity = Arc::<Capacity>::default();
        thread::scope(|scope| {
            for thread in 1..=8 {
                let capacity = &capacity;
                scope.spawn(move || {
                    for _ in 0..1000 {
                        drop(midgard::block_on(capacity.take(BYTES / thread)));
                    }
                });
            }
        });
        assert_eq!(
            (capacity.used.load(SeqCst), capacity.waiting.load(SeqCst)),
            (0, 0)
        );
    }
}
