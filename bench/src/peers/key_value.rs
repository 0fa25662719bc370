//! How a store of keys and values keeps events: a log of records by position, and an index to positions by
//! stream and version. The record has what Midgard's has: the stream, the version, the name and the payload.

use super::{EVENT_NAME, Event, Outcome};

/// Encodes a record of the log.
pub(super) fn record(event: &Event) -> Vec<u8> {
    let (stream, name) = (event.stream.as_bytes(), EVENT_NAME.as_bytes());
    let mut record = Vec::with_capacity(10 + stream.len() + name.len() + event.payload.len());
    record.extend_from_slice(&event.version.to_be_bytes());
    record.extend_from_slice(&[stream.len() as u8, name.len() as u8]);
    record.extend_from_slice(stream);
    record.extend_from_slice(name);
    record.extend_from_slice(&event.payload);
    record
}

/// Returns the payload of a record.
pub(super) fn payload(record: &[u8]) -> Outcome<&[u8]> {
    let lengths = record.get(8..10).ok_or("a record is cut off")?;
    let header = 10 + usize::from(lengths[0]) + usize::from(lengths[1]);
    Ok(record.get(header..).ok_or("a record is cut off")?)
}

/// Returns the key in the index: the versions of a stream lie together, in order.
pub(super) fn index_key(stream: &str, version: u64) -> Vec<u8> {
    let mut key = stream_prefix(stream);
    key.extend_from_slice(&version.to_be_bytes());
    key
}

/// Returns the common beginning of a stream's keys in the index, which no other stream has.
pub(super) fn stream_prefix(stream: &str) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(stream.len() + 9);
    prefix.extend_from_slice(stream.as_bytes());
    prefix.push(0);
    prefix
}
