//! Where the read of a stream ended, and whether all events before that came.

use super::Loaded;
use crate::aggregate::Aggregate;
use crate::event::codec::DecodeError;
use crate::place::Version;
use crate::repository::LoadError;
use crate::store::StreamState;

/// Where a read ended.
pub(super) enum End {
    OfStream,
    /// At an event that was not wanted.
    Unwanted,
    /// At a version that is not the next one.
    Jump(Version),
    /// At an event that cannot be read.
    Unreadable(DecodeError),
}

impl End {
    /// Whether events that the stream had when the read began are missing.
    pub(super) fn lacks_events<A: Aggregate>(
        &self,
        loaded: &Loaded<A>,
        state: StreamState,
    ) -> bool {
        match self {
            End::Jump(_) => true,
            End::OfStream => loaded.version() < state.last,
            End::Unwanted | End::Unreadable(_) => false,
        }
    }

    /// Checks that all events before the end came. Reading alone cannot distinguish a stream that lost its events
    /// from one without any.
    pub(super) fn check<A: Aggregate>(
        self,
        loaded: &Loaded<A>,
        state: StreamState,
    ) -> Result<(), LoadError> {
        let stream = || loaded.stream().clone();
        let missing = loaded.version().next();
        match self {
            End::Unreadable(error) => Err(error.into()),
            _ if state.tombstoned => Err(LoadError::Tombstoned {
                stream: stream(),
                version: state.last,
            }),
            _ if missing < state.first => Err(LoadError::Truncated {
                stream: stream(),
                first: state.first,
            }),
            End::Jump(found) => Err(LoadError::Gap {
                stream: stream(),
                missing,
                found,
            }),
            End::OfStream if missing <= state.last => Err(LoadError::Cut {
                stream: stream(),
                missing,
                last: state.last,
            }),
            End::OfStream | End::Unwanted => Ok(()),
        }
    }
}
