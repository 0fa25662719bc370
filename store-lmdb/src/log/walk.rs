//! What lies in the log, in its order, whole or not: for those who look for what is wrong with it.

use super::scan::{Entry, Opened, entry, out_of_order};
use super::{Place, Record};
use crate::record;
use heed::RoRange;
use heed::types::Bytes;
use midgard::{Position, StoreError};
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// What lies at a position: a record, or what is wrong with it.
type Found<'t> = (Position, Result<Record<'t>, String>);

/// As [`Forward`](super::Forward), but goes on behind records that are not whole. An error is of the keys: what follows
/// cannot be told from it.
pub(crate) struct Walk<'t> {
    range: RoRange<'t, Bytes, Bytes>,
    /// What comes has this position or a later one.
    least: Position,
    end: Position,
    block: Option<Opened<'t>>,
    /// What was found behind a record.
    next: Entry<'t>,
}

impl<'t> Walk<'t> {
    pub(super) fn new(
        range: RoRange<'t, Bytes, Bytes>,
        positions: RangeInclusive<Position>,
    ) -> Self {
        let (least, end) = positions.into_inner();
        Walk {
            range,
            least,
            end,
            block: None,
            next: None,
        }
    }

    fn found(&mut self) -> Result<Option<Found<'t>>, StoreError> {
        loop {
            while let Some(block) = &mut self.block {
                match block.left.next().map(|index| block.item(index)) {
                    Some(Some((position, record))) => return Ok(Some((position, Ok(record)))),
                    Some(None) => {}
                    None => self.block = None,
                }
            }
            let found = match self.next.take() {
                Some(found) => Some(found),
                None => entry(self.range.next())?,
            };
            let Some((place, bytes)) = found else {
                return Ok(None);
            };
            let first = place.position();
            let Place::Block(_) = place else {
                self.expect(first)?;
                self.least = first.next();
                return self.put_together(place, bytes).map(Some);
            };
            let mut block = Opened::new(first, bytes);
            if block.left.is_empty() {
                self.expect(first)?;
                self.least = first.next();
                let reason = "the block of records that begins with it is damaged";
                return Ok(Some((first, Err(reason.to_owned()))));
            }
            self.expect(block.last())?;
            let index = |position: Position| position.get().saturating_sub(first.get()) as usize;
            block.left = index(self.least)..block.left.end.min(index(self.end).saturating_add(1));
            self.least = block.last().next();
            self.block = Some(block);
        }
    }

    fn expect(&self, position: Position) -> Result<(), StoreError> {
        match position < self.least {
            true => Err(out_of_order(self.least, position)),
            false => Ok(()),
        }
    }

    /// A record, with the pieces that are behind it.
    fn put_together(&mut self, place: Place, bytes: &'t [u8]) -> Result<Found<'t>, StoreError> {
        let position = place.position();
        let is_split = record::is_split(bytes);
        let mut record = match place {
            Place::Record(_) => Ok(Cow::Borrowed(bytes)),
            _ => Err("there is a piece of it without its beginning".to_owned()),
        };
        let mut expected = 1;
        while let Some((place, bytes)) = entry(self.range.next())? {
            let Place::Piece(at, piece) = place else {
                self.next = Some((place, bytes));
                break;
            };
            if at != position {
                self.next = Some((place, bytes));
                break;
            }
            record = match record {
                Ok(_) if !is_split => {
                    Err("there is a piece behind it that it does not have".to_owned())
                }
                Ok(_) if piece != expected => Err(format!("piece {expected} of it is missing")),
                Ok(mut whole) => {
                    whole.to_mut().extend_from_slice(bytes);
                    Ok(whole)
                }
                lost => lost,
            };
            expected = piece.saturating_add(1);
        }
        Ok((position, record))
    }
}

impl<'t> Iterator for Walk<'t> {
    type Item = Result<Found<'t>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.found().transpose()
    }
}
