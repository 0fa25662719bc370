//! Where an event is: a log and a position in it, a stream and a version in it.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// Before the first one.
            pub const ZERO: Self = Self(0);
            /// The first one.
            pub const FIRST: Self = Self(1);
            /// The largest possible number.
            pub const MAX: Self = Self(u64::MAX);

            /// Returns the next number.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// Returns the previous number; zero stays zero.
            #[must_use]
            pub const fn previous(self) -> Self {
                Self(self.0.saturating_sub(1))
            }

            /// Returns the number itself.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<u64> for $name {
            fn from(number: u64) -> Self {
                Self(number)
            }
        }

        impl From<$name> for u64 {
            fn from(counter: $name) -> u64 {
                counter.0
            }
        }
    };
}

counter! {
    /// The number of an event in a log, from 1, in commit order. Zero is the position before the first event.
    ///
    /// Positions grow but may have gaps, such as those left by truncated streams. With serde it is a number. To store
    /// a position, store its [`Place`].
    Position
}

counter! {
    /// The number of an event in its stream, from 1, without gaps. Zero is a stream without events. With serde it is a number.
    Version
}

/// The id of a log. Nearly every store has one log, [`LogId::MAIN`]. Positions of different logs are not comparable,
/// so store a [`Place`] rather than a position. With serde it is a number.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LogId(pub u32);

impl LogId {
    /// The first log, and the only one of most stores.
    pub const MAIN: LogId = LogId(0);
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The place of an event: a log, and a position in it.
///
/// Places of one log are ordered; those of different logs are not comparable. In the main log a place prints as its position
/// alone. With serde it is a struct of both numbers.
///
/// ```
/// use midgard::{LogId, Place, Position};
///
/// let place = Place::main(Position(17));
/// assert_eq!(place.to_string(), "17");
/// assert_eq!(Place::new(LogId(2), Position(17)).to_string(), "17 of log 2");
/// assert!(place > Place::START);
/// assert_eq!(serde_json::to_string(&place)?, r#"{"log":0,"position":17}"#);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs)]
pub struct Place {
    /// The log.
    pub log: LogId,
    /// The position in the log.
    pub position: Position,
}

impl Place {
    /// Before the first event of the main log.
    pub const START: Place = Place::main(Position::ZERO);

    /// Returns a place in a log.
    #[must_use]
    pub const fn new(log: LogId, position: Position) -> Self {
        Place { log, position }
    }

    /// Returns a place in the [main log](LogId::MAIN).
    #[must_use]
    pub const fn main(position: Position) -> Self {
        Place::new(LogId::MAIN, position)
    }
}

impl PartialOrd for Place {
    /// Compares places of one log; `None` for places of different logs.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.log == other.log).then(|| self.position.cmp(&other.position))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.position, f)?;
        if self.log == LogId::MAIN {
            return Ok(());
        }
        write!(f, " of log {}", self.log)
    }
}
