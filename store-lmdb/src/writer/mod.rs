//! The writer: one thread for each environment, which commits many appends in one transaction.

mod batch;
mod linger;
mod room;

use crate::directory::Registration;
use crate::environment::Environment;
use crate::error::{backend, is_disk_full};
use crate::reader;
use crate::recent::RecentEvents;
use batch::Batch;
use event_listener::Event as Notify;
use futures_channel::oneshot;
use heed::{Error, MdbError};
use linger::{Filling, Linger};
use midgard::store::{EntryError, EntryWrite};
use midgard::{
    Append, AppendError, Appended, ExpectedVersion, Full, LogId, Position, StoreError, StreamName,
    Version,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often the log is looked at for appends of other processes, while somebody waits for one.
const POLL: Duration = Duration::from_millis(5);
/// How often slots of processes that were killed while they read are given back, while there are writes.
/// Until then no page that they might read is used again, and the file grows.
const CLEAR: Duration = Duration::from_secs(1);

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
        let state = State {
            environment,
            signals: signals.clone(),
            recent: RecentEvents::default(),
            linger: Linger::default(),
            announced: Position::ZERO,
            looked: Instant::now(),
            cleared: Instant::now(),
            _registration: registration,
        };
        let thread = thread::Builder::new()
            .name("midgard-lmdb-writer".to_owned())
            .spawn(move || {
                // After the queue is gone, also in a panic: who waits asks again then, and is told.
                let _ended = Ended(state.signals.clone());
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
            && thread.thread().id() != thread::current().id()
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

/// What the thread has.
struct State {
    environment: Arc<Environment>,
    signals: Arc<Signals>,
    recent: RecentEvents,
    linger: Linger,
    /// Up to where waiters know of the log.
    announced: Position,
    /// When the log was last looked at for appends of other processes.
    looked: Instant,
    /// When the slots of dead readers were last given back.
    cleared: Instant,
    /// After the environment: the directory is taken for as long as it is open.
    _registration: Arc<Registration>,
}

/// Work, and where its outcome goes.
struct Request {
    work: Work,
    reply: oneshot::Sender<Answer>,
}

impl State {
    fn run(mut self, messages: &Receiver<Message>) {
        let mut requests = Vec::new();
        let mut stopping = false;
        while !stopping {
            match self.receive(messages) {
                Some(Message::Work(work, reply)) => {
                    requests.push(Request { work, reply });
                    stopping = self.commit(messages, &mut requests);
                }
                Some(Message::Watch) | None => {}
                Some(Message::Stop) => return,
            }
            // However much else there is to do: what only conflicts tells waiters nothing.
            if self.is_waited_for() && self.looked.elapsed() >= POLL {
                self.announce_foreign();
            }
        }
    }

    fn is_waited_for(&self) -> bool {
        self.signals.waiting.load(Ordering::SeqCst) > 0
    }

    /// The next message; `None` when it is time to look at the log.
    fn receive(&self, messages: &Receiver<Message>) -> Option<Message> {
        if !self.is_waited_for() {
            return Some(messages.recv().unwrap_or(Message::Stop));
        }
        match messages.recv_timeout(POLL) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Message::Stop),
        }
    }

    /// Tells waiters of what other processes appended.
    fn announce_foreign(&mut self) {
        self.looked = Instant::now();
        match reader::last_position(&self.environment, LogId::MAIN) {
            Ok(last) if last > self.announced => self.announce(last),
            Ok(_) => {}
            Err(error) => {
                // The waiters read the log themselves, and get the error.
                tracing::warn!(%error, "the log could not be looked at");
                self.signals.grown.notify(usize::MAX);
            }
        }
    }

    fn announce(&mut self, last: Position) {
        self.announced = last;
        self.signals.grown.notify(usize::MAX);
    }

    /// Commits the requests, with those that come meanwhile, and answers them. Tells whether it is
    /// time to stop.
    fn commit(&mut self, messages: &Receiver<Message>, requests: &mut Vec<Request>) -> bool {
        let mut filling = Filling::new(messages);
        let outcomes = self.write(&mut filling, requests);
        let last = outcomes
            .iter()
            .flatten()
            .filter_map(|appended| appended.position)
            .max();
        if let Some(last) = last {
            self.announce(last);
        }
        for (request, outcome) in requests.drain(..).zip(outcomes) {
            // Nobody waits for the outcome any more when its future was dropped.
            let _ = request.reply.send((outcome, request.work));
        }
        filling.stopped()
    }

    /// Writes all requests in one transaction; once more when the map was full, and has grown.
    fn write(&mut self, filling: &mut Filling<'_>, requests: &mut Vec<Request>) -> Vec<Outcome> {
        let mut reopened = false;
        let mut map_size = 0;
        let error = loop {
            let failure = match self.try_write(filling, requests, &mut map_size) {
                Ok(outcomes) => return outcomes,
                Err(failure) => failure,
            };
            // What it took in from the transaction is not there.
            self.recent.clear();
            match failure {
                Failure::Grow => match self.environment.grow(map_size) {
                    Ok(()) => {}
                    Err(error) => break error,
                },
                Failure::Unusable(error) => {
                    if let Err(error) = self.environment.reopen() {
                        break error;
                    }
                    if reopened {
                        break backend("begin a write")(error);
                    }
                    reopened = true;
                }
                Failure::Commit {
                    error,
                    transaction,
                    bytes,
                } => break self.failed_commit(error, transaction, bytes),
                Failure::Store(error) => break error,
            }
        };
        tracing::warn!(%error, appends = requests.len(), "appends failed");
        requests.iter().map(|_| Err(again(&error).into())).collect()
    }

    /// Finds out what a commit that failed has left, by the number of its transaction: a change of entries
    /// does not move the log.
    fn failed_commit(&self, error: Error, transaction: usize, bytes: usize) -> StoreError {
        let path = self.environment.path();
        let looked = self
            .environment
            .reopen()
            .and_then(|()| self.environment.last_transaction());
        match looked {
            // LMDB has not switched to the new state. It calls a write that was cut short an I/O error.
            Ok(last) if last < transaction => {
                if is_disk_full(&error) || room::is_used_up(path, bytes) {
                    StoreError::Full(Full::Disk)
                } else {
                    backend("commit")(error)
                }
            }
            _ => StoreError::OutcomeUnknown {
                reason: error.to_string(),
                source: Some(Box::new(error)),
            },
        }
    }

    /// Writes each request when it comes, while the next ones are on their way. Notes the size of the map
    /// that it finds.
    fn try_write(
        &mut self,
        filling: &mut Filling<'_>,
        requests: &mut Vec<Request>,
        map_size: &mut usize,
    ) -> Result<Vec<Outcome>, Failure> {
        let guard = self.environment.access()?;
        let open = guard.get()?;
        *map_size = open.map_size;
        if self.cleared.elapsed() >= CLEAR {
            self.cleared = Instant::now();
            if let Err(error) = open.env.clear_stale_readers() {
                tracing::warn!(%error, "slots of dead readers could not be given back");
            }
        }
        let transaction = open
            .env
            .write_txn()
            .map_err(|error| Failure::of("begin a write", error))?;
        let mut batch = Batch::new(&open.databases, transaction, &mut self.recent)?;
        let mut outcomes = Vec::with_capacity(requests.len());
        loop {
            for request in &requests[outcomes.len()..] {
                match batch.apply(&request.work) {
                    Ok(outcome) => outcomes.push(Ok(outcome)),
                    // One that conflicts fails alone: it wrote nothing.
                    Err(batch::Refused::Append(error)) => outcomes.push(Err(error)),
                    Err(batch::Refused::Batch(failure)) => return Err(failure),
                }
            }
            match self.linger.next(filling, requests) {
                Some(request) => requests.push(request),
                None => break,
            }
        }
        let began = Instant::now();
        batch.commit()?;
        self.linger.committed(requests.len(), began.elapsed());
        Ok(outcomes)
    }
}

/// Why a batch was not committed, as far as is known.
enum Failure {
    /// The map is full, or smaller than another process made it. Nothing was written.
    Grow,
    /// LMDB wants to be opened anew before it writes again. Nothing was written.
    Unusable(Error),
    /// The commit itself failed.
    Commit {
        error: Error,
        transaction: usize,
        bytes: usize,
    },
    /// Nothing was written.
    Store(StoreError),
}

impl Failure {
    fn of(action: &'static str, error: Error) -> Self {
        match error {
            Error::Mdb(MdbError::MapFull | MdbError::MapResized) => Failure::Grow,
            Error::Mdb(MdbError::Panic) => Failure::Unusable(error),
            error => Failure::Store(backend(action)(error)),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(Full::Map) => Failure::Grow,
            error => Failure::Store(error),
        }
    }
}

/// The same error once more, for another append of the batch. What lies underneath becomes its text.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Full(full) => StoreError::Full(*full),
        StoreError::OutcomeUnknown { reason, .. } => StoreError::OutcomeUnknown {
            reason: reason.clone(),
            source: None,
        },
        StoreError::Closed { location } => StoreError::Closed {
            location: location.clone(),
        },
        StoreError::Corrupt {
            log,
            position,
            stream,
            reason,
        } => StoreError::Corrupt {
            log: *log,
            position: *position,
            stream: stream.clone(),
            reason: reason.clone(),
        },
        StoreError::Backend { action, source } => StoreError::Backend {
            action,
            source: source.to_string().into(),
        },
        error => StoreError::Backend {
            action: "append",
            source: error.to_string().into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries;
    use crate::options::LmdbOptions;

    #[test]
    fn the_number_of_a_transaction_tells_whether_it_was_committed() {
        let directory = tempfile::tempdir().unwrap();
        let environment = Environment::open(directory.path(), LmdbOptions::default()).unwrap();
        for commit in [true, false, true] {
            let number = {
                let guard = environment.access().unwrap();
                let open = guard.get().unwrap();
                let mut transaction = open.env.write_txn().unwrap();
                let write = EntryWrite::new().put(b"key", b"value");
                entries::change(&open.databases.entries, &mut transaction, &write).unwrap();
                let number = transaction.id();
                if commit {
                    transaction.commit().unwrap();
                }
                number
            };
            assert_eq!(environment.last_transaction().unwrap() >= number, commit);
        }
    }
}
