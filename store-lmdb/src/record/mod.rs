//! The format of a record in the log, version 2. FORMAT.md describes it for other programs.
//!
//! A record has a header and a payload, each with a checksum: finding events, and recovery when a store is opened,
//! read headers alone.

mod encode;
mod format_1;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

pub(crate) use encode::{Links, Recording, encode, encode_mark};

use crate::checksum;
use crate::fields::Fields;
use midgard::event::{Codec, HeadersRef, RecordedEventRef, TagsRef};
use midgard::{EventId, LogId, Position, Timestamp, Version};
use std::str;

/// The format of records that this release writes.
const FORMAT: u8 = 2;

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An event.
    Event = 0,
    /// A mark: the events of its stream before its first version were removed.
    Truncated = 1,
    /// A mark: its stream was ended at its version.
    Tombstoned = 2,
}

impl Kind {
    const fn of(code: u8) -> Option<Self> {
        match code {
            0 => Some(Kind::Event),
            1 => Some(Kind::Truncated),
            2 => Some(Kind::Tombstoned),
            _ => None,
        }
    }
}

/// Bits of the flags.
mod flag {
    /// The correlation id is the event's own id, and is not stored again.
    pub(super) const CORRELATES_ITSELF: u8 = 1;
    pub(super) const CORRELATION_ID: u8 = 1 << 1;
    pub(super) const CAUSATION_ID: u8 = 1 << 2;
    pub(super) const TAGS: u8 = 1 << 3;
    pub(super) const HEADERS: u8 = 1 << 4;
    /// The first version of the stream that still exists is stored, as it is not 1.
    pub(super) const FIRST: u8 = 1 << 5;
    /// The record continues in pieces behind it.
    pub(super) const SPLIT: u8 = 1 << 6;
    /// The flags of records of format 1.
    pub(super) const KNOWN_1: u8 = (1 << 5) - 1;
    pub(super) const KNOWN: u8 = (1 << 7) - 1;
}

/// The place of the flags.
const FLAGS: usize = 5;

/// How many versions one step of the lowest level of skips goes back; each level above goes this many times as far.
pub(crate) const SKIP: u64 = 16;

/// Returns how many levels of skips the record of a version has: one for each time that [`SKIP`] divides the version.
pub(crate) const fn skip_levels(version: Version) -> u32 {
    match version {
        Version::ZERO => 0,
        version => version.get().trailing_zeros() / SKIP.trailing_zeros(),
    }
}

/// Returns whether the record that begins with these bytes continues in pieces.
#[inline]
pub(crate) fn is_split(bytes: &[u8]) -> bool {
    bytes.len() > FLAGS && bytes[4] >> 4 == FORMAT && bytes[FLAGS] & flag::SPLIT != 0
}

/// Marks a record as one that continues in pieces.
pub(crate) fn set_split(record: &mut [u8], position: Position) {
    let end = header_end(record);
    if let (Some(flags), Some(end)) = (record.get_mut(FLAGS), end) {
        *flags |= flag::SPLIT;
        let checksum = header_checksum(position, &record[4..end]);
        record[..4].copy_from_slice(&checksum.to_le_bytes());
    }
}

fn header_end(record: &[u8]) -> Option<usize> {
    let header = Header::parse_unchecked(Position::ZERO, record)?;
    Some(record.len() - header.payload.len())
}

/// Covers the position as well: a record in a wrong place counts as damaged too.
#[inline]
fn header_checksum(position: Position, header: &[u8]) -> u32 {
    checksum::at(position.get(), header)
}

/// The header of a record, read in place; its texts, tags and payload are not checked yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    pub(crate) kind: Kind,
    pub(crate) position: Position,
    pub(crate) id: EventId,
    pub(crate) time: Timestamp,
    /// The version of the event; in a mark the last version of the stream.
    pub(crate) version: Version,
    /// The first version of the stream that still exists.
    pub(crate) first: Version,
    pub(crate) stream: &'a [u8],
    format: u8,
    codec: u8,
    correlation_id: Option<EventId>,
    causation_id: Option<EventId>,
    back: u64,
    skips: &'a [u8],
    pub(crate) schema_version: u32,
    pub(crate) name: &'a [u8],
    tags: &'a [u8],
    headers: &'a [u8],
    payload_checksum: u32,
    pub(crate) payload: &'a [u8],
}

impl<'a> Header<'a> {
    /// Reads a header in place, without reading the payload.
    ///
    /// # Errors
    /// A description of the fault.
    #[inline]
    pub(crate) fn parse(position: Position, bytes: &'a [u8]) -> Result<Self, String> {
        let Some((stored, rest)) = bytes.split_first_chunk::<4>() else {
            return Err(format!("it has only {} bytes", bytes.len()));
        };
        let stored = u32::from_le_bytes(*stored);
        match rest.first().map(|format_and_kind| format_and_kind >> 4) {
            Some(format_1::FORMAT) => return format_1::parse(position, stored, rest),
            Some(FORMAT) => {}
            Some(format) => {
                return Err(format!(
                    "it has record format {format}, and this release reads 1 to {FORMAT}"
                ));
            }
            None => return Err("it has only 4 bytes".to_owned()),
        }
        let Some(header) = Header::parse_unchecked(position, bytes) else {
            return Err("its fields do not fit its length".to_owned());
        };
        let end = bytes.len() - header.payload.len();
        if header_checksum(position, &bytes[4..end]) != stored {
            return Err("the checksum of its header does not match".to_owned());
        }
        Ok(header)
    }

    #[inline]
    fn parse_unchecked(position: Position, bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Fields(bytes.get(4..)?);
        let [format_and_kind, flags, codec] = *rest.chunk::<3>()?;
        if flags & !flag::KNOWN != 0 {
            return None;
        }
        let kind = Kind::of(format_and_kind & 0x0f)?;
        let id = EventId::from_bytes(*rest.chunk()?);
        let time = time_after(id, rest.number()?);
        let [correlation_id, causation_id] = causes(&mut rest, flags, id)?;
        let version = Version(rest.number()?);
        let back = rest.number()?;
        let skips = match kind {
            Kind::Event => rest.numbers(skip_levels(version))?,
            Kind::Truncated | Kind::Tombstoned => &[],
        };
        let first = match flags & flag::FIRST {
            0 => Version::FIRST,
            _ => Version(rest.number()?),
        };
        let schema_version = u32::try_from(rest.number()?).ok()?;
        let stream = rest.run()?;
        let name = rest.run()?;
        let [tags, headers] = tags_and_headers(&mut rest, flags)?;
        let length = usize::try_from(rest.number()?).ok()?;
        let payload_checksum = u32::from_le_bytes(*rest.chunk()?);
        let payload = rest.0;
        (payload.len() == length).then_some(Header {
            kind,
            position,
            id,
            time,
            version,
            first,
            stream,
            format: FORMAT,
            codec,
            correlation_id,
            causation_id,
            back,
            skips,
            schema_version,
            name,
            tags,
            headers,
            payload_checksum,
            payload,
        })
    }

    /// Returns whether it was written before records had [links](Header::back).
    pub(crate) const fn is_of_format_1(&self) -> bool {
        self.format == format_1::FORMAT
    }

    /// Returns the position of the event before this one in the stream; for a mark, of the last event. Zero when
    /// there was none.
    pub(crate) fn back(&self) -> Position {
        self.behind(self.back)
    }

    /// Returns how many versions the furthest skip goes back that does not pass `target`, and its position; `None`
    /// when there is only the step back.
    pub(crate) fn skip_to(&self, target: Version) -> Option<(Version, Position)> {
        let reaches = |(version, position): &(Version, Position)| {
            *position != Position::ZERO && *version >= target
        };
        self.skips().take_while(reaches).last()
    }

    /// Returns the targets of its skips, from the nearest on: versions, and the positions of their events; zero where
    /// there was none any more.
    pub(crate) fn skips(&self) -> impl Iterator<Item = (Version, Position)> + use<'a> {
        let (header, mut rest, mut step) = (*self, Fields(self.skips), 1_u64);
        std::iter::from_fn(move || {
            let distance = rest.number()?;
            step = step.saturating_mul(SKIP);
            let version = header.version.get().saturating_sub(step);
            Some((Version(version), header.behind(distance)))
        })
    }

    fn behind(&self, distance: u64) -> Position {
        match distance {
            0 => Position::ZERO,
            distance => Position(self.position.get().saturating_sub(distance)),
        }
    }

    /// Returns the tags of the event.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = Fields(self.tags);
        std::iter::from_fn(move || rest.run())
    }

    /// Returns the event, or what a mark has in its place.
    ///
    /// # Errors
    /// A description of the fault.
    #[inline]
    pub(crate) fn event(&self) -> Result<RecordedEventRef<'a>, String> {
        // In records of format 1 the checksum of the header covered the payload too.
        if !self.is_of_format_1() && checksum::of(self.payload) != self.payload_checksum {
            return Err("the checksum of its payload does not match".to_owned());
        }
        // The record is intact, so any fault from here on was written.
        self.event_unchecked()
            .ok_or_else(|| "its names, tags or headers are not what they can be".to_owned())
    }

    #[inline]
    fn event_unchecked(&self) -> Option<RecordedEventRef<'a>> {
        Some(RecordedEventRef {
            log: LogId::MAIN,
            position: self.position,
            stream: str::from_utf8(self.stream).ok()?,
            version: self.version,
            id: self.id,
            time: self.time,
            name: str::from_utf8(self.name).ok()?,
            schema_version: self.schema_version,
            codec: Codec::from_code(self.codec),
            payload: self.payload,
            tags: match self.tags {
                [] => TagsRef::default(),
                tags => TagsRef::from_bytes(tags)?,
            },
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            headers: match self.headers {
                [] => HeadersRef::default(),
                headers => HeadersRef::from_bytes(headers)?,
            },
        })
    }
}

/// Returns the correlation and the causation id, as far as the flags say that they are present.
#[inline]
fn causes(rest: &mut Fields<'_>, flags: u8, id: EventId) -> Option<[Option<EventId>; 2]> {
    let correlation_id = match flags & (flag::CORRELATES_ITSELF | flag::CORRELATION_ID) {
        0 => None,
        flag::CORRELATES_ITSELF => Some(id),
        _ => Some(EventId::from_bytes(*rest.chunk()?)),
    };
    let causation_id = match flags & flag::CAUSATION_ID {
        0 => None,
        _ => Some(EventId::from_bytes(*rest.chunk()?)),
    };
    Some([correlation_id, causation_id])
}

/// Returns the bytes of tags and headers; none where the flags say that there are none.
#[inline]
fn tags_and_headers<'a>(rest: &mut Fields<'a>, flags: u8) -> Option<[&'a [u8]; 2]> {
    let mut run_if = |flag| match flags & flag {
        0 => Some(&[][..]),
        _ => rest.run(),
    };
    Some([run_if(flag::TAGS)?, run_if(flag::HEADERS)?])
}

/// Returns the time in an id of version 7, in microseconds. Any number for other ids.
#[inline]
fn time_of(id: EventId) -> u64 {
    let bytes = id.as_bytes();
    let milliseconds = bytes[..6]
        .iter()
        .fold(0, |time, byte| time << 8 | u64::from(*byte));
    milliseconds * 1000
}

/// Returns the time, which is stored as its distance from the time in the event's id. The id's time is near it, so
/// the distance takes two or three bytes where a time takes eight.
#[inline]
fn time_after(id: EventId, distance: u64) -> Timestamp {
    // Even numbers count forward, odd ones backward, so that small distances both ways are small numbers.
    let signed = (distance >> 1) ^ (distance & 1).wrapping_neg();
    Timestamp::from_micros(time_of(id).wrapping_add(signed))
}

/// Returns the distance that [`time_after`] reads.
fn distance_of(id: EventId, time: Timestamp) -> u64 {
    let signed = time.as_micros().wrapping_sub(time_of(id));
    (signed << 1) ^ ((signed as i64) >> 63) as u64
}
