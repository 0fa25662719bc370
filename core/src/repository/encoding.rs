//! Encodes the events of a decision.

use crate::event::EventSet;
use crate::event::codec::{EncodeError, ReadBack};
use crate::event::metadata::Metadata;
use crate::event::record::NewEvent;
use crate::stream_name::StreamName;

/// Encodes the events of one decision. Without a correlation in `metadata`, the id of the first event becomes the
/// correlation of all, also of events encoded with the same metadata later.
pub(super) fn encode<'e, E: EventSet>(
    stream: &StreamName,
    events: impl Iterator<Item = &'e E>,
    metadata: &mut Metadata,
    read_back: ReadBack,
) -> Result<Vec<NewEvent>, EncodeError> {
    events
        .map(|event| {
            let event = NewEvent::written(event, read_back);
            let event = event.map_err(|error| error.for_stream(stream))?;
            Ok(with_metadata(event, metadata))
        })
        .collect()
}

/// Gives an event the metadata of its decision. Without a correlation, the event's id becomes that of all.
pub(super) fn with_metadata(mut event: NewEvent, metadata: &mut Metadata) -> NewEvent {
    if metadata.correlation_id().is_none() {
        *metadata = std::mem::take(metadata).with_correlation_id(event.id);
    }
    event.metadata = metadata.clone();
    event
}
