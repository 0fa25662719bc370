//! The writer: one thread for each environment that is written to, which commits many appends in one transaction.

mod backfill;
mod capacity;
mod committer;
mod facts;
mod failure;
mod group_commit;
mod group_tags;
mod heads;
mod holes;
mod linger;
mod memory;
mod merging;
mod next_try;
mod prewrite;
mod refused;
mod repair;
mod room;
mod tag_merging;
mod work;
mod worker;

pub(crate) use work::{Tombstone, Truncate, Work};

use self::capacity::Capacity;
use self::committer::Committer;
use self::work::{Job, Request};
use self::worker::Worker;
use crate::environment::Environment;
use crate::files::Access;
use crate::reader;
use crate::tags::MOST_AT_ONCE;
use event_listener::Event as Notify;
use failure::Failure;
use futures_channel::oneshot;
use midgard::store::StoreError;
use midgard::{LogId, Position};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

enum Message {
    Work(Request),
    /// A waiter has come: check the log from time to time.
    Watch,
    Stop,
}

/// The sending end of the queue, and the thread behind it, while there is work.
pub(crate) struct Writer {
    environment: Arc<Environment>,
    queue: Sender<Message>,
    capacity: Arc<Capacity>,
    signals: Arc<Signals>,
    worker: Arc<Worker>,
}

/// Signals that the log has grown.
#[derive(Default)]
struct Signals {
    grown: Notify,
    waiting: AtomicUsize,
}

impl Writer {
    pub(crate) fn new(environment: Arc<Environment>) -> Self {
        let (queue, messages) = channel();
        let signals = Arc::new(Signals::default());
        let committer = Committer::new(environment.clone(), signals.clone());
        Writer {
            environment,
            queue,
            capacity: Arc::default(),
            signals,
            worker: Arc::new(Worker::new(committer, messages)),
        }
    }

    /// Lets the thread continue the index of tags if that ends far before the log does.
    pub(crate) fn continue_tags(&self) {
        let environment = &self.environment;
        let is_far_behind = environment.read(|databases, snapshot| {
            let last = databases.log.last_position(snapshot)?;
            let merged = databases.about.tag_manifest(snapshot)?.merged;
            Ok(last.get().saturating_sub(merged.get()) > MOST_AT_ONCE)
        });
        if environment.files().access() == Access::Write
            && is_far_behind.unwrap_or_default()
            && let Err(error) = self.send(Message::Watch)
        {
            tracing::debug!(%error, "the index of tags is continued with the first append");
        }
    }

    /// Sends a message to the thread, and makes sure that there is one.
    fn send(&self, message: Message) -> Result<(), StoreError> {
        self.environment.refuse_child()?;
        self.worker.start(&self.signals)?;
        let sent = self.queue.send(message);
        sent.map_err(|_| self.environment.closed())?;
        // The thread may have ended meanwhile.
        let restarted = self.worker.start(&self.signals);
        restarted.map_err(|error| StoreError::OutcomeUnknown {
            reason: error.to_string(),
        })
    }

    /// Queues work, once there is room for it; the outcome comes when it is committed. If the future is dropped, the
    /// work is done only if the writer has already begun it.
    pub(crate) async fn submit<W: Work>(&self, work: W) -> Result<W::Done, W::Error> {
        let share = self
            .capacity
            .take(work.bytes() + size_of::<Request>())
            .await;
        let (reply, answer) = oneshot::channel();
        self.send(Message::Work(W::request(Job::new(work, reply, share))))?;
        match answer.await {
            Ok(answer) => answer.outcome,
            // The request was taken, and never answered.
            Err(_) => {
                let reason = "the writer ended before it answered".to_owned();
                Err(StoreError::OutcomeUnknown { reason }.into())
            }
        }
    }

    /// Waits until the log has a record after `position`.
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
    /// Lets the thread finish the queued work, and waits for it: the environment may then be opened again.
    fn drop(&mut self) {
        let _ = self.queue.send(Message::Stop);
        self.worker.close(self.environment.refuse_child().is_err());
    }
}

/// Counts a waiter, as long as it lives.
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
