//! The log: records by position.

mod block;
mod end;
mod layout;
mod pending;
mod scan;
mod touch;
mod walk;
mod writing;

pub(crate) use pending::Pending;
pub(crate) use scan::{Backward, Forward, Item};
pub(crate) use walk::Walk;

use crate::error::{backend, corrupt};
use crate::record::Header;
use block::Block;
use end::last_of_damaged;
use heed::types::Bytes;
use heed::{Database, RoTxn};
use midgard::event::{RecordedEvent, RecordedEventRef};
use midgard::store::{StoreError, StreamTombstoned};
use midgard::{Position, StreamName};
use scan::Scan;
use std::borrow::Cow;
use std::cell::Cell;
use std::ops::{Bound, RangeInclusive};

/// The log: records, pieces of records behind them, and blocks of records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log(pub(crate) Database<'static, Bytes, Bytes>);

/// The bytes of a record: in place, unless it had to be put together.
pub(crate) type Record<'t> = Cow<'t, [u8]>;

/// The last finding: the next record may be next to it or the same, and is about as long.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Near<'t> {
    found: Found<'t>,
    length: usize,
}

/// Where a record was found.
#[derive(Debug, Clone, Copy, Default)]
enum Found<'t> {
    #[default]
    Nothing,
    Record(Position, &'t [u8]),
    Block(Position, Block<'t>),
    /// Records from this position on, of an unknown number.
    Damaged(Position),
    /// The beginning of a record, and its pieces.
    Split(Position),
}

impl<'t> Found<'t> {
    /// Returns whether it covers a position, if only to show that the record was removed.
    fn has(self, position: Position) -> bool {
        match self {
            Found::Nothing => false,
            Found::Record(at, _) | Found::Split(at) => at == position,
            Found::Block(first, block) => (first..=block.last(first)).contains(&position),
            Found::Damaged(first) => (first..=last_of_damaged(first)).contains(&position),
        }
    }

    /// Returns the record at a position that it covers, in place; `None` when it was removed, or is split.
    fn record(self, position: Position) -> Option<&'t [u8]> {
        if !self.has(position) {
            return None;
        }
        let record = match self {
            Found::Nothing | Found::Damaged(_) | Found::Split(_) => return None,
            Found::Record(_, bytes) => bytes,
            Found::Block(first, block) => block.record((position.get() - first.get()) as usize),
        };
        (!record.is_empty()).then_some(record)
    }
}

/// The kind of value under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogKey {
    /// A record, or the beginning of one.
    Record(Position),
    /// Records from this position on.
    Block(Position),
    /// A piece of the record at this position, and the number of the piece, from 1.
    Piece(Position, u8),
}

impl LogKey {
    const fn position(self) -> Position {
        match self {
            LogKey::Record(position) | LogKey::Block(position) | LogKey::Piece(position, _) => {
                position
            }
        }
    }
}

/// The key of a record. The key of a block has a zero behind it, the key of a piece its number, from 1.
type Key = [u8; 8];

const fn key(position: Position) -> Key {
    position.get().to_be_bytes()
}

fn key_and(position: Position, number: u8) -> [u8; 9] {
    let mut bytes = [number; 9];
    bytes[..8].copy_from_slice(&key(position));
    bytes
}

#[inline]
fn log_key(key: &[u8]) -> Result<LogKey, StoreError> {
    let parsed = key.split_first_chunk().and_then(|(position, rest)| {
        let position = Position(u64::from_be_bytes(*position));
        match rest {
            [] => Some(LogKey::Record(position)),
            [0] => Some(LogKey::Block(position)),
            [piece] => Some(LogKey::Piece(position, *piece)),
            _ => None,
        }
    });
    parsed.ok_or_else(|| StoreError::Backend {
        action: "read the log",
        cause: format!("a key in it has {} bytes", key.len()).into(),
    })
}

/// Reads the header of a record.
#[inline]
pub(crate) fn header(position: Position, bytes: &[u8]) -> Result<Header<'_>, StoreError> {
    Header::parse(position, bytes).map_err(|reason| corrupt(position, None, reason))
}

/// Returns the event of a record.
#[inline]
pub(crate) fn event<'r>(header: &Header<'r>) -> Result<RecordedEventRef<'r>, StoreError> {
    header.event().map_err(|reason| {
        let stream = String::from_utf8_lossy(header.stream);
        corrupt(header.position, Some(&stream), reason)
    })
}

/// Returns the mark that a stream was tombstoned, as shown to readers that request it.
pub(crate) fn tombstone(header: &Header<'_>) -> Result<RecordedEvent, StoreError> {
    let stream = String::from_utf8_lossy(header.stream);
    let stream = StreamName::new(&*stream)
        .map_err(|error| corrupt(header.position, Some(&stream), error.to_string()))?;
    let Header {
        version,
        position,
        id,
        time,
        ..
    } = *header;
    Ok(StreamTombstoned::recorded(
        stream, version, position, id, time,
    ))
}

impl Log {
    /// Returns the value under the last key that may have the record at a position.
    fn around<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        position: Position,
    ) -> Result<Option<(LogKey, &'t [u8])>, StoreError> {
        let after = key_and(position, u8::MAX);
        let found = self.0.get_lower_than_or_equal_to(transaction, &after);
        let found = found.map_err(backend("read the log"))?;
        found
            .map(|(key, bytes)| Ok((log_key(key)?, bytes)))
            .transpose()
    }

    /// Finds the record at a position, which may be near the last one.
    fn find<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        position: Position,
        near: &Cell<Near<'t>>,
    ) -> Result<Found<'t>, StoreError> {
        let Near { found, length } = near.get();
        if found.has(position) {
            return Ok(found);
        }
        let found = match self.around(transaction, position)? {
            None => Found::Nothing,
            Some((LogKey::Record(at), bytes)) => Found::Record(at, bytes),
            Some((LogKey::Piece(at, _), _)) => Found::Split(at),
            Some((LogKey::Block(first), bytes)) => {
                let index = position.get().saturating_sub(first.get()) as usize;
                touch::place(bytes, index, length);
                match Block::parse(bytes) {
                    Some(block) => {
                        touch::record(block.record(index));
                        Found::Block(first, block)
                    }
                    None => Found::Damaged(first),
                }
            }
        };
        let length = found.record(position).map_or(0, <[u8]>::len);
        near.set(Near { found, length });
        Ok(found)
    }

    /// As [`record`](Log::record), for a record that may be near the last one.
    pub(crate) fn record_near<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        position: Position,
        near: &Cell<Near<'t>>,
    ) -> Result<Option<Record<'t>>, StoreError> {
        let found = self.find(transaction, position, near)?;
        match found {
            // It may be large, so it is put together each time.
            Found::Split(at) if at == position => {
                let mut records = self.forward(transaction, position..=position)?;
                let record = records.next().transpose()?;
                Ok(record.map(|(_, record)| record))
            }
            Found::Damaged(first) if found.has(position) => {
                let reason = format!("the block of records from position {first} on is damaged");
                Err(corrupt(position, None, reason))
            }
            found => Ok(found.record(position).map(Cow::Borrowed)),
        }
    }

    /// As [`record_near`](Log::record_near), unless the record has to be put together.
    pub(crate) fn in_place_near<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        position: Position,
        near: &Cell<Near<'t>>,
    ) -> Result<Option<&'t [u8]>, StoreError> {
        Ok(self.find(transaction, position, near)?.record(position))
    }

    /// Returns the record at a position; `None` where there is none (any more).
    pub(crate) fn record<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        position: Position,
    ) -> Result<Option<Record<'t>>, StoreError> {
        self.record_near(transaction, position, &Cell::default())
    }

    /// Returns the records at these positions, as far as they exist.
    pub(crate) fn forward<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        positions: RangeInclusive<Position>,
    ) -> Result<Forward<'t>, StoreError> {
        let (from, after) = self.keys(transaction, &positions)?;
        let range = self.0.range(transaction, &bounds(&from, &after));
        let range = range.map_err(backend("read the log"))?;
        Ok(Forward::new(Scan::new(range, positions)))
    }

    /// Returns what lies at these positions, whole or not.
    pub(crate) fn walk<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        positions: RangeInclusive<Position>,
    ) -> Result<Walk<'t>, StoreError> {
        let (from, after) = self.keys(transaction, &positions)?;
        let range = self.0.range(transaction, &bounds(&from, &after));
        let range = range.map_err(backend("read the log"))?;
        Ok(Walk(Scan::new(range, positions)))
    }

    /// Returns the first key that may have a record at these positions, and the one behind the last.
    fn keys(
        &self,
        transaction: &RoTxn<'_>,
        positions: &RangeInclusive<Position>,
    ) -> Result<(Key, Key), StoreError> {
        // The first of them may be in a block that begins earlier.
        let start = *positions.start();
        let from = match self.around(transaction, start)? {
            Some((LogKey::Block(first), bytes))
                if Block::parse(bytes).is_some_and(|block| block.last(first) >= start) =>
            {
                first
            }
            _ => start,
        };
        Ok((key(from), key(positions.end().next())))
    }

    /// Returns the records up to this position, the last one first.
    pub(crate) fn backward<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        last: Position,
    ) -> Result<Backward<'t>, StoreError> {
        let (from, after) = (key(Position::FIRST), key(last.next()));
        let range = self.0.rev_range(transaction, &bounds(&from, &after));
        let range = range.map_err(backend("read the log"))?;
        Ok(Backward::new(range, last))
    }
}

const fn bounds<'k>(from: &'k Key, after: &'k Key) -> (Bound<&'k [u8]>, Bound<&'k [u8]>) {
    (Bound::Included(from), Bound::Excluded(after))
}
