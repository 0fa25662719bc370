//! The thread of the writer: there while there is something to do.
//!
//! A process may have thousands of stores open, and write to few of them at a time. So the thread is started with the first message,
//! and ends when none came for a while; what it works with is kept until the next one needs it.

use super::committer::Committer;
use super::{Message, Signals};
use midgard::store::StoreError;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Starts the thread when there is work, and keeps what it works with meanwhile.
pub(super) struct Worker {
    /// Whether there is a thread that will look at the queue once more.
    is_busy: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    /// What there is while nobody works with it.
    tools: Option<Tools>,
    /// The last thread that was started.
    thread: Option<JoinHandle<()>>,
}

/// What the thread works with.
struct Tools {
    committer: Committer,
    messages: Receiver<Message>,
    /// What the last thread took from the queue at the very end.
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

    /// Sees that a thread looks at what is in the queue.
    pub(super) fn start(self: &Arc<Self>, signals: &Arc<Signals>) -> Result<(), StoreError> {
        // What was sent is seen by a thread that goes on, or this sees that it has ended.
        fence(Ordering::SeqCst);
        if self.is_busy.load(Ordering::SeqCst) || self.is_busy.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let (worker, ended) = (self.clone(), Ended(signals.clone()));
        let mut inner = self.inner();
        let thread = thread::Builder::new()
            .name("midgard-lmdb-writer".to_owned())
            .spawn(move || {
                // After the queue is gone, also in a panic: who waits asks again then, and is told.
                let _ended = ended;
                worker.work();
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

    fn work(&self) {
        // Nobody has them when it is being closed.
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

    /// Leaves the tools to the next thread; gives them back when there is something to do.
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

    /// To be called when the last message was sent. Waits for the thread, unless it is one of the parent of this process.
    pub(super) fn close(&self, is_child: bool) {
        let thread = self.inner().thread.take();
        match thread {
            // Not to be waited for, nor to be taken down.
            Some(thread) if is_child => mem::forget(thread),
            // The last handle may have been part of what the thread woke. It ends soon, and closes what it has, then.
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

/// Wakes all who wait when it is dropped.
struct Ended(Arc<Signals>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.grown.notify(usize::MAX);
    }
}
