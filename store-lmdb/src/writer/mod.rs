//! The writer: one thread for each environment that is written to, which commits many appends in one transaction.

mod batch;
mod capacity;
mod desk;
mod failure;
mod heads;
mod holes;
mod linger;
mod merging;
mod prewrite;
mod repair;
mod room;
mod thread;
mod view;

use self::capacity::Capacity;
use self::desk::Desk;
use self::thread::{Request, State};
use crate::environment::Environment;
use crate::reader;
use event_listener::Event as Notify;
use failure::Failure;
use futures_channel::oneshot;
use midgard::event::NewEvent;
use midgard::store::{Append, AppendError, Appended, ExpectedVersion, StoreError};
use midgard::store::{EntryError, EntryWrite};
use midgard::{LogId, Position, StreamName, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

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

impl Work {
    /// How many bytes of memory it has, about.
    fn bytes(&self) -> usize {
        let others = match self {
            Work::Append(append) => {
                let events = append.events().count() * size_of::<NewEvent>();
                append.bytes() + events + append.entries().map_or(0, EntryWrite::bytes)
            }
            Work::Truncate { stream, .. } | Work::Tombstone { stream, .. } => stream.as_str().len(),
            Work::Entries(write) => write.bytes(),
        };
        others + size_of::<Request>()
    }
}

type Outcome = Result<Appended, AppendError>;

/// The work comes back with its outcome: what one thread allocated and another frees makes both wait
/// for the allocator.
type Answer = (Outcome, Work);

enum Message {
    Work(Request),
    /// Somebody began to wait: look at the log from time to time.
    Watch,
    Stop,
}

/// The end of the queue that appends come in by, and the thread behind it, while there is work.
pub(crate) struct Writer {
    environment: Arc<Environment>,
    queue: Sender<Message>,
    capacity: Arc<Capacity>,
    signals: Arc<Signals>,
    desk: Arc<Desk>,
}

/// How the writer tells others that the log has grown.
#[derive(Default)]
struct Signals {
    grown: Notify,
    waiting: AtomicUsize,
}

impl Writer {
    pub(crate) fn new(environment: Arc<Environment>) -> Self {
        let (queue, messages) = channel();
        let signals = Arc::new(Signals::default());
        let state = State::new(environment.clone(), signals.clone());
        Writer {
            environment,
            queue,
            capacity: Arc::default(),
            signals,
            desk: Arc::new(Desk::new(state, messages)),
        }
    }

    /// Sends a message to the thread, and sees that there is one.
    fn send(&self, message: Message) -> Result<(), StoreError> {
        self.environment.refuse_child()?;
        self.desk.start(&self.signals)?;
        let sent = self.queue.send(message);
        sent.map_err(|_| self.environment.closed())?;
        // It may have come to its end meanwhile.
        let restarted = self.desk.start(&self.signals);
        restarted.map_err(|error| StoreError::OutcomeUnknown {
            reason: error.to_string(),
        })
    }

    /// Queues work, once there is room for it; the outcome comes when it is committed. Where the future is dropped, it is done
    /// only if the writer has begun with it.
    pub(crate) async fn work(&self, work: Work) -> Outcome {
        let share = self.capacity.take(work.bytes()).await;
        let (reply, outcome) = oneshot::channel();
        self.send(Message::Work(Request::new(work, reply, share)))?;
        match outcome.await {
            Ok((outcome, _work)) => outcome,
            // It was taken, and never answered.
            Err(_) => {
                let reason = "the writer ended before it answered".to_owned();
                Err(StoreError::OutcomeUnknown { reason }.into())
            }
        }
    }

    /// Waits until the log has something after `position`.
    pub(crate) async fn wait_past(&self, log: LogId, position: Position) -> Result<(), StoreError> {
        loop {
            let waiting = Waiting::new(&self.signals);
            let listener = self.signals.grown.listen();
            self.environment.be_large_enough().await?;
            if reader::last_position(&self.environment, log)? > position {
                return Ok(());
            }
            self.send(Message::Watch)?;
            listener.await;
            drop(waiting);
        }
    }
}

impl Drop for Writer {
    /// Lets the thread finish what is queued, and waits for it: the environment may be opened again then.
    fn drop(&mut self) {
        let _ = self.queue.send(Message::Stop);
        self.desk.close(self.environment.refuse_child().is_err());
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
            cause: error.into(),
        }),
    }
}
