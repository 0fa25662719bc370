//! A record in its stream.

use crate::index::StreamKey;
use crate::record::{Header, Kind};
use crate::streams::{Head, Stream};
use crate::tail::Known;
use midgard::store::StoreError;
use midgard::{Position, Version};

/// The end of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// Its last record.
    pub(super) record: Position,
    pub(super) head: Head,
}

/// Why the end of a stream is unknown.
pub(super) enum Lost {
    /// The index cannot be read.
    Index(StoreError),
    /// Its last record cannot be read.
    At(Position, StoreError),
}

pub(super) fn find_end(stream: &Stream<'_, '_>, key: StreamKey, known: Known) -> Result<End, Lost> {
    match stream.last_record(key, known).map_err(Lost::Index)? {
        Some(record) => {
            let head = stream.head_at(record);
            let head = head.map_err(|error| Lost::At(record, error))?;
            Ok(End { record, head })
        }
        None => {
            let head = stream.head_of_format_1().map_err(Lost::Index)?;
            Ok(match head {
                Some(head) => End {
                    record: stream.databases.about.format_1_until,
                    head,
                },
                None => End {
                    record: Position::ZERO,
                    head: Head::NONE,
                },
            })
        }
    }
}

/// A record that is being checked, and its stream.
pub(super) struct Here<'r, 's, 't> {
    pub(super) stream: Stream<'s, 't>,
    pub(super) key: StreamKey,
    pub(super) header: &'r Header<'r>,
    pub(super) end: End,
}

impl Here<'_, '_, '_> {
    /// Returns what is wrong with its place in its stream.
    pub(super) fn place(&self) -> Option<String> {
        let Here { header, end, .. } = self;
        let (version, state) = (header.version, end.head.state);
        let is_event = header.kind == Kind::Event;
        if is_event && state.tombstoned {
            return Some("it is there, and its stream was tombstoned".to_owned());
        }
        if is_event && version < state.first {
            let first = state.first;
            return Some(format!(
                "it is version {version}, and its stream was truncated before version {first}"
            ));
        }
        // A truncation of format 1 has the first version that was left, which may come next.
        let is_truncation_of_1 = header.is_of_format_1() && header.kind == Kind::Truncated;
        let most = match is_truncation_of_1 {
            true => state.last.next(),
            false => state.last,
        };
        if version > most {
            let (last, at) = (state.last, end.record);
            return Some(format!(
                "it is version {version}, and its stream ends with version {last} at position {at}"
            ));
        }
        if is_event && version == state.last && end.head.event != header.position {
            let at = end.head.event;
            return Some(not_here(version, at));
        }
        if header.first > state.first {
            return Some(format!(
                "it says that its stream begins with version {}, and the last record of that says version {}",
                header.first, state.first
            ));
        }
        None
    }

    /// Returns the position of the event before it, as far as that is known; zero when there is none.
    pub(super) fn back(&self) -> Result<Position, StoreError> {
        let Stream {
            databases,
            transaction,
            name,
            ..
        } = self.stream;
        match &databases.format_1 {
            Some(format_1) if self.header.is_of_format_1() => {
                let Some(stream) = format_1.stream(transaction, name)? else {
                    return Ok(Position::ZERO);
                };
                let before = self.header.version.previous();
                let position = format_1.position_in(transaction, stream, before)?;
                Ok(position.unwrap_or(Position::ZERO))
            }
            _ => Ok(self.header.back()),
        }
    }

    /// Returns what is wrong with a link to the event of another version.
    pub(super) fn leads_to(&self, target: Version, position: Position) -> Option<String> {
        if position == Position::ZERO || position >= self.header.position {
            return Some(format!(
                "it does not say where version {target} of its stream is"
            ));
        }
        let found = self.stream.record(position).and_then(|record| {
            let header = self.stream.event_header(position, &record, target);
            header.map(drop)
        });
        let error = found.err()?;
        Some(format!(
            "its link to version {target} of its stream leads to position {position}, but {}",
            reason(&error)
        ))
    }
}

pub(super) fn not_here(version: Version, found: Position) -> String {
    format!("version {version} of its stream is found at position {found}, and not here")
}

/// Returns what is wrong with a record, without its position.
pub(super) fn reason(error: &StoreError) -> String {
    match error {
        StoreError::Corrupt { reason, .. } => reason.clone(),
        error => error.to_string(),
    }
}
