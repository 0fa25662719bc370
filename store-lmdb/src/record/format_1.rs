//! Records of format 1, which are only read: they have one checksum over the whole record, and no links.

use super::{Header, Kind, causes, flag, tags_and_headers};
use crate::fields::Fields;
use midgard::{EventId, Position, Timestamp, Version};

pub(super) const FORMAT: u8 = 1;

/// Reads a whole record in place. `rest` is everything after its checksum.
///
/// # Errors
/// A description of the fault.
pub(super) fn parse(position: Position, stored: u32, rest: &[u8]) -> Result<Header<'_>, String> {
    if checksum(position, rest) != stored {
        return Err("its checksum does not match".to_owned());
    }
    parse_body(position, rest).ok_or_else(|| "its fields do not fit its length".to_owned())
}

/// Covers the position as well: a record in a wrong place counts as damaged too.
pub(super) fn checksum(position: Position, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&position.get().to_be_bytes());
    hasher.update(rest);
    hasher.finalize()
}

fn parse_body(position: Position, bytes: &[u8]) -> Option<Header<'_>> {
    let mut rest = Fields(bytes);
    let [format_and_kind, flags, codec] = *rest.chunk::<3>()?;
    if flags & !flag::KNOWN_1 != 0 {
        return None;
    }
    let kind = Kind::of(format_and_kind & 0x0f)?;
    let time = Timestamp::from_micros(u64::from_le_bytes(*rest.chunk()?));
    let id = EventId::from_bytes(*rest.chunk()?);
    let [correlation_id, causation_id] = causes(&mut rest, flags, id)?;
    let version = Version(rest.number()?);
    let schema_version = u32::try_from(rest.number()?).ok()?;
    let (stream, name) = (rest.run()?, rest.run()?);
    let [tags, headers] = tags_and_headers(&mut rest, flags)?;
    Some(Header {
        kind,
        position,
        id,
        time,
        version,
        first: Version::FIRST,
        stream,
        format: FORMAT,
        codec,
        correlation_id,
        causation_id,
        back: 0,
        skips: &[],
        schema_version,
        name,
        tags,
        headers,
        payload_checksum: 0,
        payload: rest.0,
    })
}
