//! Where a consumer begins.

use crate::event::record::RecordedEventRef;
use crate::place::{LogId, Place, Position};
use crate::store::{ReadLog, Store, StoreError};
use crate::time::Timestamp;
use std::ops::ControlFlow;

/// Where a consumer without a checkpoint begins. Once it has a checkpoint, it continues there, whatever is set here.
///
/// Every consumer with side effects must set it, as the log of a service holds all of its history: a new mailer that
/// begins with [`Start`](StartFrom::Start) mails all of it, and one that begins with [`End`](StartFrom::End) mails only
/// what happens from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartFrom {
    /// With the first event of the log: the whole history is handled.
    Start,
    /// With the first event after a place. In logs other than that of the place, with their first event.
    After(Place),
    /// With the first event that was recorded at this time or later. A future time is the same as [`End`](StartFrom::End).
    Time(Timestamp),
    /// With what is appended from now on.
    End,
}

impl StartFrom {
    /// Returns the position in a log after which a consumer begins.
    pub(crate) async fn position<S: Store>(
        self,
        store: &S,
        log: LogId,
    ) -> Result<Position, StoreError> {
        match self {
            StartFrom::Start => Ok(Position::ZERO),
            StartFrom::After(place) if place.log == log => Ok(place.position),
            StartFrom::After(_) => Ok(Position::ZERO),
            StartFrom::Time(time) => last_before(store, log, time).await,
            StartFrom::End => store.last_position(log).await,
        }
    }
}

/// Returns the last position before all events that were recorded at a time or later. No event has an earlier time than
/// those before it, so a few reads suffice.
async fn last_before<S: Store>(
    store: &S,
    log: LogId,
    time: Timestamp,
) -> Result<Position, StoreError> {
    // All events up to `before` are earlier. Events after `end` were appended since this began, so they count as later.
    let (mut before, mut end) = (Position::ZERO, store.last_position(log).await?);
    while before < end {
        let middle = Position(before.0 + (end.0 - before.0).div_ceil(2));
        match next_at(store, log, middle).await? {
            // The event is at the middle or after it: those up to it are earlier, too.
            Some((at, recorded)) if recorded < time => before = at.min(end),
            _ => end = middle.previous(),
        }
    }
    Ok(before)
}

/// Returns the position and the time of the first event at a position or after it.
async fn next_at<S: Store>(
    store: &S,
    log: LogId,
    from: Position,
) -> Result<Option<(Position, Timestamp)>, StoreError> {
    let mut next = None;
    let read = ReadLog::forward().log(log).from(from).limit(1);
    let visit = &mut |event: RecordedEventRef<'_>| {
        next = Some((event.position, event.time));
        ControlFlow::Break(())
    };
    store.read_log(&read, visit).await?;
    Ok(next)
}
