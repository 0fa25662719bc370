//! Parked events, as programs see them.

use super::notes::Letter;
use crate::place::Place;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An event that was parked, because its handler failed or because it follows such an event in its sequence.
///
/// It stays in the log. When its sequence is [retried](crate::MidgardHandle::retry), the handler gets it again, in the newest
/// version that the program knows by then. An event that is parked only because the program did not know its
/// name or its version is handled automatically once a release that knows both runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Its place in the log.
    pub place: Place,
    /// The stored name of the event.
    pub name: String,
    /// The sequence that is parked with it: its stream, unless the options say otherwise.
    pub sequence: String,
    /// Why it is parked: the error of its last try.
    pub error: String,
    /// How often its handler has failed; zero when it only follows an event that failed.
    pub failures: u32,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// When it was last tried.
    pub tried_at: Timestamp,
}

impl From<Letter> for DeadLetter {
    fn from(letter: Letter) -> Self {
        DeadLetter {
            place: letter.place(),
            name: letter.name,
            sequence: letter.sequence,
            error: letter.error,
            failures: letter.failures,
            parked_at: Timestamp::from_micros(letter.parked),
            tried_at: Timestamp::from_micros(letter.tried),
        }
    }
}

/// Writes one line, for people.
impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at {} of sequence \"{}\", parked {}: {}",
            self.name, self.place, self.sequence, self.parked_at, self.error
        )?;
        match self.failures {
            0 => Ok(()),
            failures => write!(f, " (failed {failures} times, last {})", self.tried_at),
        }
    }
}
