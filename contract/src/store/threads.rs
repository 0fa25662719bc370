//! Cases that use a store from many threads at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

pub(super) const THREADS: usize = 8;

/// Runs `work` on several threads at once, each with its number, and returns their results.
pub(super) fn at_once<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|threads| {
        let work = &work;
        let running: Vec<_> = (0..THREADS)
            .map(|at| threads.spawn(move || work(at)))
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, T>| {
            thread
                .join()
                .unwrap_or_else(|failure| std::panic::resume_unwind(failure))
        };
        running.into_iter().map(join).collect()
    })
}

/// Runs `read` repeatedly while several threads write, and once more when they are done.
pub(super) fn while_writing(write: impl Fn(usize) + Sync, mut read: impl FnMut() + Send) {
    let written = AtomicBool::new(false);
    thread::scope(|threads| {
        let written = &written;
        threads.spawn(move || {
            while !written.load(Ordering::Acquire) {
                read();
            }
            read();
        });
        // Also set when a writer fails; otherwise the reader would continue for ever.
        let _done = Done(written);
        at_once(&write);
    });
}

struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
