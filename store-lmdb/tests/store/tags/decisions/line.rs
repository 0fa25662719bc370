//! The lines of the journals of processes.

use super::attempt::Condition;
use serde::{Deserialize, Serialize};

/// What a process does, or was told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Line {
    /// All events of an attempt were appended; the last one is at a position.
    Appended {
        number: u64,
        /// The stream and the version of each event.
        events: Vec<(String, u64)>,
        last: u64,
    },
    /// An attempt was refused, for the event at a position.
    Refused {
        number: u64,
        condition: Condition,
        position: u64,
    },
    /// An attempt was refused, as a stream was ended.
    Ended { number: u64, stream: String },
    /// The events of a stream before a version are about to be removed.
    Removing { stream: String, before: u64 },
}

impl Line {
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap() + "\n"
    }

    pub(super) fn of(text: &str) -> Self {
        serde_json::from_str(text).unwrap()
    }
}
