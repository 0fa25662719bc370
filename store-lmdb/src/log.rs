//! The log: records by position.
//!
//! LMDB gives whole pages to a value of more than 2,022 bytes, so that one of 2,100 would take 4,096, and one of 4,100 twice
//! as many; and of values of 1,400 bytes it puts two on a page, where nearly three would fit. A record that would waste much of
//! a page is split: as many whole pages as it fills, and the rest in pieces behind it, which share pages with other records.

use crate::error::{backend, corrupt};
use crate::record::{self, Header};
use heed::types::Bytes;
use heed::{Database, PutFlags, RoRange, RoRevRange, RoTxn, RwTxn};
use midgard::{Position, RecordedEventRef, StoreError};
use std::borrow::Cow;
use std::ops::{Bound, RangeInclusive};

/// The log, and behind some records their pieces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log(pub(crate) Database<'static, Bytes, Bytes>);

/// The bytes of a record: in place, unless it had to be put together.
pub(crate) type Record<'t> = Cow<'t, [u8]>;

/// The pages of LMDB, as it makes them where the system's have this size.
const PAGE: usize = 4096;
/// What a page begins with.
const PAGE_HEADER: usize = 16;
/// The most bytes of a value that shares a page with others, beside a key of 8 bytes.
const LARGEST_SHARED: usize = 2022;
/// What a value on a shared page takes beside its own bytes: its header, its key and its place in the page.
const NODE: usize = 8 + 8 + 2;
/// The bytes of a piece. Six of them fill a page, with their keys.
const PIECE: usize = 660;

/// About how many bytes of the file a value takes, where values like it lie next to each other.
const fn cost_of(length: usize) -> usize {
    match length {
        ..=LARGEST_SHARED => PAGE / ((PAGE - PAGE_HEADER) / (NODE + length.next_multiple_of(2))),
        length => (length + PAGE_HEADER).div_ceil(PAGE) * PAGE,
    }
}

/// How a record is split: how many of its bytes are under its own key. It is not split where it wastes no more than a fourth
/// of its length.
const fn head_of(length: usize) -> usize {
    if length <= PIECE || cost_of(length) * 4 <= length * 5 {
        return length;
    }
    match (length + PAGE_HEADER) / PAGE {
        0 => PIECE,
        pages => pages * PAGE - PAGE_HEADER,
    }
}

/// The key of a record. Those of its pieces have their number behind it, from 1.
type Key = [u8; 8];

const fn key(position: Position) -> Key {
    position.get().to_be_bytes()
}

fn piece_key(position: Position, piece: u8) -> [u8; 9] {
    let mut bytes = [piece; 9];
    bytes[..8].copy_from_slice(&key(position));
    bytes
}

/// The position in a key, and the number of the piece; zero for the record itself.
fn place_of(key: &[u8]) -> Result<(Position, u8), StoreError> {
    let parts = key.split_first_chunk().and_then(|(position, rest)| {
        let position = Position(u64::from_be_bytes(*position));
        match rest {
            [] => Some((position, 0)),
            [piece] => Some((position, *piece)),
            _ => None,
        }
    });
    parts.ok_or_else(|| StoreError::Backend {
        action: "read the log",
        source: format!("a key in it has {} bytes", key.len()).into(),
    })
}

/// Reads the header of a record.
pub(crate) fn header(position: Position, bytes: &[u8]) -> Result<Header<'_>, StoreError> {
    Header::parse(position, bytes).map_err(|reason| corrupt(position, None, reason))
}

/// The event of a record.
pub(crate) fn event<'r>(header: &Header<'r>) -> Result<RecordedEventRef<'r>, StoreError> {
    header.event().map_err(|reason| {
        let stream = String::from_utf8_lossy(header.stream);
        corrupt(header.position, Some(&stream), reason)
    })
}

impl Log {
    /// The last position that was given away; zero in an empty log.
    pub(crate) fn last_position(&self, transaction: &RoTxn<'_>) -> Result<Position, StoreError> {
        let last = self.0.last(transaction);
        let last = last.map_err(backend("read the end of the log"))?;
        last.map_or(Ok(Position::ZERO), |(key, _)| Ok(place_of(key)?.0))
    }

    /// The record at a position; `None` where there is none (any more).
    pub(crate) fn record<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        position: Position,
    ) -> Result<Option<Record<'t>>, StoreError> {
        let bytes = self.0.get(transaction, &key(position));
        let Some(bytes) = bytes.map_err(backend("read the log"))? else {
            return Ok(None);
        };
        if !record::is_split(bytes) {
            return Ok(Some(Cow::Borrowed(bytes)));
        }
        let mut records = self.forward(transaction, position..=position)?;
        records
            .next()
            .transpose()
            .map(|record| record.map(|(_, record)| record))
    }

    /// Puts a record at the end.
    pub(crate) fn append(
        &self,
        transaction: &mut RwTxn<'_>,
        position: Position,
        record: &mut [u8],
    ) -> heed::Result<()> {
        let head = head_of(record.len());
        if head < record.len() {
            record::set_split(record, position);
        }
        let (head, rest) = record.split_at(head);
        let mut put = |key: &[u8], value: &[u8]| {
            self.0
                .put_with_flags(transaction, PutFlags::APPEND, key, value)
        };
        put(&key(position), head)?;
        for (piece, number) in rest.chunks(PIECE).zip(1..) {
            put(&piece_key(position, number), piece)?;
        }
        Ok(())
    }

    /// Removes a record.
    pub(crate) fn remove(
        &self,
        transaction: &mut RwTxn<'_>,
        position: Position,
    ) -> heed::Result<()> {
        let bytes = self.0.get(transaction, &key(position))?;
        let is_split = bytes.is_some_and(record::is_split);
        self.0.delete(transaction, &key(position))?;
        let mut piece = 1;
        while is_split && self.0.delete(transaction, &piece_key(position, piece))? {
            piece += 1;
        }
        Ok(())
    }

    /// The records at these positions, as far as they are there.
    pub(crate) fn forward<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        positions: RangeInclusive<Position>,
    ) -> Result<Forward<'t>, StoreError> {
        let range = self.0.range(transaction, &bounds(&edges(&positions)));
        Ok(Forward {
            range: range.map_err(backend("read the log"))?,
            next: None,
            least: *positions.start(),
        })
    }

    /// The records at these positions, the last one first.
    pub(crate) fn backward<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        positions: RangeInclusive<Position>,
    ) -> Result<Backward<'t>, StoreError> {
        let range = self.0.rev_range(transaction, &bounds(&edges(&positions)));
        Ok(Backward {
            range: range.map_err(backend("read the log"))?,
            most: *positions.end(),
        })
    }
}

/// The first key, and the one after the last and its pieces.
fn edges(positions: &RangeInclusive<Position>) -> (Key, Key) {
    (key(*positions.start()), key(positions.end().next()))
}

const fn bounds((from, to): &(Key, Key)) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (Bound::Included(from), Bound::Excluded(to))
}

/// A key and its value.
type Pair<'t> = (&'t [u8], &'t [u8]);

/// A record at its position.
pub(crate) type Item<'t> = Result<(Position, Record<'t>), StoreError>;

/// Records in the order of the log.
pub(crate) struct Forward<'t> {
    range: RoRange<'t, Bytes, Bytes>,
    /// What was found behind a split record.
    next: Option<Pair<'t>>,
    /// What comes has this position or a later one. Pages of LMDB that are damaged may lead anywhere, and in a circle.
    least: Position,
}

impl<'t> Forward<'t> {
    fn entry(&mut self) -> Result<Option<Pair<'t>>, StoreError> {
        let entry = self.range.next().transpose();
        entry.map_err(backend("read the log"))
    }

    fn record(&mut self) -> Result<Option<(Position, Record<'t>)>, StoreError> {
        let entry = match self.next.take() {
            Some(entry) => Some(entry),
            None => self.entry()?,
        };
        let Some((key, bytes)) = entry else {
            return Ok(None);
        };
        let (position, piece) = place_of(key)?;
        if position < self.least {
            return Err(out_of_order(self.least, position));
        }
        if piece != 0 {
            return Err(lost_piece(position));
        }
        self.least = position.next();
        if !record::is_split(bytes) {
            return Ok(Some((position, Cow::Borrowed(bytes))));
        }
        let mut whole = bytes.to_vec();
        while let Some((key, bytes)) = self.entry()? {
            if place_of(key)?.0 != position {
                self.next = Some((key, bytes));
                break;
            }
            whole.extend_from_slice(bytes);
        }
        Ok(Some((position, Cow::Owned(whole))))
    }
}

impl<'t> Iterator for Forward<'t> {
    type Item = Item<'t>;

    fn next(&mut self) -> Option<Item<'t>> {
        self.record().transpose()
    }
}

/// Records from the end of the log.
pub(crate) struct Backward<'t> {
    range: RoRevRange<'t, Bytes, Bytes>,
    /// What comes has this position or an earlier one.
    most: Position,
}

impl<'t> Backward<'t> {
    fn record(&mut self) -> Result<Option<(Position, Record<'t>)>, StoreError> {
        let mut pieces = Vec::new();
        let mut of = None;
        while let Some((key, bytes)) = self
            .range
            .next()
            .transpose()
            .map_err(backend("read the log"))?
        {
            let (position, piece) = place_of(key)?;
            if position > self.most {
                return Err(out_of_order(self.most, position));
            }
            if *of.get_or_insert(position) != position {
                break;
            }
            if piece != 0 {
                pieces.push(bytes);
                continue;
            }
            self.most = position.previous();
            if pieces.is_empty() {
                return Ok(Some((position, Cow::Borrowed(bytes))));
            }
            let mut whole = bytes.to_vec();
            whole.extend(pieces.iter().rev().copied().flatten());
            return Ok(Some((position, Cow::Owned(whole))));
        }
        match of {
            Some(position) => Err(lost_piece(position)),
            None => Ok(None),
        }
    }
}

impl<'t> Iterator for Backward<'t> {
    type Item = Item<'t>;

    fn next(&mut self) -> Option<Item<'t>> {
        self.record().transpose()
    }
}

fn out_of_order(expected: Position, found: Position) -> StoreError {
    let reason = format!("the one at position {found} stands in its place");
    corrupt(expected, None, reason)
}

fn lost_piece(position: Position) -> StoreError {
    corrupt(
        position,
        None,
        "there is a piece of it without its beginning".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a record takes of the file, where many like it lie next to each other.
    fn cost(length: usize) -> f64 {
        const RECORDS: usize = 200;
        let head = head_of(length);
        let pieces = (head..length)
            .step_by(PIECE)
            .map(|at| PIECE.min(length - at) + 1);
        let values: Vec<_> = [head].into_iter().chain(pieces).collect();
        let (mut pages, mut left) = (0, 0);
        for value in values.repeat(RECORDS) {
            let node = if value > LARGEST_SHARED {
                pages += (value + PAGE_HEADER).div_ceil(PAGE);
                NODE + size_of::<u64>()
            } else {
                NODE + value.next_multiple_of(2)
            };
            if node > left {
                (pages, left) = (pages + 1, PAGE - PAGE_HEADER);
            }
            left -= node;
        }
        // The last page is not full yet.
        (pages * PAGE - left) as f64 / RECORDS as f64
    }

    #[test]
    fn no_payload_wastes_much() {
        // A record has some 70 bytes beside its payload, more where its names are long, which is what small ones cost.
        for payload in (128..60_000).step_by(3).chain([1 << 20, 16 << 20]) {
            let most = 1.3 * payload as f64 + 64.0;
            let cost = cost(payload + 70);
            assert!(cost <= most, "{payload} bytes take {cost}");
        }
    }
}
