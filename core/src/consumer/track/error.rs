//! Why a track cannot go on.

use super::super::notes::NoteError;
use crate::consumer::HandlerError;
use crate::event::metadata::EventId;
use crate::place::Place;
use crate::store::StoreError;

/// Why a track cannot go on right now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrackError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error(
        "it has handled events up to position {from}, but the log ends at {end}: this is another log, or an older copy of it; restore the newer one, rebuild the projection, or give the subscription another name"
    )]
    OtherLog { from: Place, end: Place },
    #[error(
        "it has handled events up to position {place}, where event {noted} was, but the log has event {found} there: this is another log, or an older copy of it that has grown since; restore the newer one, rebuild the projection, or give the subscription another name"
    )]
    OtherEvent {
        place: Place,
        noted: String,
        found: EventId,
    },
    /// Others cover more events than this release.
    #[error(
        "it stands by, as other releases of it also handle {0}, which this one cannot: it would pass over those; run the newer release, or, if they are given up on purpose, name each with `ConsumerOptions::drops`"
    )]
    Lacks(String),
    /// A partition is no longer this worker's.
    #[error("another worker has taken over partition {0}")]
    Lost(u32),
    #[error("there is another plan")]
    Replan,
    /// It was never run, and may not begin.
    #[error("{0}")]
    MayNotBegin(String),
    /// What handlers wrote cannot be committed.
    #[error("{0}")]
    Refused(HandlerError),
}

impl TrackError {
    /// Returns whether it is not a failure, but others were faster: the work begins again at once.
    pub(crate) const fn is_conflict(&self) -> bool {
        matches!(self, TrackError::Note(NoteError::Conflict(_)))
    }
}
