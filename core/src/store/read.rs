//! Reads of streams and logs.

use crate::place::{LogId, Position, Version};
use crate::store::query::Query;
use crate::stream_name::StreamName;

/// The order in which events are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Direction {
    /// The oldest first.
    #[default]
    Forward,
    /// The newest first.
    Backward,
}

/// A read of one stream.
///
/// ```
/// use midgard::store::ReadStream;
/// use midgard::{StreamName, Version};
///
/// let stream = StreamName::new("user-42")?;
/// let read = ReadStream::backward(stream).from(Version(10)).limit(3); // 10, 9, 8
/// # Ok::<_, midgard::limits::LimitError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadStream {
    /// The stream.
    pub stream: StreamName,
    /// The order of the events.
    pub direction: Direction,
    /// The first version to read; backward, the highest.
    pub from: Version,
    /// The most events to read.
    pub limit: u64,
}

impl ReadStream {
    /// Reads all events of a stream, the oldest first.
    #[must_use]
    pub const fn forward(stream: StreamName) -> Self {
        ReadStream {
            stream,
            direction: Direction::Forward,
            from: Version::FIRST,
            limit: u64::MAX,
        }
    }

    /// Reads all events of a stream, the newest first.
    #[must_use]
    pub const fn backward(stream: StreamName) -> Self {
        ReadStream {
            stream,
            direction: Direction::Backward,
            from: Version::MAX,
            limit: u64::MAX,
        }
    }

    /// Starts at this version, inclusive.
    #[must_use]
    pub const fn from(mut self, version: Version) -> Self {
        self.from = version;
        self
    }

    /// Reads at most this many events.
    #[must_use]
    pub const fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }
}

/// A read of a log.
///
/// ```
/// use midgard::Position;
/// use midgard::store::{Query, QueryItem, ReadLog};
///
/// let read = ReadLog::forward()
///     .after(Position(100))
///     .matching(QueryItem::new().name("user.created"))
///     .limit(10);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadLog {
    /// The log.
    pub log: LogId,
    /// The order of the events.
    pub direction: Direction,
    /// The first position to read; backward, the highest.
    pub from: Position,
    /// The most events to read. Events that do not match are not counted.
    pub limit: u64,
    /// The events to read.
    pub query: Query,
}

impl ReadLog {
    /// Reads all events of the main log, the oldest first.
    #[must_use]
    pub const fn forward() -> Self {
        ReadLog {
            log: LogId::MAIN,
            direction: Direction::Forward,
            from: Position::FIRST,
            limit: u64::MAX,
            query: Query::all(),
        }
    }

    /// Reads all events of the main log, the newest first.
    #[must_use]
    pub fn backward() -> Self {
        ReadLog {
            direction: Direction::Backward,
            from: Position::MAX,
            ..ReadLog::forward()
        }
    }

    /// Reads this log.
    #[must_use]
    pub const fn log(mut self, log: LogId) -> Self {
        self.log = log;
        self
    }

    /// Starts at this position, inclusive.
    #[must_use]
    pub const fn from(mut self, position: Position) -> Self {
        self.from = position;
        self
    }

    /// Starts after this position, the last one that the reader has seen.
    #[must_use]
    pub const fn after(self, position: Position) -> Self {
        self.from(position.next())
    }

    /// Reads at most this many events.
    #[must_use]
    pub const fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// Reads only events that match.
    #[must_use]
    pub fn matching(mut self, query: impl Into<Query>) -> Self {
        self.query = query.into();
        self
    }
}

/// The state of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct StreamState {
    /// The version of its last event; zero when it never had one. Never decreases.
    pub last: Version,
    /// The first version that is still there: 1, or higher after a truncation.
    pub first: Version,
    /// Whether it was tombstoned.
    pub tombstoned: bool,
}

impl StreamState {
    /// A stream that never had an event.
    pub const NONE: StreamState = StreamState {
        last: Version::ZERO,
        first: Version::FIRST,
        tombstoned: false,
    };

    /// Returns whether the stream has, or once had, events and was not tombstoned.
    #[must_use]
    pub const fn exists(&self) -> bool {
        self.last.0 > 0 && !self.tombstoned
    }
}

impl Default for StreamState {
    fn default() -> Self {
        StreamState::NONE
    }
}
