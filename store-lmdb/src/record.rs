//! The format of a record in the log, version 1. FORMAT.md describes it for other programs.

use midgard::store::varint;
use midgard::{
    Codec, EventId, HeadersRef, LogId, NewEvent, Position, RecordedEventRef, TagsRef, Timestamp,
    Version,
};
use std::str;

/// The format of records that this release writes.
const FORMAT: u8 = 1;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An event.
    Event = 0,
    /// A mark: its stream's events before its version were removed.
    Truncated = 1,
    /// A mark: its stream was ended at its version.
    Tombstoned = 2,
}

/// Bits of the flags.
mod flag {
    /// The correlation id is the event's own id, and not stored again.
    pub(super) const CORRELATES_ITSELF: u8 = 1;
    pub(super) const CORRELATION_ID: u8 = 1 << 1;
    pub(super) const CAUSATION_ID: u8 = 1 << 2;
    pub(super) const TAGS: u8 = 1 << 3;
    pub(super) const HEADERS: u8 = 1 << 4;
    pub(super) const KNOWN: u8 = (1 << 5) - 1;
}

/// Where and when an event is recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) position: Position,
    pub(crate) stream: &'a str,
    pub(crate) version: Version,
    pub(crate) time: Timestamp,
}

/// Writes an event to `out`, which is emptied first.
pub(crate) fn encode(out: &mut Vec<u8>, place: Place<'_>, event: &NewEvent) {
    encode_as(out, Kind::Event, place, event);
}

/// Writes the mark that ends a stream, or its beginning.
pub(crate) fn encode_mark(out: &mut Vec<u8>, kind: Kind, place: Place<'_>) {
    let mut mark = NewEvent::json("", 1, Vec::new());
    mark.codec = Codec::from_code(0);
    encode_as(out, kind, place, &mark);
}

fn encode_as(out: &mut Vec<u8>, kind: Kind, place: Place<'_>, event: &NewEvent) {
    let correlation_id = event.metadata.correlation_id();
    let causation_id = event.metadata.causation_id();
    let (tags, headers) = (
        event.tags.view().as_bytes(),
        event.metadata.headers().as_bytes(),
    );
    let mut flags = 0;
    let mut set = |bit: u8, on: bool| flags |= if on { bit } else { 0 };
    set(flag::CORRELATES_ITSELF, correlation_id == Some(event.id));
    set(
        flag::CORRELATION_ID,
        correlation_id.is_some_and(|id| id != event.id),
    );
    set(flag::CAUSATION_ID, causation_id.is_some());
    set(flag::TAGS, !tags.is_empty());
    set(flag::HEADERS, !headers.is_empty());

    out.clear();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[FORMAT << 4 | kind as u8, flags, event.codec.code()]);
    out.extend_from_slice(&place.time.as_micros().to_le_bytes());
    out.extend_from_slice(event.id.as_bytes());
    if let Some(id) = correlation_id.filter(|id| *id != event.id) {
        out.extend_from_slice(id.as_bytes());
    }
    if let Some(id) = causation_id {
        out.extend_from_slice(id.as_bytes());
    }
    varint::push(out, place.version.get());
    varint::push(out, u64::from(event.schema_version));
    push_run(out, place.stream.as_bytes());
    push_run(out, event.name.as_bytes());
    for run in [tags, headers] {
        if !run.is_empty() {
            push_run(out, run);
        }
    }
    out.extend_from_slice(&event.payload);
    let checksum = checksum(place.position, &out[4..]);
    out[..4].copy_from_slice(&checksum.to_le_bytes());
}

/// A CRC-32 over the position and all that follows the checksum: a record in a wrong place is damaged too.
fn checksum(position: Position, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&position.get().to_be_bytes());
    hasher.update(rest);
    hasher.finalize()
}

fn push_run(out: &mut Vec<u8>, run: &[u8]) {
    varint::push(out, run.len() as u64);
    out.extend_from_slice(run);
}

/// A record, read in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) kind: Kind,
    pub(crate) event: RecordedEventRef<'a>,
}

/// Reads a record in place.
///
/// # Errors
/// Says what is wrong with it.
pub(crate) fn parse(position: Position, bytes: &[u8]) -> Result<Record<'_>, String> {
    let Some((stored, rest)) = bytes.split_first_chunk::<4>() else {
        return Err(format!("it has only {} bytes", bytes.len()));
    };
    if u32::from_le_bytes(*stored) != checksum(position, rest) {
        return Err("its checksum does not match".to_owned());
    }
    // Intact, so whatever is wrong from here on was written so.
    parse_body(position, rest).ok_or_else(|| match rest.first() {
        Some(format) if format >> 4 != FORMAT => {
            format!(
                "it has record format {}, and this release reads {FORMAT}",
                format >> 4
            )
        }
        _ => "its fields do not fit its length".to_owned(),
    })
}

fn parse_body(position: Position, bytes: &[u8]) -> Option<Record<'_>> {
    let mut rest = Fields(bytes);
    let [format_and_kind, flags, codec] = *rest.chunk::<3>()?;
    if format_and_kind >> 4 != FORMAT || flags & !flag::KNOWN != 0 {
        return None;
    }
    let kind = match format_and_kind & 0x0f {
        0 => Kind::Event,
        1 => Kind::Truncated,
        2 => Kind::Tombstoned,
        _ => return None,
    };
    let time = Timestamp::from_micros(u64::from_le_bytes(*rest.chunk()?));
    let id = EventId::from_bytes(*rest.chunk()?);
    let correlation_id = match flags & (flag::CORRELATES_ITSELF | flag::CORRELATION_ID) {
        0 => None,
        flag::CORRELATES_ITSELF => Some(id),
        _ => Some(EventId::from_bytes(*rest.chunk()?)),
    };
    let causation_id = match flags & flag::CAUSATION_ID {
        0 => None,
        _ => Some(EventId::from_bytes(*rest.chunk()?)),
    };
    let version = Version(varint::take(&mut rest.0)?);
    let schema_version = u32::try_from(varint::take(&mut rest.0)?).ok()?;
    let stream = rest.text()?;
    let name = rest.text()?;
    let tags = match flags & flag::TAGS {
        0 => TagsRef::default(),
        _ => TagsRef::from_bytes(rest.run()?)?,
    };
    let headers = match flags & flag::HEADERS {
        0 => HeadersRef::default(),
        _ => HeadersRef::from_bytes(rest.run()?)?,
    };
    let event = RecordedEventRef {
        log: LogId::MAIN,
        position,
        stream,
        version,
        id,
        time,
        name,
        schema_version,
        codec: Codec::from_code(codec),
        payload: rest.0,
        tags,
        correlation_id,
        causation_id,
        headers,
    };
    Some(Record { kind, event })
}

/// The fields of a record that are not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn chunk<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(chunk)
    }

    fn run(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(varint::take(&mut self.0)?).ok()?;
        let (run, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(run)
    }

    fn text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.run()?).ok()
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;
    use midgard::Metadata;

    fn place() -> Place<'static> {
        let time = Timestamp::from_micros(1_234_567);
        Place {
            position: Position(7),
            stream: "user-ann",
            version: Version(300),
            time,
        }
    }

    fn full() -> NewEvent {
        let metadata = Metadata::new()
            .with_correlation_id(EventId::new())
            .with_causation_id(EventId::new())
            .with_header("user", "jun");
        NewEvent::json("user.renamed", 2, b"{\"name\":\"jun2\"}".to_vec())
            .with_tag("email", "ann@x.org")
            .with_metadata(metadata)
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let (mut bytes, event) = (Vec::new(), full());
        encode(&mut bytes, place(), &event);
        let read = parse(Position(7), &bytes).unwrap();
        assert_eq!(read.kind, Kind::Event);
        let owned = read.event.to_owned();
        assert_eq!((owned.position, owned.version), (Position(7), Version(300)));
        assert_eq!(
            (owned.stream.as_str(), &*owned.name),
            ("user-ann", "user.renamed")
        );
        assert_eq!(
            (owned.id, owned.schema_version, owned.codec),
            (event.id, 2, Codec::JSON)
        );
        assert_eq!((owned.payload, owned.tags), (event.payload, event.tags));
        assert_eq!(owned.metadata, event.metadata);
        assert_eq!(owned.time, place().time);
    }

    #[test]
    fn an_event_that_starts_a_correlation_does_not_store_its_id_twice() {
        let event = NewEvent::json("user.renamed", 1, b"{}".to_vec());
        let itself = event
            .clone()
            .with_metadata(Metadata::new().with_correlation_id(event.id));
        let (mut plain, mut correlated) = (Vec::new(), Vec::new());
        encode(&mut plain, place(), &event);
        encode(&mut correlated, place(), &itself);
        assert_eq!(plain.len(), correlated.len());
        let read = parse(Position(7), &correlated).unwrap();
        assert_eq!(read.event.correlation_id, Some(event.id));
    }

    #[test]
    fn any_changed_or_missing_byte_is_found() {
        let mut bytes = Vec::new();
        encode(&mut bytes, place(), &full());
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 0x20;
            assert!(
                parse(Position(7), &damaged).is_err(),
                "byte {index} was changed"
            );
            assert!(
                parse(Position(7), &bytes[..index]).is_err(),
                "cut at byte {index}"
            );
        }
    }

    #[test]
    fn a_record_in_a_wrong_place_is_damaged() {
        let mut bytes = Vec::new();
        encode(&mut bytes, place(), &full());
        assert_eq!(
            parse(Position(8), &bytes).unwrap_err(),
            "its checksum does not match"
        );
    }

    #[test]
    fn a_record_of_another_format_or_with_nonsense_in_it_is_refused_not_guessed() {
        let write = |body: &[u8]| {
            let mut bytes = checksum(Position(1), body).to_le_bytes().to_vec();
            bytes.extend_from_slice(body);
            bytes
        };
        let newer = write(&[2 << 4, 0, 1]);
        assert_eq!(
            parse(Position(1), &newer).unwrap_err(),
            "it has record format 2, and this release reads 1"
        );
        // Every cut of an intact body, with a checksum that fits.
        let mut whole = Vec::new();
        encode(
            &mut whole,
            Place {
                position: Position(1),
                ..place()
            },
            &full(),
        );
        let payload = full().payload.len();
        for end in 4..whole.len() - payload {
            assert!(
                parse(Position(1), &write(&whole[4..end])).is_err(),
                "cut at {end}"
            );
        }
        // A length that is far too long, and a number that never ends.
        let mut body = whole[4..31].to_vec();
        body.extend_from_slice(&[0xff; 80]);
        assert!(parse(Position(1), &write(&body)).is_err());
    }
}
