//! Events that were read but not yet handled, in one buffer.

use crate::event::codec::Codec;
use crate::event::metadata::{EventId, HeadersRef};
use crate::event::record::RecordedEventRef;
use crate::event::tags::TagsRef;
use crate::place::{LogId, Place, Position, Version};
use crate::store::StoreError;
use crate::store::query::Query;
use crate::store::{ReadLog, ReadStream, Store, StreamState};
use crate::time::Timestamp;
use std::ops::{ControlFlow, Range};

/// The most events that are read at once.
pub(crate) const EVENTS: u64 = 4096;
/// A batch is full at this many bytes.
const BYTES: usize = 4 << 20;

/// Returns the read of the next events: as much as is read at once.
pub(crate) fn next_events(query: &Query, after: Place) -> ReadLog {
    let read = ReadLog::forward().log(after.log).after(after.position);
    read.matching(query.clone()).limit(EVENTS)
}

/// Events, copied out of the store: an event costs a copy of its bytes, and no allocation of its own.
#[derive(Default)]
pub(crate) struct EventBatch {
    bytes: Vec<u8>,
    events: Vec<Packed>,
}

/// An event whose texts and payload are in the batch's bytes, one after the other.
struct Packed {
    log: LogId,
    position: Position,
    version: Version,
    id: EventId,
    time: Timestamp,
    schema_version: u32,
    codec: Codec,
    correlation_id: Option<EventId>,
    causation_id: Option<EventId>,
    start: usize,
    stream: usize,
    name: usize,
    tags: usize,
    headers: usize,
    payload: usize,
}

impl EventBatch {
    pub(crate) const fn len(&self) -> usize {
        self.events.len()
    }

    /// Reads the next events, until there are enough; returns the last position that was read.
    pub(crate) async fn fill<S: Store>(
        &mut self,
        store: &S,
        read: &ReadLog,
    ) -> Result<Position, StoreError> {
        self.clear();
        store.read_log(read, &mut |event| self.push(&event)).await
    }

    /// Reads the next events of a stream, until there are enough.
    pub(crate) async fn fill_stream<S: Store>(
        &mut self,
        store: &S,
        read: &ReadStream,
    ) -> Result<StreamState, StoreError> {
        self.clear();
        store
            .read_stream(read, &mut |event| self.push(&event))
            .await
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.events.clear();
    }

    /// Adds an event; `Break` when there are enough.
    fn push(&mut self, event: &RecordedEventRef<'_>) -> ControlFlow<()> {
        let (tags, headers) = (event.tags.as_bytes(), event.headers.as_bytes());
        self.events.push(Packed {
            log: event.log,
            position: event.position,
            version: event.version,
            id: event.id,
            time: event.time,
            schema_version: event.schema_version,
            codec: event.codec,
            correlation_id: event.correlation_id,
            causation_id: event.causation_id,
            start: self.bytes.len(),
            stream: event.stream.len(),
            name: event.name.len(),
            tags: tags.len(),
            headers: headers.len(),
            payload: event.payload.len(),
        });
        let parts = [
            event.stream.as_bytes(),
            event.name.as_bytes(),
            tags,
            headers,
            event.payload,
        ];
        parts
            .into_iter()
            .for_each(|part| self.bytes.extend_from_slice(part));
        if self.bytes.len() < BYTES {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    /// Returns whether reading ended because there were enough events or bytes: there are likely more.
    pub(crate) const fn is_full(&self) -> bool {
        self.events.len() as u64 >= EVENTS || self.bytes.len() >= BYTES
    }

    pub(crate) fn position(&self, index: usize) -> Position {
        self.events[index].position
    }

    pub(crate) fn get(&self, index: usize) -> RecordedEventRef<'_> {
        let event = &self.events[index];
        let mut rest = &self.bytes[event.start..];
        let mut take = |length| {
            let (part, after) = rest.split_at(length);
            rest = after;
            part
        };
        // The bytes were added as text, so this holds; the check costs little compared to parsing the payload.
        let stream = str::from_utf8(take(event.stream)).unwrap_or_default();
        let name = str::from_utf8(take(event.name)).unwrap_or_default();
        let tags = TagsRef::from_store(take(event.tags));
        let headers = HeadersRef::from_store(take(event.headers));
        RecordedEventRef {
            log: event.log,
            position: event.position,
            stream,
            version: event.version,
            id: event.id,
            time: event.time,
            name,
            schema_version: event.schema_version,
            codec: event.codec,
            payload: take(event.payload),
            tags,
            correlation_id: event.correlation_id,
            causation_id: event.causation_id,
            headers,
        }
    }

    /// Returns the events at positions up to `end`: where to cut the batch.
    pub(crate) fn up_to(&self, end: Position) -> Range<usize> {
        0..self.events.partition_point(|event| event.position <= end)
    }
}
