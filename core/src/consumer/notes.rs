//! The notes of a consumer: texts by key, alongside its views or in the event store.
//!
//! All are JSON with a `format`, so that later releases know what they read.

use crate::cause::Whole;
use crate::event::codec::from_json;
use crate::notes::NoteStore;
use crate::place::{LogId, Place, Position};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;

/// The format of notes that this release writes.
const FORMAT: u32 = 1;

/// Why a note could not be read or written for now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoteError {
    #[error("{}", Whole(&**.0))]
    Backend(Box<dyn Error + Send + Sync>),
    /// Another has changed what a commit relied on.
    #[error("{}", Whole(&**.0))]
    Conflict(Box<dyn Error + Send + Sync>),
    #[error(
        "the note \"{key}\" cannot be read ({reason}); it was damaged, or written by a newer release; run the newer release, or restore the store from a backup"
    )]
    Unreadable { key: String, reason: String },
}

pub(crate) fn backend(error: impl Error + Send + Sync + 'static) -> NoteError {
    NoteError::Backend(Box::new(error))
}

/// Commits a transaction.
pub(crate) async fn commit<V: NoteStore>(
    notes: &V,
    transaction: V::Transaction,
) -> Result<(), NoteError> {
    let outcome = notes.commit(transaction).await;
    committed(notes, outcome)
}

/// Distinguishes a conflict with others from other errors of a commit.
pub(crate) fn committed<V: NoteStore>(
    notes: &V,
    outcome: Result<(), V::Error>,
) -> Result<(), NoteError> {
    outcome.map_err(|error| {
        if notes.is_conflict(&error) {
            NoteError::Conflict(Box::new(error))
        } else {
            backend(error)
        }
    })
}

/// The keys of one consumer's notes.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    own: String,
    /// The prefix of the keys of leases: consumers that share it work one at a time.
    leases: String,
}

impl Keys {
    /// Creates the keys; `kind` is `subscription`, `projection`, `process`, `outbox` or `outbox@{bus}`; a name has no slash.
    pub(crate) fn new(kind: &str, name: &str) -> Self {
        let own = format!("{kind}/{name}/");
        Keys {
            leases: own.clone(),
            own,
        }
    }

    /// Returns the same keys, except for the leases, which are shared with another consumer.
    pub(crate) fn with_leases_of(self, other: Keys) -> Self {
        Keys {
            leases: other.leases,
            ..self
        }
    }

    pub(crate) fn about(&self) -> String {
        format!("{}about", self.own)
    }

    pub(crate) fn known(&self) -> String {
        format!("{}known", self.own)
    }

    pub(crate) fn discarded(&self) -> String {
        format!("{}discarded/", self.own)
    }

    /// Returns the prefix of all notes of a generation.
    pub(crate) fn generation(&self, generation: u32) -> String {
        format!("{}{generation:010}/", self.own)
    }

    /// Returns the prefix of all checkpoints of a generation.
    pub(crate) fn checkpoints(&self, generation: u32) -> String {
        format!("{}{generation:010}/checkpoint/", self.own)
    }

    pub(crate) fn checkpoint(&self, generation: u32, log: LogId, partition: u32) -> String {
        format!("{}{log}/{partition:05}", self.checkpoints(generation))
    }

    /// Returns the log of a checkpoint, from its key.
    pub(crate) fn log_of_checkpoint(key: &str) -> Option<LogId> {
        let log = key.rsplit('/').nth(1)?;
        log.parse().ok().map(LogId)
    }

    pub(crate) fn lease(&self, generation: u32, log: LogId, partition: u32) -> String {
        let of_log = OfLog(log);
        format!(
            "{}{generation:010}/lease/{of_log}{partition:05}",
            self.leases
        )
    }

    pub(crate) fn challenge(&self, generation: u32, log: LogId, partition: u32) -> String {
        let of_log = OfLog(log);
        format!(
            "{}{generation:010}/challenge/{of_log}{partition:05}",
            self.leases
        )
    }

    /// Returns the prefix of all dead letters of a generation.
    pub(crate) fn letters(&self, generation: u32) -> String {
        format!("{}{generation:010}/letter/", self.own)
    }

    /// Returns the prefix of the dead letters of a generation in one log.
    pub(crate) fn letters_in(&self, generation: u32, log: LogId) -> String {
        format!("{}{log}/", self.letters(generation))
    }

    pub(crate) fn letter(&self, generation: u32, place: Place) -> String {
        let letters = self.letters_in(generation, place.log);
        format!("{letters}{:020}", place.position.0)
    }

    /// Returns the prefix of the requests about dead letters of a generation in one log.
    pub(crate) fn requests_in(&self, generation: u32, log: LogId) -> String {
        format!("{}{generation:010}/request/{log}/", self.own)
    }

    pub(crate) fn request(&self, generation: u32, place: Place) -> String {
        let requests = self.requests_in(generation, place.log);
        format!("{requests}{:020}", place.position.0)
    }
}

/// Returns the part of a lease's key that names its log. It is empty for the main log: the first stores had only that one.
struct OfLog(LogId);

impl fmt::Display for OfLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            LogId::MAIN => Ok(()),
            log => write!(f, "{log}/"),
        }
    }
}

#[derive(Serialize)]
struct Versioned<T> {
    format: u32,
    #[serde(flatten)]
    note: T,
}

pub(crate) fn write<T: Serialize>(note: T) -> Result<String, NoteError> {
    let versioned = Versioned {
        format: FORMAT,
        note,
    };
    serde_json::to_string(&versioned).map_err(backend)
}

pub(crate) fn read<T: DeserializeOwned>(key: &str, text: &str) -> Result<T, NoteError> {
    let unreadable = |reason| NoteError::Unreadable {
        key: key.to_owned(),
        reason,
    };
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    // Checked first, as a newer format may have other fields.
    let read = from_json(text.as_bytes(), PhantomData::<Format>);
    let Format { format } = read.map_err(|error| unreadable(error.to_string()))?;
    if format > FORMAT {
        return Err(unreadable(format!(
            "it has format {format}, and this release reads formats up to {FORMAT}"
        )));
    }
    from_json(text.as_bytes(), PhantomData).map_err(|error| unreadable(error.to_string()))
}

/// Reads one note in a transaction.
pub(crate) async fn get<V: NoteStore, T: DeserializeOwned>(
    store: &V,
    transaction: &mut V::Transaction,
    key: &str,
) -> Result<Option<T>, NoteError> {
    let text = store.get(transaction, key).await.map_err(backend)?;
    text.map(|text| read(key, &text)).transpose()
}

/// Writes one note in a transaction.
pub(crate) async fn put<V: NoteStore, T: Serialize>(
    store: &V,
    transaction: &mut V::Transaction,
    key: &str,
    note: T,
) -> Result<(), NoteError> {
    let text = write(note)?;
    let put = store.put(transaction, key, Some(&text));
    put.await.map_err(backend)
}

/// Removes one note in a transaction.
pub(crate) async fn remove<V: NoteStore>(
    store: &V,
    transaction: &mut V::Transaction,
    key: &str,
) -> Result<(), NoteError> {
    store.put(transaction, key, None).await.map_err(backend)
}

/// Reads the notes whose keys begin with a prefix, in the order of keys.
pub(crate) async fn list<V: NoteStore, T: DeserializeOwned>(
    store: &V,
    transaction: &mut V::Transaction,
    prefix: &str,
) -> Result<Vec<(String, T)>, NoteError> {
    let texts = store.list(transaction, prefix).await.map_err(backend)?;
    let notes = texts.into_iter().map(|(key, text)| {
        let note = read(&key, &text)?;
        Ok((key, note))
    });
    notes.collect()
}

/// The position up to which a partition of a log was handled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) position: u64,
    /// The id of the event at the position: it distinguishes this log from another, or from one that was restored and has
    /// grown since. `None` in older notes, and if the log has no event there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<String>,
    /// Events that were passed by releases that did not know them: they are handed over before anything after the position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) behind: Vec<Behind>,
}

impl Checkpoint {
    /// Returns a checkpoint of a position alone.
    pub(crate) fn at(position: Position) -> Self {
        Checkpoint {
            position: position.0,
            ..Checkpoint::default()
        }
    }

    /// Returns the position up to which everything was handled.
    pub(crate) fn handled(&self) -> Position {
        let behind = self.behind.iter().map(|behind| behind.position);
        Position(behind.fold(self.position, u64::min))
    }

    /// Moves it on, or first the passed events if there are any; returns whether anything changed.
    pub(crate) fn advance(&mut self, reached: Position) -> bool {
        let Some(first) = self.behind.first_mut() else {
            let is_new = self.position < reached.0;
            if is_new {
                self.position = reached.0;
                self.event = None;
            }
            return is_new;
        };
        let is_new = first.position < reached.0;
        first.position = first.position.max(reached.0);
        is_new
    }

    /// Drops passed events that have caught up; returns whether there were any. Not in the middle of a batch, which does not
    /// contain the events that come next then.
    pub(crate) fn drop_finished(&mut self) -> bool {
        let before = self.behind.len();
        self.behind.retain(|behind| behind.position < behind.end);
        self.behind.len() < before
    }
}

/// Events of some names that were passed by releases that did not know them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Behind {
    pub(crate) names: BTreeSet<String>,
    /// The position up to which they have been handed over since.
    pub(crate) position: u64,
    /// The last position at which they were passed.
    pub(crate) end: u64,
}

/// Which worker handles a partition: every commit of its work relies on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// The worker; none when it has given the partition up.
    pub(crate) owner: Option<String>,
    /// How often the owner has changed.
    pub(crate) epoch: u64,
}

/// A challenge to the owner of a partition. It is separate from the lease, as a challenge must not make the owner's next
/// commit fail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Challenge {
    /// The worker that asks whether the owner is still there, and wants the partition.
    pub(crate) challenger: Option<String>,
    /// How often the owner has answered.
    pub(crate) answers: u64,
}

/// An event that was parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) log: u32,
    pub(crate) position: u64,
    pub(crate) sequence: String,
    pub(crate) partition: u32,
    pub(crate) name: String,
    pub(crate) error: String,
    /// How often its handler failed on it; zero when it only follows a parked one.
    pub(crate) failures: u32,
    /// Microseconds since 1970.
    pub(crate) parked: u64,
    pub(crate) tried: u64,
    /// Its version, when it was parked only because the release did not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unknown: Option<u32>,
    /// Whether it was skipped, and holds up nothing of its sequence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_passed: bool,
}

impl Letter {
    pub(crate) const fn place(&self) -> Place {
        Place::new(LogId(self.log), Position(self.position))
    }
}

/// A request about the event parked at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) log: u32,
    pub(crate) position: u64,
    /// Give it up, rather than retry it with all parked events of its sequence.
    pub(crate) is_eviction: bool,
}

impl Request {
    pub(crate) const fn place(&self) -> Place {
        Place::new(LogId(self.log), Position(self.position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_of_a_newer_format_is_refused_and_named() {
        for newer in [
            r#"{"format":2,"position":7}"#,
            r#"{"format":2,"places":[7]}"#,
        ] {
            let message = read::<Checkpoint>("k", newer).unwrap_err().to_string();
            assert!(
                message.contains("\"k\"") && message.contains("format 2"),
                "{message}"
            );
        }
        let text = write(Checkpoint::at(Position(7))).unwrap();
        assert_eq!(text, r#"{"format":1,"position":7}"#);
        assert_eq!(read::<Checkpoint>("k", &text).unwrap().position, 7);
    }
}
