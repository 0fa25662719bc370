//! The note about a consumer as a whole.

use super::coverage::{Coverage, Covered};
use super::notes::{self, NoteError};
use crate::place::{LogId, Place, Position};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The note about a subscription, written when it begins. It never changes, except that later releases add to what is
/// covered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AboutSubscription {
    pub(crate) partitions: u32,
    /// The position in the main log after which it begins.
    pub(crate) start: u64,
    /// Those in other logs. A log that the store did not have then is handled from its first event on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) other_starts: Vec<StartIn>,
    /// The events that every worker that moves its checkpoints covers; `None` when not yet noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) coverage: Option<Coverage>,
}

/// The position after which a consumer begins in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StartIn {
    pub(crate) log: u32,
    pub(crate) start: u64,
}

impl AboutSubscription {
    /// Creates the note about a subscription that begins after these places, at most one of each log.
    pub(crate) fn new(partitions: u32, starts: &[Place]) -> Self {
        let mut about = AboutSubscription {
            partitions,
            start: 0,
            other_starts: Vec::new(),
            coverage: None,
        };
        for Place { log, position } in starts {
            if *log == LogId::MAIN {
                about.start = position.0;
            } else {
                about.other_starts.push(StartIn {
                    log: log.0,
                    start: position.0,
                });
            }
        }
        about
    }

    /// Returns the position in a log after which it begins.
    pub(crate) fn start_in(&self, log: LogId) -> Position {
        if log == LogId::MAIN {
            return Position(self.start);
        }
        let start = self.other_starts.iter().find(|one| one.log == log.0);
        Position(start.map_or(0, |one| one.start))
    }
}

/// The note about a projection: what readers see, and what is built alongside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AboutProjection {
    pub(crate) active: Option<Built>,
    pub(crate) building: Option<Built>,
    /// The highest number that a generation ever had.
    pub(crate) last: u32,
    /// How often a rebuild was requested.
    pub(crate) rebuilds: u32,
    /// The newest version of each event that a worker must be able to read to keep the views up to date.
    #[serde(default, skip_serializing_if = "Covered::is_empty")]
    pub(crate) reads: Covered,
}

/// One generation, and what it is built from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Built {
    pub(crate) number: u32,
    pub(crate) version: u32,
    /// The forms of the views, by name.
    pub(crate) views: BTreeMap<String, String>,
    /// The names of the events that are in its rows. Unknown for generations that earlier releases have noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) events: Option<BTreeSet<String>>,
    /// How often a rebuild had been requested by then.
    pub(crate) rebuilds: u32,
}

impl Built {
    /// Returns the events in its rows that are not among these.
    pub(crate) fn events_beyond(&self, events: &BTreeSet<String>) -> Vec<String> {
        let known = self.events.iter().flatten();
        known
            .filter(|event| !events.contains(*event))
            .cloned()
            .collect()
    }
}

impl AboutProjection {
    /// Returns the number of the generation that readers see.
    pub(crate) fn seen(&self) -> Option<u32> {
        self.active.as_ref().map(|active| active.number)
    }
}

/// The generation of a consumer that its readers see, and its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) generation: u32,
    /// How many partitions each log has.
    pub(crate) partitions: u32,
    /// The note about a subscription, which says where it begins. Projections begin with the first event.
    subscription: Option<AboutSubscription>,
}

impl Seen {
    /// Returns the position in a log after which it begins.
    pub(crate) fn start_in(&self, log: LogId) -> Position {
        let about = self.subscription.as_ref();
        about.map_or(Position::ZERO, |about| about.start_in(log))
    }
}

/// Reads a subscription's note.
pub(crate) fn seen_of_subscription(key: &str, text: &str) -> Result<Option<Seen>, NoteError> {
    let about: AboutSubscription = notes::read(key, text)?;
    Ok(Some(Seen {
        generation: 0,
        partitions: about.partitions,
        subscription: Some(about),
    }))
}

/// Reads a projection's note.
pub(crate) fn seen_of_projection(key: &str, text: &str) -> Result<Option<Seen>, NoteError> {
    let about: AboutProjection = notes::read(key, text)?;
    Ok(about.seen().map(|generation| Seen {
        generation,
        partitions: 1,
        subscription: None,
    }))
}
