//! The writer: one thread for each environment, which commits many appends in one transaction.

mod batch;
mod failure;
mod heads;
mod linger;
mod merging;
mod prewrite;
mod room;
mod thread;
mod view;

use self::thread::State;
use crate::directory::Registration;
use crate::environment::Environment;
use crate::reader;
use event_listener::Event as Notify;
use failure::Failure;
use futures_channel::oneshot;
use midgard::store::{EntryError, EntryWrite};
use midgard::{
    Append, AppendError, Appended, ExpectedVersion, LogId, Position, StoreError, StreamName,
    Version,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

/// What the writer is asked to do.
pub(crate) enum Work {
    Append(Append),
    Truncate {
        stream: StreamName,
        before: Version,
        expected: ExpectedVersion,
    },
    Tombstone {
        stream: StreamName,
        expected: ExpectedVersion,
    },
    Entries(EntryWrite),
}

type Outcome = Result<Appended, AppendError>;

/// The work comes back with its outcome: what one thread allocated and another frees makes both wait
/// for the allocator.
type Answer = (Outcome, Work);

enum Message {
    Work(Work, oneshot::Sender<Answer>),
    /// Somebody began to wait: look at the log from time to time.
    Watch,
    Stop,
}

/// The end of the queue that appends come in by, and the thread behind it.
pub(crate) struct Writer {
    queue: Sender<Message>,
    signals: Arc<Signals>,
    thread: Option<JoinHandle<()>>,
}

/// How the writer tells others that the log has grown.
#[derive(Default)]
struct Signals {
    grown: Notify,
    waiting: AtomicUsize,
}

impl Writer {
    pub(crate) fn start(
        environment: Arc<Environment>,
        registration: Arc<Registration>,
    ) -> Result<Self, StoreError> {
        let (queue, messages) = channel();
        let signals = Arc::new(Signals::default());
        let state = State::new(environment, registration, signals.clone());
        let ended = Ended(signals.clone());
        let thread = std::thread::Builder::new()
            .name("midgard-lmdb-writer".to_owned())
            .spawn(move || {
                // After the queue is gone, also in a panic: who waits asks again then, and is told.
                let _ended = ended;
                let messages = messages;
                state.run(&messages);
            })
            .map_err(|source| StoreError::Backend {
                action: "start its writer thread",
                source: source.into(),
            })?;
        Ok(Writer {
            queue,
            signals,
            thread: Some(thread),
        })
    }

    /// Queues work; the outcome comes once it is committed. Dropping the future does not take it back.
    pub(crate) async fn work(&self, work: Work, closed: impl Fn() -> StoreError) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        if self.queue.send(Message::Work(work, reply)).is_err() {
            return Err(closed().into());
        }
        match outcome.await {
            Ok((outcome, _work)) => outcome,
            // It was taken, and never answered.
            Err(_) => {
                let reason = "the writer ended before it answered".to_owned();
                Err(StoreError::OutcomeUnknown {
                    reason,
                    source: None,
                }
                .into())
            }
        }
    }

    /// Waits until the log has something after `position`.
    pub(crate) async fn wait_past(
        &self,
        environment: &Environment,
        log: LogId,
        position: Position,
    ) -> Result<(), StoreError> {
        loop {
            let waiting = Waiting::new(&self.signals);
            let listener = self.signals.grown.listen();
            if reader::last_position(environment, log)? > position {
                return Ok(());
            }
            if self.queue.send(Message::Watch).is_err() {
                return Err(environment.closed());
            }
            listener.await;
            drop(waiting);
        }
    }
}

impl Drop for Writer {
    /// Lets the thread finish what is queued, and waits for it: the environment may be opened again then.
    fn drop(&mut self) {
        let _ = self.queue.send(Message::Stop);
        if let Some(thread) = self.thread.take()
            // The last handle may have been part of what the thread woke. It ends soon, and closes what
            // it has, then.
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the writer thread of an LMDB store panicked");
        }
    }
}

/// Wakes all who wait when it is dropped.
struct Ended(Arc<Signals>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.grown.notify(usize::MAX);
    }
}

/// Counts one who waits, for as long as it lives.
struct Waiting<'a>(&'a Signals);

impl<'a> Waiting<'a> {
    fn new(signals: &'a Signals) -> Self {
        signals.waiting.fetch_add(1, Ordering::SeqCst);
        Waiting(signals)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Why a change of entries alone was not made.
pub(crate) fn entry_error(error: AppendError) -> EntryError {
    match error {
        AppendError::EntryChanged { key } => EntryError::Changed { key },
        AppendError::Store(error) => error.into(),
        // No change of entries expects anything of streams.
        error => EntryError::Store(StoreError::Backend {
            action: "write entries",
            source: error.into(),
        }),
    }
}
