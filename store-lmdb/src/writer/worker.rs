//! The writer's thread, which exists only while there is work.
//!
//! A process may have thousands of stores open, and write to few of them at a time. So the thread starts with the
//! first message, and ends when none has come for a while; its tools are kept until the next thread needs them.

use super::committer::Committer;
use super::{Message, Signals};
use midgard::store::StoreError;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Starts the thread when there is work, and keeps its tools meanwhile.
pub(super) struct Worker {
    /// Whether a thread will check the queue again.
    is_busy: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    /// The tools, while no thread uses them.
    tools: Option<Tools>,
    /// The last thread that was started.
    thread: Option<JoinHandle<()>>,
}

/// The tools of the thread.
struct Tools {
    committer: Committer,
    messages: Receiver<Message>,
    /// The message that the last thread took from the queue at the very end.
    taken: Option<Message>,
}

impl Worker {
    pub(super) fn new(committer: Committer, messages: Receiver<Message>) -> Self {
        let tools = Tools {
            committer,
            messages,
            taken: None,
        };
        Worker {
            is_busy: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                tools: Some(tools),
                thread: None,
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that a thread processes the queue.
    pub(super) fn start(self: &Arc<Self>, signals: &Arc<Signals>) -> Result<(), StoreError> {
        // Either a running thread sees the sent message, or this sees that the thread has ended.
        fence(Ordering::SeqCst);
        if self.is_busy.load(Ordering::SeqCst) || self.is_busy.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let (worker, ended) = (self.clone(), Ended(signals.clone()));
        let mut inner = self.inner();
        let thread = thread::Builder::new()
            .name("midgard-lmdb-writer".to_owned())
            .spawn(move || {
                // Dropped after the queue is gone, also in a panic: waiters then check again, and get the error.
                let _ended = ended;
                worker.run();
            });
        match thread {
            Ok(thread) => {
                inner.thread = Some(thread);
                Ok(())
            }
            Err(cause) => {
                self.is_busy.store(false, Ordering::SeqCst);
                Err(StoreError::Backend {
                    action: "start its writer thread",
                    cause: cause.into(),
                })
            }
        }
    }

    /// Runs the thread: commits until no message has come for a while.
    fn run(&self) {
        // There are no tools when the store is being closed.
        let mut tools = self.inner().tools.take();
        while let Some(Tools {
            mut committer,
            messages,
            taken,
        }) = tools
        {
            if committer.run(&messages, taken) {
                return;
            }
            tools = self.leave(committer, messages);
        }
    }

    /// Leaves the tools to the next thread; returns them when there is something to do.
    fn leave(&self, committer: Committer, messages: Receiver<Message>) -> Option<Tools> {
        let mut inner = self.inner();
        self.is_busy.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let taken = messages.try_recv().ok();
        let goes_on = taken.is_some() && !self.is_busy.swap(true, Ordering::SeqCst);
        let tools = Some(Tools {
            committer,
            messages,
            taken,
        });
        match goes_on {
            true => tools,
            // There may be another thread, which waits for them.
            false => mem::replace(&mut inner.tools, tools),
        }
    }

    /// Must be called after the last message was sent. Waits for the thread, unless it belongs to the parent of this
    /// process.
    pub(super) fn close(&self, is_child: bool) {
        let thread = self.inner().thread.take();
        match thread {
            // Neither waits for it nor drops it.
            Some(thread) if is_child => mem::forget(thread),
            // The last handle may have been dropped by a future that this thread woke. The thread ends soon, and then
            // closes its tools.
            Some(thread) if thread.thread().id() == thread::current().id() => return,
            Some(thread) => thread.join().unwrap_or_else(|_| {
                tracing::error!("the writer thread of an LMDB store panicked");
            }),
            None => {}
        }
        // Not under the lock: it closes the environment.
        let tools = self.inner().tools.take();
        drop(tools);
    }
}

/// Wakes all waiters when it is dropped.
struct Ended(Arc<Signals>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.grown.notify(usize::MAX);
    }
}
