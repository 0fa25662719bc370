//! Where an event is: a log and a position in it, a stream and a version in it.

use std::fmt;

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// Before the first one.
            pub const ZERO: Self = Self(0);
            /// The first one.
            pub const FIRST: Self = Self(1);
            /// The last one there can be.
            pub const MAX: Self = Self(u64::MAX);

            /// The one after this.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// The one before this; zero stays zero.
            #[must_use]
            pub const fn previous(self) -> Self {
                Self(self.0.saturating_sub(1))
            }

            /// The number itself.
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
            fn from(place: $name) -> u64 {
                place.0
            }
        }
    };
}

counter! {
    /// The place of an event in a log, from 1, in commit order. Zero is before the first event.
    ///
    /// Positions grow but may have gaps: a stream that was truncated leaves some.
    Position
}

counter! {
    /// The place of an event in its stream, from 1, without gaps. Zero is a stream without events.
    Version
}

/// Which log of a store. Nearly every store has one, [`LogId::MAIN`]; positions of different logs
/// are not comparable, so whatever remembers a position remembers its log too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
