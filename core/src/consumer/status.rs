//! How a subscription or a projection is doing.

use super::{AtWork, Handling, Slot};
use crate::place::Place;
use crate::time::Timestamp;
use event_listener::{Event as Notify, EventListener};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How a subscription or a projection is doing, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ConsumerKind,
    /// What it does.
    pub state: ConsumerState,
    /// Up to where this worker has seen the log. A worker that stands by does not look: this, `end` and the
    /// lag stay as they were, zero at first; those of an inbox stay zero.
    pub place: Place,
    /// The end of that log, when it last looked.
    pub end: Place,
    /// The events, or the messages of an inbox, that were handled since it was started here.
    pub handled: u64,
    /// The events, or messages, that were skipped since it was started here, as their policy says.
    pub skipped: u64,
    /// The sequences that are parked; the handle's `dead_letters` lists their events. Of an inbox, the messages, which
    /// `parked_messages` lists.
    pub parked: usize,
    /// The partitions that this worker owns.
    pub partitions: u32,
    /// The partitions that there are; zero until it has begun.
    pub all_partitions: u32,
    /// The partitions that nobody handles, as far as this worker knows: those without an owner, and those whose owner
    /// has not answered for its [lease](crate::consumer::ConsumerOptions::lease). They are taken over soon by those who are
    /// there, unless all of them are busy.
    pub unowned_partitions: u32,
    /// How far a rebuild is that goes on beside.
    pub rebuild: Option<Rebuild>,
    /// What its handler is at; when there are several, for longest. `None` while it has nothing to do.
    pub handling: Option<Handling>,
    /// The last thing that went wrong. It stays when it is over.
    pub last_error: Option<LastError>,
}

impl Status {
    /// By how many positions it is behind the end of the log.
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

/// One line, for people.
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

/// What has a status.
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

/// What a subscription or a projection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConsumerState {
    /// It was not started here yet.
    Waiting,
    /// It was to be run, and was not: [`run`](crate::Midgard::run) failed at once, as [`LastError`] says, or its future was
    /// dropped before.
    NeverRun,
    /// Other workers own all partitions; this one takes over when one of them is gone.
    Standby,
    /// It handles what was appended before.
    CatchingUp,
    /// Its views are built anew, and readers see the old ones meanwhile, as they were left.
    Rebuilding,
    /// It is at the end of the log, and handles what is appended as it comes.
    Live,
    /// Something failed, and is tried again.
    Retrying,
    /// It gave up; [`LastError`] says why. It goes on when it is started again.
    Failed,
    /// It has come to its end: it was stopped, or drained.
    Stopped,
    /// The future of [`run`](crate::Midgard::run) was dropped, or its task aborted, while it was at work: it does nothing any
    /// more.
    Dropped,
}

impl ConsumerState {
    /// Whether it is at work, or stands by for those who are.
    const fn is_ready(self) -> bool {
        matches!(
            self,
            ConsumerState::Standby
                | ConsumerState::CatchingUp
                | ConsumerState::Rebuilding
                | ConsumerState::Live
        )
    }

    /// Whether it goes on by itself. What is at its end may be waited for in vain.
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

/// A rebuild that goes on beside what readers see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rebuild {
    /// Up to where the new views are built.
    pub place: Place,
    /// Where it was when readers switch to them: how far the old ones are.
    pub target: Place,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LastError {
    /// What, in a sentence.
    pub message: String,
    /// The place of the event it went wrong at, if at one.
    pub place: Option<Place>,
    /// When.
    pub time: Timestamp,
    /// How often it has failed in a row.
    pub failures: u32,
}

/// The status of one consumer, as it is shared with those who ask.
pub(crate) struct Progress {
    name: String,
    status: Mutex<Status>,
    at_work: AtWork,
    changed: Notify,
    restart: AtomicBool,
    /// Whether it was ever at work here.
    is_ready: AtomicBool,
    /// Whether it does nothing any more, whatever is asked of it.
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

    /// A slot to show what is handled, for one who does one thing at a time.
    pub(crate) fn slot(&self) -> Slot<'_> {
        self.at_work.slot()
    }

    /// Changes the status, and wakes those who wait for a change.
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

    /// Takes down what went wrong, and says so where the program traces.
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

    /// Whether it was ever at work here.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::SeqCst)
    }

    /// Whether it does nothing any more, whatever is asked of it.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Waits until something holds that a change of the status may bring about.
    pub(crate) async fn until(&self, holds: impl Fn() -> bool) {
        loop {
            let changed = self.listen();
            if holds() {
                return;
            }
            changed.await;
        }
    }

    /// Nothing runs it any more. Its state is the last that it had, or says that it was not let come to its end.
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

    /// Asks for a consumer that has failed to be started again; says whether there is anything that could.
    pub(crate) fn ask_restart(&self) -> bool {
        // One that has not failed is not to be started again when it does.
        if self.state() == ConsumerState::Failed && !self.is_over() {
            self.restart.store(true, Ordering::SeqCst);
            // Who waits for it from now on does not wait for what has failed.
            self.set_state(ConsumerState::Waiting);
        }
        !self.is_over()
    }

    /// Whether a restart was asked for since the last time.
    pub(crate) fn take_restart(&self) -> bool {
        self.restart.swap(false, Ordering::SeqCst)
    }
}
