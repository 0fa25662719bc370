//! The status of consumers.

use super::Handling;
use crate::place::Place;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

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
    /// The place up to which this worker has read the main log. A worker that stands by does not read: its `place`, `end`
    /// and lag stay as they were, zero at first; those of an inbox stay zero.
    pub place: Place,
    /// The end of that log when this worker last read it.
    pub end: Place,
    /// The progress in the other logs, by their ids. Nearly every store has one log, and this is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_logs: Vec<LogStatus>,
    /// The number of events, or of messages of an inbox, handled since it was started here.
    pub handled: u64,
    /// The number of events or messages skipped, by their policy, since it was started here.
    pub skipped: u64,
    /// The number of parked sequences; the handle's `dead_letters` lists their events. For an inbox, the number of parked
    /// messages, which `parked_messages` lists.
    pub parked: usize,
    /// The number of partitions that this worker owns, of all logs.
    pub partitions: u32,
    /// The number of all partitions, of all logs; zero until it has begun.
    pub all_partitions: u32,
    /// The number of partitions that no worker handles, as far as this worker knows: those without an owner, and those
    /// whose owner has been silent for longer than its [lease](crate::consumer::ConsumerOptions::lease). The remaining workers
    /// soon take them over, unless all are busy.
    pub unowned_partitions: u32,
    /// Progress of a rebuild running alongside, if any, in the main log.
    pub rebuild: Option<Rebuild>,
    /// What its handler is working on; if there are several, the one that has run longest. `None` while idle.
    pub handling: Option<Handling>,
    /// The last error. It stays after recovery.
    pub last_error: Option<LastError>,
}

impl Status {
    /// Returns by how many positions it is behind the end of the log; the sum over all logs, if there are several.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let others = self.other_logs.iter();
        let others = others.map(|log| behind(log.place, log.end));
        behind(self.place, self.end) + others.sum::<u64>()
    }
}

const fn behind(place: Place, end: Place) -> u64 {
    end.position.0.saturating_sub(place.position.0)
}

/// The progress of a consumer in one of several logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogStatus {
    /// The place up to which this worker has read the log.
    pub place: Place,
    /// The end of the log when this worker last read it.
    pub end: Place,
    /// The number of its partitions that this worker owns.
    pub partitions: u32,
    /// The number of all its partitions; zero until the consumer has begun.
    pub all_partitions: u32,
    /// Progress of a rebuild running alongside, if any.
    pub rebuild: Option<Rebuild>,
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
            for LogStatus { place, end, .. } in &self.other_logs {
                write!(f, ", at {} of {end}", place.position)?;
            }
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
    pub(super) const fn is_ready(self) -> bool {
        matches!(
            self,
            ConsumerState::Standby
                | ConsumerState::CatchingUp
                | ConsumerState::Rebuilding
                | ConsumerState::Live
        )
    }

    /// Returns how much the state of one log says about all of them, the most telling first.
    pub(super) const fn rank(self) -> u8 {
        match self {
            ConsumerState::Failed => 0,
            ConsumerState::NeverRun => 1,
            ConsumerState::Dropped => 2,
            ConsumerState::Retrying => 3,
            ConsumerState::Waiting => 4,
            ConsumerState::Rebuilding => 5,
            ConsumerState::CatchingUp => 6,
            ConsumerState::Live => 7,
            ConsumerState::Standby => 8,
            ConsumerState::Stopped => 9,
        }
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
