//! The status of a running consumer. Its tracks, one for each log, change it; readers see it as a whole.

use super::status::{ConsumerKind, ConsumerState, LastError, LogStatus, Status};
use super::{AtWork, Slot};
use crate::place::{LogId, Place, Position};
use crate::time::Timestamp;
use event_listener::{Event as Notify, EventListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The status of one consumer, shared with its readers.
pub(crate) struct Progress {
    name: String,
    /// One status for each log: a single one for nearly every store.
    logs: Mutex<Vec<Status>>,
    at_work: AtWork,
    changed: Notify,
    restart: AtomicBool,
    /// Whether it was ever at work here.
    is_ready: AtomicBool,
    /// Whether it has ended for good, whatever is asked of it.
    is_over: AtomicBool,
}

impl Progress {
    pub(crate) fn new(name: &str, kind: ConsumerKind) -> Self {
        Progress {
            name: name.to_owned(),
            logs: Mutex::new(vec![Status {
                name: name.to_owned(),
                kind,
                state: ConsumerState::Waiting,
                place: Place::START,
                end: Place::START,
                other_logs: Vec::new(),
                handled: 0,
                skipped: 0,
                parked: 0,
                partitions: 0,
                all_partitions: 0,
                unowned_partitions: 0,
                rebuild: None,
                handling: None,
                last_error: None,
            }]),
            at_work: AtWork::default(),
            changed: Notify::new(),
            restart: AtomicBool::new(false),
            is_ready: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Status>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the logs that are followed besides the main one.
    pub(crate) fn follow(&self, logs: &[LogId]) {
        let mut all = self.lock();
        for log in logs {
            if all.iter().all(|one| one.place.log != *log) {
                let start = Place::new(*log, Position::ZERO);
                let new = Status {
                    place: start,
                    end: start,
                    handled: 0,
                    skipped: 0,
                    ..all[0].clone()
                };
                all.push(new);
            }
        }
    }

    pub(crate) fn status(&self) -> Status {
        let mut status = whole(&self.lock());
        status.handling = self.at_work.longest();
        status
    }

    /// Returns the status in one log, without what all logs have in common; `None` for a log that is not followed yet.
    pub(crate) fn status_in(&self, log: LogId) -> Option<LogStatus> {
        let all = self.lock();
        all.iter().find(|one| one.place.log == log).map(of_log)
    }

    pub(crate) fn state(&self) -> ConsumerState {
        state(&self.lock())
    }

    pub(crate) fn kind(&self) -> ConsumerKind {
        self.lock()[0].kind
    }

    /// Returns a slot that shows what is handled, for a worker that does one thing at a time.
    pub(crate) fn slot(&self) -> Slot<'_> {
        self.at_work.slot()
    }

    /// Returns the progress in one log.
    pub(crate) const fn in_log(&self, log: LogId) -> LogProgress<'_> {
        LogProgress {
            progress: self,
            log,
        }
    }

    /// Changes the status in every log, and wakes the tasks that wait for a change.
    pub(crate) fn update(&self, change: impl FnMut(&mut Status)) {
        self.change(|all| all.iter_mut().for_each(change));
    }

    fn change(&self, change: impl FnOnce(&mut [Status])) {
        let (before, after) = {
            let mut all = self.lock();
            let before = state(&all);
            change(&mut all);
            (before, state(&all))
        };
        if before != after {
            if after.is_ready() {
                self.is_ready.store(true, Ordering::SeqCst);
            }
            let status = &self.lock()[0];
            tracing::info!(consumer = self.name, kind = %status.kind, from = %before, to = %after,
                position = status.place.position.0, end = status.end.position.0, "consumer changed state");
        }
        self.changed.notify(usize::MAX);
    }

    pub(crate) fn set_state(&self, new: ConsumerState) {
        if self.lock().iter().any(|one| one.state != new) {
            self.update(|status| status.state = new);
        }
    }

    /// Records what went wrong as a whole, and traces it.
    pub(crate) fn failed(
        &self,
        state: ConsumerState,
        place: Option<Place>,
        failures: u32,
        message: String,
    ) {
        let error = self.last_error(state, place, failures, message);
        self.update(|status| {
            status.state = state;
            status.last_error = Some(error.clone());
        });
    }

    /// Records what went wrong beside the log, which is followed as before, and traces it.
    pub(crate) fn failed_beside(&self, place: Option<Place>, failures: u32, message: String) {
        let error = self.last_error(self.state(), place, failures, message);
        self.update(|status| status.last_error = Some(error.clone()));
    }

    fn last_error(
        &self,
        state: ConsumerState,
        place: Option<Place>,
        failures: u32,
        message: String,
    ) -> LastError {
        tracing::warn!(consumer = self.name, position = place.map(|at| at.position.0), failures,
            state = %state, error = message, "consumer failed");
        LastError {
            message,
            place,
            time: Timestamp::now(),
            failures,
        }
    }

    pub(crate) fn listen(&self) -> EventListener {
        self.changed.listen()
    }

    /// Returns whether it was ever at work here.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::SeqCst)
    }

    /// Returns whether it has ended for good, whatever is asked of it.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Waits until a condition holds that depends on the status.
    pub(crate) async fn until(&self, holds: impl Fn() -> bool) {
        loop {
            let changed = self.listen();
            if holds() {
                return;
            }
            changed.await;
        }
    }

    /// Marks it as ended for good. Its state stays, or becomes `NeverRun` or `Dropped` if it did not come to its end.
    pub(crate) fn close(&self, was_to_run: bool) {
        self.is_over.store(true, Ordering::SeqCst);
        let is_ready = self.is_ready();
        self.update(|status| {
            if was_to_run && !status.state.is_end() {
                status.state = match status.state {
                    ConsumerState::Waiting if !is_ready => ConsumerState::NeverRun,
                    _ => ConsumerState::Dropped,
                };
            }
        });
    }

    /// Requests a restart of a consumer that has failed; returns whether anything is left to restart it.
    pub(crate) fn ask_restart(&self) -> bool {
        // A request before it has failed must not restart it later.
        if self.state() == ConsumerState::Failed && !self.is_over() {
            self.restart.store(true, Ordering::SeqCst);
            // Those that wait from now on must not see the old failure.
            self.set_state(ConsumerState::Waiting);
        }
        !self.is_over()
    }

    /// Returns whether it shows that it has failed for good with this message.
    pub(crate) fn shows_failure(&self, message: &str) -> bool {
        let is_so = |one: &Status| {
            let shown = one.last_error.as_ref().map(|error| error.message.as_str());
            one.state == ConsumerState::Failed && shown == Some(message)
        };
        self.lock().iter().any(is_so)
    }

    /// Returns whether a restart was requested, and is not taken yet.
    pub(crate) fn is_restart_asked(&self) -> bool {
        self.restart.load(Ordering::SeqCst)
    }

    /// Returns whether a restart was requested since the last call.
    pub(crate) fn take_restart(&self) -> bool {
        self.restart.swap(false, Ordering::SeqCst)
    }
}

/// Returns the state of a consumer that follows these logs.
fn state(logs: &[Status]) -> ConsumerState {
    let states = logs.iter().map(|log| log.state);
    let first = states.min_by_key(|state| state.rank());
    first.unwrap_or(ConsumerState::Waiting)
}

/// Returns the status of a consumer from those in its logs.
fn whole(logs: &[Status]) -> Status {
    let (main, others) = (&logs[0], &logs[1..]);
    let mut status = main.clone();
    status.state = state(logs);
    for other in others {
        status.other_logs.push(of_log(other));
        status.handled += other.handled;
        status.skipped += other.skipped;
        status.parked += other.parked;
        status.partitions += other.partitions;
        status.all_partitions += other.all_partitions;
        status.unowned_partitions += other.unowned_partitions;
    }
    let errors = logs.iter().filter_map(|log| log.last_error.as_ref());
    status.last_error = errors.max_by_key(|error| error.time).cloned();
    status
}

const fn of_log(status: &Status) -> LogStatus {
    LogStatus {
        place: status.place,
        end: status.end,
        partitions: status.partitions,
        all_partitions: status.all_partitions,
        rebuild: status.rebuild,
    }
}

/// The progress of a consumer in one log, for the track that follows the log.
#[derive(Clone, Copy)]
pub(crate) struct LogProgress<'a> {
    progress: &'a Progress,
    log: LogId,
}

impl LogProgress<'_> {
    /// Changes the status in the log, and wakes the tasks that wait for a change.
    pub(crate) fn update(self, change: impl FnOnce(&mut Status)) {
        self.progress.change(|all| {
            let mut all = all.iter_mut();
            if let Some(status) = all.find(|one| one.place.log == self.log) {
                change(status);
            }
        });
    }

    pub(crate) fn state(self) -> ConsumerState {
        let all = self.progress.lock();
        let status = all.iter().find(|one| one.place.log == self.log);
        status.map_or(ConsumerState::Waiting, |status| status.state)
    }

    pub(crate) fn set_unowned(self, partitions: u32) {
        let is_so =
            |one: &Status| one.place.log == self.log && one.unowned_partitions == partitions;
        if !self.progress.lock().iter().any(is_so) {
            self.update(|status| status.unowned_partitions = partitions);
        }
    }

    /// Records what went wrong in the log, and traces it.
    pub(crate) fn failed(
        self,
        state: ConsumerState,
        place: Option<Place>,
        failures: u32,
        message: String,
    ) {
        let error = self.progress.last_error(state, place, failures, message);
        self.update(|status| {
            status.state = state;
            status.last_error = Some(error);
        });
    }
}
