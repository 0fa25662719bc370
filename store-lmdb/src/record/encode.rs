//! Writing records.

use super::{FORMAT, Kind, distance_of, flag, header_checksum};
use crate::checksum;
use midgard::event::{Codec, NewEvent};
use midgard::varint;
use midgard::{EventId, Position, Timestamp, Version};

/// The place and time of a recorded event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recording<'a> {
    pub(crate) position: Position,
    pub(crate) stream: &'a str,
    pub(crate) version: Version,
    pub(crate) time: Timestamp,
    pub(crate) links: Links<'a>,
}

/// The facts about its stream that a record holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links<'a> {
    /// The position of the event before it; zero when there is none.
    pub(crate) back: Position,
    /// The positions of the events that its skips lead to, from the lowest level up; zero where there is none (any
    /// more).
    pub(crate) skips: &'a [Position],
    /// The first version of the stream that still exists.
    pub(crate) first: Version,
}

/// Writes an event to `out`, which is emptied first.
pub(crate) fn encode(out: &mut Vec<u8>, recording: Recording<'_>, event: &NewEvent) {
    encode_as(out, Kind::Event, recording, event);
}

/// Writes the mark that ends a stream, or its beginning.
pub(crate) fn encode_mark(out: &mut Vec<u8>, kind: Kind, recording: Recording<'_>) {
    let mut mark = NewEvent::json("", 1, Vec::new());
    mark.codec = Codec::from_code(0);
    encode_as(out, kind, recording, &mark);
}

fn encode_as(out: &mut Vec<u8>, kind: Kind, recording: Recording<'_>, event: &NewEvent) {
    let correlation_id = event.metadata.correlation_id();
    let causation_id = event.metadata.causation_id();
    let tags = event.tags.view().as_bytes();
    let headers = event.metadata.headers().as_bytes();
    let links = recording.links;
    let other_id = correlation_id.filter(|id| *id != event.id);
    let mut flags = 0;
    for (bit, on) in [
        (
            flag::CORRELATES_ITSELF,
            correlation_id.is_some() && other_id.is_none(),
        ),
        (flag::CORRELATION_ID, other_id.is_some()),
        (flag::CAUSATION_ID, causation_id.is_some()),
        (flag::TAGS, !tags.is_empty()),
        (flag::HEADERS, !headers.is_empty()),
        (flag::FIRST, links.first != Version::FIRST),
    ] {
        flags |= if on { bit } else { 0 };
    }

    out.clear();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[FORMAT << 4 | kind as u8, flags, event.codec.code()]);
    out.extend_from_slice(event.id.as_bytes());
    varint::push(out, distance_of(event.id, recording.time));
    for id in [other_id, causation_id].iter().flatten() {
        out.extend_from_slice(EventId::as_bytes(id));
    }
    let distance = |to: Position| match to {
        Position::ZERO => 0,
        to => recording.position.get() - to.get(),
    };
    varint::push(out, recording.version.get());
    varint::push(out, distance(links.back));
    for skip in links.skips {
        varint::push(out, distance(*skip));
    }
    if links.first != Version::FIRST {
        varint::push(out, links.first.get());
    }
    varint::push(out, u64::from(event.schema_version));
    push_run(out, recording.stream.as_bytes());
    push_run(out, event.name.as_bytes());
    for run in [tags, headers] {
        if !run.is_empty() {
            push_run(out, run);
        }
    }
    varint::push(out, event.payload.len() as u64);
    out.extend_from_slice(&checksum::of(&event.payload).to_le_bytes());
    let checksum = header_checksum(recording.position, &out[4..]);
    out[..4].copy_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(&event.payload);
}

fn push_run(out: &mut Vec<u8>, run: &[u8]) {
    varint::push(out, run.len() as u64);
    out.extend_from_slice(run);
}
