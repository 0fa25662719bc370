//! The status of consumers.

use super::{AtWork, Handling, Slot};
use crate::place::Place;
use crate::time::Timestamp;
use event_listener::{Event as Notify, EventListener};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How a consumer is doing, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ConsumerKind,
    /// What it is doing.
    pub state: ConsumerState,
    /// The place up to which this worker has read the log. A worker that stands by does not read: its `place`, `end` and
    /// lag stay as they were, zero at first; those of an inbox stay zero.
    pub place: Place,
    /// The end of that log when this worker last read it.
    pub end: Place,
    /// The number of events, or of messages of an inbox, handled since it was started here.
    pub handled: u64,
    /// The number of events or messages skipped, by their policy, since it was started here.
    pub skipped: u64,
    /// The number of parked sequences; the handle's `dead_letters` lists their events. For an inbox, the number of parked
    /// messages, which `parked_messages` lists.
    pub parked: usize,
    /// The number of partitions that this worker owns.
    pub partitions: u32,
    /// The number of all partitions; zero until it has begun.
    pub all_partitions: u32,
    /// The number of partitions that no worker handles, as far as this worker knows: those without an owner, and those
    /// whose owner has been silent for longer than its [lease](crate::consumer::ConsumerOptions::lease). The remaining workers
    /// soon take them over, unless all are busy.
    pub unowned_partitions: u32,
    /// Progress of a rebuild running alongside, if any.
    pub rebuild: Option<Rebuild>,
    /// What its handler is working on; if there are several, the one that has run longest. `None` while idle.
    pub handling: Option<Handling>,
    /// The last error. It stays after recovery.
    pub last_error: Option<LastError>,
}

impl Status {
    /// Returns by how many positions it is behind the end of the log.
    #[must_use]
    pub const fn lag(&self) -> u64 {
        let (end, position) = (self.end.position, self.place.position);
        end.0.saturating_sub(position.0)
    }
}

fn counted(number: u64, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {what}{ending}")
}

/// Writes one line, for people.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind, self.name, self.state)?;
        let is_inbox = self.kind == ConsumerKind::Inbox;
        let (one, held) = if is_inbox {
            write!(f, ", {} handled", counted(self.handled, "message"))?;
            ("message", "message")
        } else {
            write!(f, ", at {} of {}", self.place, self.end)?;
            ("event", "sequence")
        };
        if self.skipped > 0 {
            write!(f, ", {} skipped", counted(self.skipped, one))?;
        }
        if self.parked > 0 {
            write!(f, ", {} parked", counted(self.parked as u64, held))?;
        }
        if let Some(rebuild) = &self.rebuild {
            write!(f, ", rebuilt up to {} of {}", rebuild.place, rebuild.target)?;
        }
        if self.unowned_partitions > 0 {
            let unowned = counted(self.unowned_partitions.into(), "partition");
            write!(f, ", {unowned} without an owner")?;
        }
        if let Some(handling) = &self.handling {
            write!(f, ", {handling}")?;
        }
        match &self.last_error {
            Some(error) => write!(f, "; last error at {}: {}", error.time, error.message),
            None => Ok(()),
        }
    }
}

/// The kind of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConsumerKind {
    /// A subscription.
    Subscription,
    /// A projection.
    Projection,
    /// An outbox.
    Outbox,
    /// An inbox.
    Inbox,
    /// A process manager.
    ProcessManager,
}

impl fmt::Display for ConsumerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConsumerKind::Subscription => "subscription",
            ConsumerKind::Projection => "projection",
            ConsumerKind::Outbox => "outbox",
            ConsumerKind::Inbox => "inbox",
            ConsumerKind::ProcessManager => "process manager",
        })
    }
}

/// What a consumer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConsumerState {
    /// It has not been started here yet.
    Waiting,
    /// It never ran: [`run`](crate::Midgard::run) failed at once, as [`LastError`] shows, or its future was dropped
    /// before it started.
    NeverRun,
    /// Other workers own all partitions; this one takes over when one of them disappears.
    Standby,
    /// It is catching up: it handles events that were appended earlier.
    CatchingUp,
    /// Its views are being rebuilt; meanwhile readers see the old ones, unchanged.
    Rebuilding,
    /// It has caught up, and handles events as they are appended.
    Live,
    /// Something failed, and is retried.
    Retrying,
    /// It gave up; [`LastError`] shows why. It continues when it is restarted.
    Failed,
    /// It has ended: it was stopped, or drained.
    Stopped,
    /// The future of [`run`](crate::Midgard::run) was dropped, or its task aborted, while it was at work. It no longer
    /// does anything.
    Dropped,
}

impl ConsumerState {
    /// Returns whether it is at work, or stands by for those that are.
    const fn is_ready(self) -> bool {
        matches!(
            self,
            ConsumerState::Standby
                | ConsumerState::CatchingUp
                | ConsumerState::Rebuilding
                | ConsumerState::Live
        )
    }

    /// Returns whether it has ended, and does not go on by itself. Waiting for it may be in vain.
    pub(crate) const fn is_end(self) -> bool {
        matches!(
            self,
            ConsumerState::NeverRun
                | ConsumerState::Failed
                | ConsumerState::Stopped
                | ConsumerState::Dropped
        )
    }
}

impl fmt::Display for ConsumerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConsumerState::Waiting => "waiting",
            ConsumerState::NeverRun => "never run",
            ConsumerState::Standby => "standby",
            ConsumerState::CatchingUp => "catching up",
            ConsumerState::Rebuilding => "rebuilding",
            ConsumerState::Live => "live",
            ConsumerState::Retrying => "retrying",
            ConsumerState::Failed => "failed",
            ConsumerState::Stopped => "stopped",
            ConsumerState::Dropped => "dropped",
        })
    }
}

/// A rebuild running alongside the views that readers see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rebuild {
    /// The place up to which the new views are built.
    pub place: Place,
    /// The place of the old views: once the new ones reach it, readers switch to them.
    pub target: Place,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LastError {
    /// What went wrong, in a sentence.
    pub message: String,
    /// The place of the event that failed, if it was an event.
    pub place: Option<Place>,
    /// When it went wrong.
    pub time: Timestamp,
    /// How often it has failed in a row.
    pub failures: u32,
}

/// The status of one consumer, shared with its readers.
pub(crate) struct Progress {
    name: String,
    status: Mutex<Status>,
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
            status: Mutex::new(Status {
                name: name.to_owned(),
                kind,
                state: ConsumerState::Waiting,
                place: Place::START,
                end: Place::START,
                handled: 0,
                skipped: 0,
                parked: 0,
                partitions: 0,
                all_partitions: 0,
                unowned_partitions: 0,
                rebuild: None,
                handling: None,
                last_error: None,
            }),
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

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn status(&self) -> Status {
        let mut status = self.lock().clone();
        status.handling = self.at_work.longest();
        status
    }

    pub(crate) fn state(&self) -> ConsumerState {
        self.lock().state
    }

    /// Returns a slot that shows what is handled, for a worker that does one thing at a time.
    pub(crate) fn slot(&self) -> Slot<'_> {
        self.at_work.slot()
    }

    /// Changes the status, and wakes the tasks that wait for a change.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Status)) {
        let (before, after) = {
            let mut status = self.lock();
            let before = status.state;
            change(&mut status);
            (before, status.state)
        };
        if before != after {
            if after.is_ready() {
                self.is_ready.store(true, Ordering::SeqCst);
            }
            let status = self.lock();
            tracing::info!(consumer = self.name, kind = %status.kind, from = %before, to = %after,
                position = status.place.position.0, end = status.end.position.0, "consumer changed state");
        }
        self.changed.notify(usize::MAX);
    }

    pub(crate) fn set_unowned(&self, partitions: u32) {
        if self.lock().unowned_partitions != partitions {
            self.update(|status| status.unowned_partitions = partitions);
        }
    }

    pub(crate) fn set_state(&self, state: ConsumerState) {
        if self.lock().state != state {
            self.update(|status| status.state = state);
        }
    }

    /// Records what went wrong, and traces it.
    pub(crate) fn failed(
        &self,
        state: ConsumerState,
        place: Option<Place>,
        failures: u32,
        message: String,
    ) {
        tracing::warn!(consumer = self.name, position = place.map(|at| at.position.0), failures,
            state = %state, error = message, "consumer failed");
        self.update(|status| {
            status.state = state;
            status.last_error = Some(LastError {
                message,
                place,
                time: Timestamp::now(),
                failures,
            });
        });
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

    /// Returns whether a restart was requested since the last call.
    pub(crate) fn take_restart(&self) -> bool {
        self.restart.swap(false, Ordering::SeqCst)
    }
}
