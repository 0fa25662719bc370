//! The work of the thread: commits queued requests in groups, and answers them.

use super::failure::{FailedCommit, Failure};
use super::group_commit::GroupCommit;
use super::linger::{Filling, Linger};
use super::memory::Memory;
use super::next_try::NextTry;
use super::prewrite::{self, Prewrite};
use super::repair::{Repair, Repaired};
use super::work::Request;
use super::{Message, Signals};
use crate::environment::{Environment, Open};
use crate::error::is_damaged_page;
use crate::index;
use crate::length;
use crate::options::Durability;
use crate::reader;
use crate::tags;
use heed::RwTxn;
use midgard::store::StoreError;
use midgard::{LogId, Position};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often to check the log for appends of other processes while somebody waits for one.
const POLL: Duration = Duration::from_millis(5);
/// How often to release the slots of processes that were killed while they read, while there are writes. Until then
/// no page that they might read is reused, and the file grows.
const CLEAR: Duration = Duration::from_secs(1);

/// How long the thread stays idle before it ends.
const IDLE: Duration = Duration::from_secs(1);

/// How many steps the next run of tags may need when the store is closed, and about how many bytes of records.
const MOST_LAST_STEPS: usize = 128;
const MOST_LAST_BYTES: u64 = 96 << 20;

/// What comes next.
enum Next {
    Message(Message),
    /// It is time to check the log.
    Look,
    /// Nothing is queued, and the index of tags is not complete.
    Index,
    /// Nothing came for a while.
    Nothing,
}

/// The requests that have met a damaged page, by their places among all requests.
type LeftOut = BTreeMap<usize, StoreError>;
/// How many requests are left out before all the others fail too: each time the whole group is rewritten.
const MOST_LEFT_OUT: usize = 16;

/// Commits queued requests.
pub(super) struct Committer {
    environment: Arc<Environment>,
    signals: Arc<Signals>,
    memory: Memory,
    linger: Linger,
    prewrite: Prewrite,
    repair: Repair,
    /// Whether the last commits were certainly flushed: then everything committed is on the disk.
    is_certain: bool,
    /// How far the waiters know the log.
    announced: Position,
    /// When the log was last checked for appends of other processes.
    looked: Instant,
    /// When the slots of dead readers were last released.
    cleared: Instant,
}

impl Committer {
    pub(super) fn new(environment: Arc<Environment>, signals: Arc<Signals>) -> Self {
        Committer {
            memory: Memory::new(environment.clock().clone()),
            environment,
            signals,
            linger: Linger::default(),
            prewrite: Prewrite::default(),
            repair: Repair::default(),
            is_certain: false,
            announced: Position::ZERO,
            looked: Instant::now(),
            cleared: Instant::now(),
        }
    }

    /// Processes messages. Returns whether the store is closing; otherwise no message came for a while.
    pub(super) fn run(&mut self, messages: &Receiver<Message>, first: Option<Message>) -> bool {
        let mut requests = Vec::new();
        self.environment.catch_up_tags();
        self.memory.resume_tags();
        let mut next = first.map(Next::Message);
        let is_stopped = loop {
            match next.take().unwrap_or_else(|| self.receive(messages)) {
                Next::Message(Message::Work(request)) => {
                    if request.is_abandoned() {
                        continue;
                    }
                    requests.push(request);
                    if self.commit(messages, &mut requests) {
                        break true;
                    }
                    self.memory.resume_tags();
                    self.memory.continue_tags(&self.environment);
                }
                Next::Index => {
                    if self.continue_tags(messages) {
                        break true;
                    }
                }
                Next::Message(Message::Watch) | Next::Look => {}
                Next::Message(Message::Stop) => break true,
                Next::Nothing => break false,
            }
            // Even under load: requests that only conflict wake no waiters.
            if self.is_waited_for() && self.looked.elapsed() >= POLL {
                self.announce_foreign();
            }
        };
        if is_stopped {
            self.finish_tags(messages);
        }
        if let Err(failure) = self.trim() {
            tracing::debug!(
                ?failure,
                "the zeros at the end of the file were not cut off"
            );
        }
        is_stopped
    }

    fn is_waited_for(&self) -> bool {
        self.signals.waiting.load(Ordering::SeqCst) > 0
    }

    fn receive(&self, messages: &Receiver<Message>) -> Next {
        let is_tag_work_due = self.memory.is_tag_work_due(&self.environment);
        let (wait, otherwise) = match self.is_waited_for() {
            _ if is_tag_work_due => (self.memory.tag_pause(), Next::Index),
            true => (POLL, Next::Look),
            false => (IDLE, Next::Nothing),
        };
        match messages.recv_timeout(wait) {
            Ok(message) => Next::Message(message),
            Err(RecvTimeoutError::Timeout) => otherwise,
            Err(RecvTimeoutError::Disconnected) => Next::Message(Message::Stop),
        }
    }

    /// Wakes waiters for appends of other processes.
    fn announce_foreign(&mut self) {
        self.looked = Instant::now();
        match reader::last_position(&self.environment, LogId::MAIN) {
            Ok(last) if last > self.announced => self.announce(last),
            Ok(_) => {}
            Err(error) => {
                // The waiters read the log themselves, and get the error.
                tracing::warn!(%error, "the log could not be checked");
                self.signals.grown.notify(usize::MAX);
            }
        }
    }

    fn announce(&mut self, last: Position) {
        self.announced = last;
        self.signals.grown.notify(usize::MAX);
    }

    /// Continues the index of tags a little. Returns whether it is time to stop.
    fn continue_tags(&mut self, messages: &Receiver<Message>) -> bool {
        if !self.memory.continue_tags(&self.environment) {
            return false;
        }
        let before = self.memory.tag_progress(self.environment.tag_tail());
        let is_stopped = self.commit(messages, &mut Vec::new());
        let after = self.memory.tag_progress(self.environment.tag_tail());
        self.memory.note_tag_progress(before != after);
        is_stopped
    }

    /// Makes the next run of the index of tags, if it is due: processes that live shortly have no idle time for it. A
    /// run that needs more than a few steps is left to others, and nothing is read for it in vain.
    fn finish_tags(&mut self, messages: &Receiver<Message>) {
        if !self.memory.is_tag_run_due(&self.environment)
            || self.environment.bytes_behind_tag_tail() > MOST_LAST_BYTES
        {
            return;
        }
        for _ in 0..MOST_LAST_STEPS {
            if !self.memory.is_tag_run_due(&self.environment) {
                break;
            }
            self.continue_tags(messages);
        }
    }

    /// Commits the requests, with those that come meanwhile, and answers them. Returns whether it is time to stop.
    fn commit(&mut self, messages: &Receiver<Message>, requests: &mut Vec<Request>) -> bool {
        let mut filling = Filling::new(messages);
        if let Some(last) = self.write(&mut filling, requests) {
            self.announce(last);
        }
        requests.drain(..).for_each(Request::answer);
        filling.stopped()
    }

    /// Writes all requests in one transaction, and notes their outcomes. Repeats that with a larger map if the map
    /// was full, and without the requests that met a damaged page. Returns where the log ends if it has grown.
    fn write(
        &mut self,
        filling: &mut Filling<'_>,
        requests: &mut Vec<Request>,
    ) -> Option<Position> {
        let mut next_try = NextTry::default();
        let mut left_out = LeftOut::new();
        let error = loop {
            let map_size = &mut next_try.map_size;
            let failure = match self.try_write(filling, requests, &left_out, map_size) {
                Ok(grown) => return grown,
                Err(failure) => failure,
            };
            // The memory of the transaction's changes is wrong now.
            self.memory.clear();
            match failure {
                Failure::Commit(failed) => break self.settle(failed),
                Failure::Request { index, error } if left_out.len() < MOST_LEFT_OUT => {
                    left_out.insert(index, error);
                }
                failure => {
                    if let Err(error) = next_try.prepare(&self.environment, failure) {
                        break error;
                    }
                }
            }
        };
        self.memory.note_failed_group();
        tracing::warn!(%error, appends = requests.len(), "appends failed");
        requests.iter_mut().for_each(|request| request.fail(&error));
        None
    }

    /// Writes each request when it comes, while the next ones are on their way. Notes the size of the map. Returns
    /// where the log ends if it has grown.
    fn try_write(
        &mut self,
        filling: &mut Filling<'_>,
        requests: &mut Vec<Request>,
        left_out: &LeftOut,
        map_size: &mut usize,
    ) -> Result<Option<Position>, Failure> {
        let environment = self.environment.clone();
        let guard = environment.access()?;
        let open = guard.get()?;
        *map_size = open.map_size;
        // A write that cannot be found again must not be acknowledged.
        environment.look_before_commit()?;
        if self.cleared.elapsed() >= CLEAR {
            self.cleared = Instant::now();
            if let Err(error) = open.env.clear_stale_readers() {
                tracing::warn!(%error, "slots of dead readers could not be released");
            }
        }
        let (transaction, _) = self.begin(open)?;
        let data = environment.data()?;
        if environment.durability() != Durability::NoSync {
            let used = open.used(&transaction)?;
            self.repair.prepare(used, &transaction, &data);
            if let Err(error) = self.prewrite.ahead_of(used, &data) {
                // Zeros make commits faster; without them nothing is lost.
                tracing::debug!(%error, "no zeros were written ahead of the end of the file");
            }
        }
        let tails = (environment.tail(), environment.tag_tail());
        open.catch_up_tags(&transaction, tails.1);
        let mut group = GroupCommit::new(open, tails, transaction, &mut self.memory)?;
        let mut applied = 0;
        loop {
            for request in &mut requests[applied..] {
                if let Some(error) = left_out.get(&applied) {
                    request.fail(error);
                } else {
                    match request.apply(&mut group) {
                        Ok(()) => {}
                        Err(Failure::Store(error)) if tags::is_damage(&error) => {
                            tracing::warn!(%error, "the log is scanned");
                            tails.1.distrust_runs();
                            return Err(Failure::Merge);
                        }
                        Err(Failure::Store(error)) if index::is_damage_of_versions(&error) => {
                            tracing::warn!(%error, "the last records of streams are read instead");
                            return Err(Failure::Merge);
                        }
                        Err(Failure::Store(error)) if is_damaged_page(&error) => {
                            let index = applied;
                            return Err(Failure::Request { index, error });
                        }
                        Err(failure) => return Err(failure),
                    }
                }
                applied += 1;
            }
            match self.linger.next(filling, requests) {
                Some(request) => requests.push(request),
                None => break,
            }
        }
        let began = Instant::now();
        // Data that another process or a failed commit may have left in memory only is acknowledged too, if a request
        // finds it there.
        let grown = group.commit(!self.is_certain, requests.is_empty())?;
        self.is_certain = true;
        self.repair.flushed();
        self.linger.committed(requests.len(), began.elapsed());
        let is_too_short = self.prewrite.is_too_short(length::used(&open.env), &data);
        if is_too_short.unwrap_or(true)
            && let Err(error) = length::lengthen(environment.files(), &open.env)
        {
            tracing::debug!(%error, "the file is not as long as it should be; it will be when it is opened again");
        }
        Ok(grown)
    }

    /// Begins a write. Before the first one, and after a failed one, undoes the remains of a failure.
    fn begin<'o>(&mut self, open: &'o Open) -> Result<(RwTxn<'o>, Repaired), Failure> {
        self.repair.refuse()?;
        let transaction = open.env.write_txn();
        let transaction = transaction.map_err(|error| Failure::of("begin a write", error))?;
        let (files, durability) = (self.environment.files(), self.environment.durability());
        let repaired = self.repair.before(open, &transaction, files, durability)?;
        Ok((transaction, repaired))
    }

    /// Undoes the remains of a failed commit, and returns the error that describes its outcome.
    fn settle(&mut self, failed: FailedCommit) -> StoreError {
        self.repair.need();
        self.is_certain = false;
        self.prewrite.hold_off();
        match self.undo() {
            // LMDB has not switched to the new state, and will not find it later, not even after a power cut. The
            // check compares transaction numbers, because a change of entries does not move the log.
            Ok(last) if last < failed.transaction => failed.refused(self.environment.files()),
            Ok(_) => failed.unknown(None),
            Err(error) => failed.unknown(Some(error)),
        }
    }

    /// Undoes the remains of a failed commit, and returns the number of the last successful one.
    fn undo(&mut self) -> Result<usize, StoreError> {
        let environment = self.environment.clone();
        let mut next_try = NextTry::default();
        let (last, repaired) = loop {
            let failure = {
                let guard = environment.access()?;
                let open = guard.get()?;
                next_try.map_size = open.map_size;
                match self.begin(open) {
                    Ok((transaction, repaired)) => break (transaction.id() - 1, repaired),
                    Err(failure) => failure,
                }
            };
            if let Err(error) = next_try.prepare(&environment, failure) {
                // The repair happens before the next write. The state that LMDB has restored in memory should at
                // least reach the disk.
                let _ = environment.data().map(|data| data.sync_all());
                return Err(error);
            }
        };
        if repaired == Repaired::ToldOnceMore
            && let Err(error) = environment.reopen_if_idle()
        {
            tracing::warn!(%error, "the store could not be reopened");
        }
        Ok(last)
    }

    /// Shortens the file to its required length. If that fails, the file is merely longer.
    fn trim(&mut self) -> Result<(), Failure> {
        // If only other processes wrote, this locks and writes nothing.
        if !self.prewrite.end() {
            return Ok(());
        }
        self.repair.refuse()?;
        let guard = self.environment.access()?;
        let open = guard.get()?;
        let transaction = open.env.write_txn();
        let transaction = transaction.map_err(|error| Failure::of("begin a write", error))?;
        let used = open.used(&transaction)?;
        let data = self.environment.files().data();
        let trimmed = data.and_then(|data| prewrite::cut_off(used, &data));
        trimmed.map_err(|error| Failure::of("trim its file", error.into()))
    }
}
