//! Records in order.

use super::block::Block;
use super::{Place, Record, place_of};
use crate::error::{backend, corrupt};
use crate::record;
use heed::types::Bytes;
use heed::{RoRange, RoRevRange};
use midgard::{Position, StoreError};
use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

/// A record at its position.
pub(crate) type Item<'t> = Result<(Position, Record<'t>), StoreError>;

/// What a scan of keys gives.
pub(super) type Entry<'t> = Option<(Place, &'t [u8])>;

pub(super) fn entry<'t>(
    next: Option<heed::Result<(&'t [u8], &'t [u8])>>,
) -> Result<Entry<'t>, StoreError> {
    let Some(entry) = next else {
        return Ok(None);
    };
    let (key, bytes) = entry.map_err(backend("read the log"))?;
    Ok(Some((place_of(key)?, bytes)))
}

/// A block, as far as it was not read.
pub(super) struct Opened<'t> {
    block: Block<'t>,
    first: u64,
    pub(super) left: Range<usize>,
}

impl<'t> Opened<'t> {
    pub(super) fn new(first: Position, bytes: &'t [u8]) -> Self {
        let block = Block::parse(bytes);
        Opened {
            block,
            first: first.get(),
            left: 0..block.len(),
        }
    }

    pub(super) const fn last(&self) -> Position {
        self.block.last(Position(self.first))
    }

    /// A record; `None` when it was removed.
    pub(super) fn item(&self, index: usize) -> Option<(Position, Record<'t>)> {
        let record = self.block.record(index);
        let position = Position(self.first.saturating_add(index as u64));
        (!record.is_empty()).then_some((position, Cow::Borrowed(record)))
    }
}

/// Records in the order of the log.
pub(crate) struct Forward<'t> {
    range: RoRange<'t, Bytes, Bytes>,
    /// What comes has this position or a later one. Pages of LMDB that are damaged may lead anywhere, and in a circle.
    least: Position,
    end: Position,
    block: Option<Opened<'t>>,
    /// What was found behind a split record.
    next: Entry<'t>,
}

impl<'t> Forward<'t> {
    pub(super) fn new(
        range: RoRange<'t, Bytes, Bytes>,
        positions: RangeInclusive<Position>,
    ) -> Self {
        let (least, end) = positions.into_inner();
        Forward {
            range,
            least,
            end,
            block: None,
            next: None,
        }
    }

    fn record(&mut self) -> Result<Option<(Position, Record<'t>)>, StoreError> {
        loop {
            while let Some(block) = &mut self.block {
                match block.left.next().map(|index| block.item(index)) {
                    Some(Some(item)) => return Ok(Some(item)),
                    // It was removed.
                    Some(None) => {}
                    None => self.block = None,
                }
            }
            let found = match self.next.take() {
                Some(found) => Some(found),
                None => entry(self.range.next())?,
            };
            match found {
                None => return Ok(None),
                Some((Place::Block(first), bytes)) => {
                    let mut block = Opened::new(first, bytes);
                    self.expect(block.last())?;
                    let index =
                        |position: Position| position.get().saturating_sub(first.get()) as usize;
                    block.left =
                        index(self.least)..block.left.end.min(index(self.end).saturating_add(1));
                    self.least = block.last().next();
                    self.block = Some(block);
                }
                Some((Place::Piece(position, _), _)) => return Err(lost_piece(position)),
                Some((Place::Record(position), bytes)) => {
                    self.expect(position)?;
                    self.least = position.next();
                    return match record::is_split(bytes) {
                        true => self.put_together(position, bytes).map(Some),
                        false => Ok(Some((position, Cow::Borrowed(bytes)))),
                    };
                }
            }
        }
    }

    fn expect(&self, position: Position) -> Result<(), StoreError> {
        match position < self.least {
            true => Err(out_of_order(self.least, position)),
            false => Ok(()),
        }
    }

    fn put_together(
        &mut self,
        position: Position,
        bytes: &[u8],
    ) -> Result<(Position, Record<'t>), StoreError> {
        let mut whole = bytes.to_vec();
        while let Some((place, bytes)) = entry(self.range.next())? {
            if !matches!(place, Place::Piece(of, _) if of == position) {
                self.next = Some((place, bytes));
                break;
            }
            whole.extend_from_slice(bytes);
        }
        Ok((position, Cow::Owned(whole)))
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
    block: Option<Opened<'t>>,
}

impl<'t> Backward<'t> {
    pub(super) const fn new(range: RoRevRange<'t, Bytes, Bytes>, most: Position) -> Self {
        Backward {
            range,
            most,
            block: None,
        }
    }

    fn record(&mut self) -> Result<Option<(Position, Record<'t>)>, StoreError> {
        let mut pieces = Vec::new();
        loop {
            while let Some(block) = &mut self.block {
                match block.left.next_back().map(|index| block.item(index)) {
                    Some(Some(item)) => return Ok(Some(item)),
                    // It was removed.
                    Some(None) => {}
                    None => self.block = None,
                }
            }
            let found = entry(self.range.next())?;
            if let Some((place, _)) = found
                && place.position() > self.most
            {
                return Err(out_of_order(self.most, place.position()));
            }
            // The pieces of a record come before it, and nothing comes in between.
            let of = pieces.last().map(|(position, _)| *position);
            match found {
                Some((Place::Piece(position, _), bytes)) if of.is_none_or(|of| of == position) => {
                    pieces.push((position, bytes));
                }
                Some((Place::Record(position), bytes)) if of.is_none_or(|of| of == position) => {
                    self.most = position.previous();
                    if pieces.is_empty() {
                        return Ok(Some((position, Cow::Borrowed(bytes))));
                    }
                    let mut whole = bytes.to_vec();
                    let pieces = pieces.iter().rev();
                    pieces.for_each(|(_, bytes)| whole.extend_from_slice(bytes));
                    return Ok(Some((position, Cow::Owned(whole))));
                }
                Some((Place::Block(first), bytes)) if of.is_none() => {
                    let mut block = Opened::new(first, bytes);
                    let until = self.most.get().saturating_sub(first.get()) as usize;
                    block.left.end = block.left.end.min(until.saturating_add(1));
                    self.most = first.previous();
                    self.block = Some(block);
                }
                _ => return of.map_or(Ok(None), |position| Err(lost_piece(position))),
            }
        }
    }
}

impl<'t> Iterator for Backward<'t> {
    type Item = Item<'t>;

    fn next(&mut self) -> Option<Item<'t>> {
        self.record().transpose()
    }
}

pub(super) fn out_of_order(expected: Position, found: Position) -> StoreError {
    let reason = format!("the one at position {found} stands in its place");
    corrupt(expected, None, reason)
}

fn lost_piece(position: Position) -> StoreError {
    let reason = "there is a piece of it without its beginning";
    corrupt(position, None, reason.to_owned())
}
