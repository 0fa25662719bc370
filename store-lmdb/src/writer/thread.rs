//! The thread: fills batches with what is queued, commits them, and answers.

use super::batch::{self, Batch, Memory};
use super::failure::{Failure, again};
use super::linger::{Filling, Linger};
use super::prewrite::{self, Prewrite};
use super::{Answer, Message, Outcome, Signals, Work, room};
use crate::environment::Environment;
use crate::error::{backend, is_damaged_page, is_disk_full};
use crate::length;
use crate::options::Durability;
use crate::reader;
use futures_channel::oneshot;
use heed::Error;
use midgard::{Full, LogId, Position, StoreError};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often the log is looked at for appends of other processes, while somebody waits for one.
const POLL: Duration = Duration::from_millis(5);
/// How often slots of processes that were killed while they read are given back, while there are writes.
/// Until then no page that they might read is used again, and the file grows.
const CLEAR: Duration = Duration::from_secs(1);

/// How long the thread waits for something to do before it ends.
const IDLE: Duration = Duration::from_secs(1);

/// What comes next.
enum Next {
    Message(Message),
    /// It is time to look at the log.
    Look,
    /// Nothing came for a while.
    Nothing,
}
/// The requests that have met a damaged page, by their places among all.
type LeftOut = BTreeMap<usize, StoreError>;
/// How many of them are left out before all the others fail too: each time everything is written anew.
const MOST_LEFT_OUT: usize = 16;

/// What the thread has.
pub(super) struct State {
    environment: Arc<Environment>,
    signals: Arc<Signals>,
    memory: Memory,
    linger: Linger,
    prewrite: Prewrite,
    /// Up to where waiters know of the log.
    announced: Position,
    /// When the log was last looked at for appends of other processes.
    looked: Instant,
    /// When the slots of dead readers were last given back.
    cleared: Instant,
}

/// Work, and where its outcome goes.
pub(super) struct Request {
    pub(super) work: Work,
    reply: oneshot::Sender<Answer>,
}

impl Request {
    pub(super) const fn new(work: Work, reply: oneshot::Sender<Answer>) -> Self {
        Request { work, reply }
    }
}

impl State {
    pub(super) fn new(environment: Arc<Environment>, signals: Arc<Signals>) -> Self {
        State {
            environment,
            signals,
            memory: Memory::default(),
            linger: Linger::default(),
            prewrite: Prewrite::default(),
            announced: Position::ZERO,
            looked: Instant::now(),
            cleared: Instant::now(),
        }
    }
}

impl State {
    /// Does what is asked for. Tells whether that was all there will ever be; otherwise nothing came for a while.
    pub(super) fn run(&mut self, messages: &Receiver<Message>, first: Option<Message>) -> bool {
        let mut requests = Vec::new();
        let mut next = first.map(Next::Message);
        let is_stopped = loop {
            match next.take().unwrap_or_else(|| self.receive(messages)) {
                Next::Message(Message::Work(work, reply)) => {
                    requests.push(Request { work, reply });
                    if self.commit(messages, &mut requests) {
                        break true;
                    }
                }
                Next::Message(Message::Watch) | Next::Look => {}
                Next::Message(Message::Stop) => break true,
                Next::Nothing => break false,
            }
            // However much else there is to do: what only conflicts tells waiters nothing.
            if self.is_waited_for() && self.looked.elapsed() >= POLL {
                self.announce_foreign();
            }
        };
        if let Err(failure) = self.trim() {
            tracing::debug!(
                ?failure,
                "the zeros at the end of the file were not cut off"
            );
        }
        is_stopped
    }

    /// Leaves the file as long as it has to be. Whatever stands in the way: it is only longer then.
    fn trim(&mut self) -> Result<(), Failure> {
        // Nothing is locked, nor written, where only others wrote.
        if !self.prewrite.end() {
            return Ok(());
        }
        let guard = self.environment.access()?;
        let open = guard.get()?;
        let transaction = open.env.write_txn();
        let transaction = transaction.map_err(|error| Failure::of("begin a write", error))?;
        let used = open.used(&transaction)?;
        let data = self.environment.files().data();
        let trimmed = data.and_then(|data| prewrite::cut_off(used, &data));
        trimmed.map_err(|error| Failure::of("trim its file", error.into()))
    }

    fn is_waited_for(&self) -> bool {
        self.signals.waiting.load(Ordering::SeqCst) > 0
    }

    fn receive(&self, messages: &Receiver<Message>) -> Next {
        let (wait, otherwise) = match self.is_waited_for() {
            true => (POLL, Next::Look),
            false => (IDLE, Next::Nothing),
        };
        match messages.recv_timeout(wait) {
            Ok(message) => Next::Message(message),
            Err(RecvTimeoutError::Timeout) => otherwise,
            Err(RecvTimeoutError::Disconnected) => Next::Message(Message::Stop),
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

    /// Writes all requests in one transaction; once more when the map was full, and has grown, and without what has met a
    /// damaged page.
    fn write(&mut self, filling: &mut Filling<'_>, requests: &mut Vec<Request>) -> Vec<Outcome> {
        let mut reopened = false;
        let mut map_size = 0;
        let mut left_out = LeftOut::new();
        let error = loop {
            let failure = match self.try_write(filling, requests, &left_out, &mut map_size) {
                Ok(outcomes) => return outcomes,
                Err(failure) => failure,
            };
            // What it took in from the transaction is not there.
            self.memory.clear();
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
                Failure::Merge => {}
                Failure::Request { index, error } if left_out.len() < MOST_LEFT_OUT => {
                    left_out.insert(index, error);
                }
                Failure::Request { error, .. } | Failure::Store(error) => break error,
            }
        };
        tracing::warn!(%error, appends = requests.len(), "appends failed");
        requests.iter().map(|_| Err(again(&error).into())).collect()
    }

    /// Finds out what a commit that failed has left, by the number of its transaction: a change of entries
    /// does not move the log.
    fn failed_commit(&self, error: Error, transaction: usize, bytes: usize) -> StoreError {
        let looked = self
            .environment
            .reopen()
            .and_then(|()| self.environment.last_transaction());
        match looked {
            // LMDB has not switched to the new state. It calls a write that was cut short an I/O error.
            Ok(last) if last < transaction => {
                if is_disk_full(&error) || room::is_used_up(self.environment.files(), bytes) {
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
        left_out: &LeftOut,
        map_size: &mut usize,
    ) -> Result<Vec<Outcome>, Failure> {
        let guard = self.environment.access()?;
        let open = guard.get()?;
        *map_size = open.map_size;
        if self.environment.durability() != Durability::NoSync {
            // What cannot be found again must not be acknowledged.
            self.environment.look()?;
        }
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
        if self.environment.durability() != Durability::NoSync
            && let Err(error) = open
                .used(&transaction)
                .map_err(io::Error::other)
                .and_then(|used| {
                    let data = self.environment.files().data()?;
                    self.prewrite.ahead_of(used, &data)
                })
        {
            // It is faster with them, and as good without.
            tracing::debug!(%error, "no zeros were written ahead of the end of the file");
        }
        let tail = self.environment.tail();
        let mut batch = Batch::new(&open.databases, tail, transaction, &mut self.memory)?;
        let mut outcomes = Vec::with_capacity(requests.len());
        loop {
            for request in &requests[outcomes.len()..] {
                if let Some(error) = left_out.get(&outcomes.len()) {
                    outcomes.push(Err(again(error).into()));
                    continue;
                }
                match batch.apply(&request.work) {
                    Ok(outcome) => outcomes.push(Ok(outcome)),
                    // One that conflicts fails alone: it wrote nothing.
                    Err(batch::Refused::Append(error)) => outcomes.push(Err(error)),
                    Err(batch::Refused::Batch(Failure::Store(error)))
                        if is_damaged_page(&error) =>
                    {
                        let index = outcomes.len();
                        return Err(Failure::Request { index, error });
                    }
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
        let files = self.environment.files();
        let (data, used) = (files.data(), length::used(&open.env));
        let is_too_short = data.and_then(|data| self.prewrite.is_too_short(used, &data));
        if is_too_short.unwrap_or(true)
            && let Err(error) = length::lengthen(files, &open.env)
        {
            tracing::debug!(%error, "the file is not as long as it should be; it will be when it is opened again");
        }
        Ok(outcomes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries;
    use crate::options::LmdbOptions;
    use midgard::store::EntryWrite;

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
