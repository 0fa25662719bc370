//! Checks that a read of a stream misses no event: a row that somebody removed by hand must not go unnoticed.

use crate::Shared;
use crate::reading::stream_state;
use midgard::store::{Direction, ReadStream, StoreError, StreamState};
use midgard::{LogId, Position, StreamName, Version};

/// The versions that a read must come to, one after the other.
pub(crate) struct Contiguity {
    direction: Direction,
    /// The version that must come next; `None` when none must.
    next: Option<Version>,
    end: Version,
}

impl Contiguity {
    /// Creates the versions of a read of a stream that was in a state when the read began.
    pub(crate) fn new(read: &ReadStream, state: StreamState) -> Self {
        let (next, end) = match read.direction {
            Direction::Forward => (read.from.max(state.first), state.last),
            Direction::Backward => (read.from.min(state.last), state.first),
        };
        let mut versions = Contiguity {
            direction: read.direction,
            next: None,
            end,
        };
        if !state.tombstoned {
            versions.go_to(next);
        }
        versions
    }

    /// Notes a version that was read. Returns the one that should have been read instead.
    pub(crate) fn read(&mut self, version: Version) -> Option<Version> {
        let missed = self.next.filter(|next| *next != version);
        match self.direction {
            Direction::Forward => self.go_to(version.next()),
            Direction::Backward => self.go_to(version.previous()),
        }
        missed
    }

    /// Returns the version that should have been read before the end.
    pub(crate) const fn missed_at_end(&self) -> Option<Version> {
        self.next
    }

    fn go_to(&mut self, next: Version) {
        let is_there = match self.direction {
            Direction::Forward => next <= self.end,
            Direction::Backward => next >= self.end && next > Version::ZERO,
        };
        self.next = is_there.then_some(next);
    }
}

/// Fails if an event that was not read was not removed by the store either.
pub(crate) async fn check(
    shared: &Shared,
    stream: &StreamName,
    missed: Option<Version>,
    read_instead: Option<Position>,
) -> Result<(), StoreError> {
    let Some(missed) = missed else {
        return Ok(());
    };
    let state = stream_state(shared, stream).await?;
    if state.tombstoned || state.first > missed {
        return Ok(());
    }
    Err(StoreError::Corrupt {
        log: LogId::MAIN,
        position: read_instead.unwrap_or_default(),
        stream: Some(stream.as_str().to_owned()),
        reason: format!("version {missed} of the stream is missing next to it"),
    })
}
