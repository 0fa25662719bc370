//! The notes of a process manager in addition to its streams: the open processes, and their deadlines.

use crate::fnv::fnv_1a;
use crate::limits::ENTRY_KEY_BYTES;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The prefix of the short form of a name. No name of an event begins with it.
const SHORT: char = '~';

/// The keys of one process manager's notes.
#[derive(Debug, Clone)]
pub(crate) struct ProcessKeys(String);

impl ProcessKeys {
    /// Creates the keys for a name, which has no slash.
    pub(crate) fn new(name: &str) -> Self {
        ProcessKeys(format!("process/{name}/"))
    }

    pub(super) fn open_all(&self) -> String {
        format!("{}open/", self.0)
    }

    pub(super) fn open(&self, id: &str) -> String {
        format!("{}open/{id}", self.0)
    }

    /// Returns the prefix of all deadlines, in the order of time.
    pub(super) fn deadlines(&self) -> String {
        format!("{}deadline/", self.0)
    }

    /// Returns the key of a deadline. A name that does not fit into it is replaced by its short form, and is stored in the
    /// note.
    pub(super) fn deadline(&self, at: u64, id: &str, name: &str) -> String {
        let key = |name: &str| format!("{}deadline/{at:016x}/{name}/{id}", self.0);
        let whole = key(name);
        if whole.len() <= ENTRY_KEY_BYTES && !name.contains('/') {
            return whole;
        }
        key(&format!("{SHORT}{:016x}", fnv_1a(name.as_bytes())))
    }

    /// Returns the time, the name (or its short form) and the process of a deadline, from its key.
    pub(super) fn parts_of_deadline<'k>(&self, key: &'k str) -> Option<(u64, &'k str, &'k str)> {
        let (at, rest) = key.strip_prefix(&self.deadlines())?.split_once('/')?;
        // A name with a slash always has the short form.
        let (name, id) = rest.split_once('/')?;
        Some((u64::from_str_radix(at, 16).ok()?, name, id))
    }
}

/// An open process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    /// Microseconds since 1970.
    pub(super) since: u64,
    pub(super) updated: u64,
    /// The names of the commands that are not answered yet.
    pub(super) waiting: Vec<String>,
}

/// A deadline, with its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Deadline {
    /// Its name, when the key has the short form of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(rename = "version")]
    pub(super) schema_version: u32,
    /// JSON.
    #[serde(rename = "data")]
    pub(super) payload: String,
    /// The correlation id of the reaction that has set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) correlation_id: Option<String>,
    /// The id of the event that records that it was set.
    pub(super) causation_id: String,
}

/// An open process, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Process {
    /// Its id, as text; or the name of a stream whose parked events cannot be read, so that their process is unknown.
    pub id: String,
    /// When it began.
    pub since: Timestamp,
    /// When it last reacted to something.
    pub updated: Timestamp,
    /// The commands that it has sent and that are not answered yet, by name.
    pub waiting_for: Vec<String>,
    /// Its next deadline.
    pub deadline: Option<Timestamp>,
    /// Whether its events, or answers to it, are parked because a reaction has failed.
    /// [`retry`](crate::MidgardHandle::retry) and [`retry_message`](crate::MidgardHandle::retry_message) pass them to it
    /// again.
    pub is_parked: bool,
}

impl Process {
    /// Returns whether the process no longer makes progress: its reaction has failed and its events or answers are
    /// [parked](Self::is_parked); or nothing has happened for as long as `silence`, and no deadline lies ahead. A deadline
    /// that passed longer ago than that, and is still set, does not count: the reaction to it fails.
    ///
    /// So a process that only waits for an event which may take weeks counts as stuck after the silence. One that sets a
    /// deadline for what it waits for never does: that is the better way to wait.
    #[must_use]
    pub fn is_stuck(&self, now: Timestamp, silence: std::time::Duration) -> bool {
        let silence = u64::try_from(silence.as_micros()).unwrap_or(u64::MAX);
        let before = now.as_micros().saturating_sub(silence);
        let is_silent = self.updated.as_micros() < before;
        let deadline = self.deadline.map(Timestamp::as_micros);
        self.is_parked || (is_silent && deadline.is_none_or(|deadline| deadline < before))
    }
}

/// Writes one line, for people.
impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: since {}, last {}",
            self.id, self.since, self.updated
        )?;
        if !self.waiting_for.is_empty() {
            write!(f, ", waits for {}", self.waiting_for.join(", "))?;
        }
        if let Some(deadline) = self.deadline {
            write!(f, ", until {deadline}")?;
        }
        if self.is_parked {
            f.write_str(", something of it is parked")?;
        }
        Ok(())
    }
}
