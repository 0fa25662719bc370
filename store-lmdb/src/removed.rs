//! The positions of the log that are empty on purpose. A gap anywhere else is damage.

use crate::error::backend;
use heed::byteorder::{BigEndian, LittleEndian};
use heed::types::U64;
use heed::{Database, RoTxn, RwTxn};
use midgard::Position;
use midgard::store::StoreError;
use std::ops::RangeInclusive;

/// The last position of each range of removed records, by its first.
pub(crate) type Ranges<'e> = Database<'e, U64<BigEndian>, U64<LittleEndian>>;

/// Ranges that neither overlap nor touch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Removed(pub(crate) Ranges<'static>);

impl Removed {
    /// Returns whether all of these positions were removed.
    pub(crate) fn covers(
        &self,
        transaction: &RoTxn<'_>,
        positions: &RangeInclusive<Position>,
    ) -> Result<bool, StoreError> {
        let range = self.range_of(transaction, *positions.start());
        let range = range.map_err(backend("read what was removed"))?;
        Ok(range.is_some_and(|(_, last)| last >= positions.end().get()))
    }

    /// Returns the range of positions around one in which none was removed; `None` when it was removed itself.
    pub(crate) fn none_around(
        &self,
        transaction: &RoTxn<'_>,
        position: Position,
    ) -> Result<Option<RangeInclusive<Position>>, StoreError> {
        let failed = backend("read what was removed");
        let before = self.range_of(transaction, position).map_err(&failed)?;
        let before = before.map_or(0, |(_, last)| last);
        let after = self.0.get_greater_than(transaction, &position.get());
        let after = after.map_err(&failed)?.map_or(u64::MAX, |(first, _)| first);
        let around = Position(before).next()..=Position(after).previous();
        Ok((before < position.get()).then_some(around))
    }

    /// Returns the first of these positions that were not removed, up to the next that was; `None` when all were.
    /// Reads two ranges at most.
    pub(crate) fn first_not_removed(
        &self,
        transaction: &RoTxn<'_>,
        positions: RangeInclusive<Position>,
    ) -> Result<Option<RangeInclusive<Position>>, StoreError> {
        let failed = backend("read what was removed");
        let (mut from, last) = positions.into_inner();
        let range = self.range_of(transaction, from).map_err(&failed)?;
        if let Some((_, end)) = range
            && end >= from.get()
        {
            from = Position(end).next();
        }
        let after = self.0.get_greater_than(transaction, &from.get());
        let after = after.map_err(&failed)?;
        let last = after.map_or(last, |(first, _)| last.min(Position(first).previous()));
        Ok((from <= last).then_some(from..=last))
    }

    /// Returns the range that a position is in, or the one before it.
    fn range_of(
        &self,
        transaction: &RoTxn<'_>,
        position: Position,
    ) -> heed::Result<Option<(u64, u64)>> {
        self.0
            .get_lower_than_or_equal_to(transaction, &position.get())
    }

    /// Notes that a record was removed.
    pub(crate) fn add(&self, transaction: &mut RwTxn<'_>, position: Position) -> heed::Result<()> {
        let (mut first, mut last) = (position.get(), position.get());
        if let Some((start, end)) = self.range_of(transaction, position)? {
            if end >= last {
                return Ok(());
            }
            if end + 1 == first {
                first = start;
            }
        }
        if let Some(end) = self.0.get(transaction, &(last + 1))? {
            self.0.delete(transaction, &(last + 1))?;
            last = end;
        }
        self.0.put(transaction, &first, &last)
    }
}
