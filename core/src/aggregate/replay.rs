//! States that are read from the events of one stream.

use crate::event::{DecodeError, RecordedEventRef};
use crate::place::Version;

/// A state read from one stream, as far as a version.
#[doc(hidden)]
pub trait Replay: Send {
    /// The version of the last event that the state includes.
    fn version(&self) -> Version;

    /// Applies a record: all events that it decodes to. The state is unchanged after an error.
    fn replay(&mut self, event: &RecordedEventRef<'_>) -> Result<(), DecodeError>;
}
