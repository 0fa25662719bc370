//! Where the read of a stream ended, and whether all events before that came.

use crate::event::codec::DecodeError;
use crate::place::Version;
use crate::repository::LoadError;
use crate::store::StreamState;
use crate::stream_name::StreamName;

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
    /// Returns whether events that the stream had when the read began are missing from a state of this version.
    pub(super) fn lacks_events(&self, version: Version, state: StreamState) -> bool {
        match self {
            End::Jump(_) => true,
            End::OfStream => version < state.last,
            End::Unwanted | End::Unreadable(_) => false,
        }
    }

    /// Checks that all events before the end came. Reading alone cannot distinguish a stream that lost its events
    /// from one without any.
    pub(super) fn check(
        self,
        stream: &StreamName,
        version: Version,
        state: StreamState,
    ) -> Result<(), LoadError> {
        let stream = || stream.clone();
        let missing = version.next();
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
