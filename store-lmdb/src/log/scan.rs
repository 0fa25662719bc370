//! Records in order.

use super::block::{self, Block};
use super::{LogKey, Record, log_key};
use crate::error::{backend, corrupt};
use crate::record;
use heed::types::Bytes;
use heed::{RoRange, RoRevRange};
use midgard::Position;
use midgard::store::StoreError;
use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

/// A record at its position.
pub(crate) type Item<'t> = Result<(Position, Record<'t>), StoreError>;

/// The item of a scan of keys.
type Keyed<'t> = Option<(LogKey, &'t [u8])>;

fn keyed<'t>(next: Option<heed::Result<(&'t [u8], &'t [u8])>>) -> Result<Keyed<'t>, StoreError> {
    let Some(entry) = next else {
        return Ok(None);
    };
    let (key, bytes) = entry.map_err(backend("read the log"))?;
    Ok(Some((log_key(key)?, bytes)))
}

/// A block, as far as it was not read yet.
pub(super) struct Opened<'t> {
    block: Block<'t>,
    first: u64,
    left: Range<usize>,
}

impl<'t> Opened<'t> {
    /// Returns `None` when it is damaged.
    pub(super) fn new(first: Position, bytes: &'t [u8]) -> Option<Self> {
        let block = Block::parse(bytes)?;
        Some(Opened {
            block,
            first: first.get(),
            left: 0..block.len(),
        })
    }

    const fn last(&self) -> Position {
        self.block.last(Position(self.first))
    }

    /// Returns a record; `None` when it was removed.
    fn item(&self, index: usize) -> Option<(Position, Record<'t>)> {
        let record = self.block.record(index);
        let position = Position(self.first.saturating_add(index as u64));
        (!record.is_empty()).then_some((position, Cow::Borrowed(record)))
    }
}

/// The values under the keys, in order, and the records in blocks.
pub(super) struct Scan<'t> {
    range: RoRange<'t, Bytes, Bytes>,
    /// The next record has this position or a later one. Damaged pages of LMDB may lead anywhere, and in a circle.
    least: Position,
    end: Position,
    block: Option<Opened<'t>>,
    /// The value found behind a record.
    next: Keyed<'t>,
}

impl<'t> Scan<'t> {
    pub(super) fn new(
        range: RoRange<'t, Bytes, Bytes>,
        positions: RangeInclusive<Position>,
    ) -> Self {
        let (least, end) = positions.into_inner();
        Scan {
            range,
            least,
            end,
            block: None,
            next: None,
        }
    }

    /// Returns the next record of the open block.
    pub(super) fn in_block(&mut self) -> Option<(Position, Record<'t>)> {
        while let Some(block) = &mut self.block {
            match block.left.next().map(|index| block.item(index)) {
                Some(Some(item)) => return Some(item),
                // The record was removed.
                Some(None) => {}
                None => self.block = None,
            }
        }
        None
    }

    /// Returns the value under the next key.
    pub(super) fn keyed(&mut self) -> Result<Keyed<'t>, StoreError> {
        match self.next.take() {
            Some(found) => Ok(Some(found)),
            None => keyed(self.range.next()),
        }
    }

    /// Returns it to the scan: it belongs to the next record.
    pub(super) const fn put_back(&mut self, key: LogKey, bytes: &'t [u8]) {
        self.next = Some((key, bytes));
    }

    /// Sets the position of the next record.
    pub(super) fn expect(&mut self, position: Position) -> Result<(), StoreError> {
        if position < self.least {
            return Err(out_of_order(self.least, position));
        }
        self.least = position.next();
        Ok(())
    }

    /// Continues with the records of a block, as far as they were requested.
    pub(super) fn open(&mut self, mut block: Opened<'t>) -> Result<(), StoreError> {
        let (first, least) = (block.first, self.least);
        self.expect(block.last())?;
        let index = |position: Position| position.get().saturating_sub(first) as usize;
        block.left = index(least)..block.left.end.min(index(self.end).saturating_add(1));
        self.block = Some(block);
        Ok(())
    }
}

/// Records in the order of the log.
pub(crate) struct Forward<'t> {
    scan: Scan<'t>,
    /// Of records before this position, no more is read than lies under their own keys.
    target: Position,
}

impl<'t> Forward<'t> {
    pub(super) const fn new(scan: Scan<'t>) -> Self {
        Forward {
            scan,
            target: Position::ZERO,
        }
    }

    /// Returns the next record, on the way to the one at a position: one before it may lack its pieces.
    pub(crate) fn next_towards(
        &mut self,
        target: Position,
    ) -> Result<Option<(Position, Record<'t>)>, StoreError> {
        self.target = target;
        self.record()
    }

    fn record(&mut self) -> Result<Option<(Position, Record<'t>)>, StoreError> {
        loop {
            if let Some(item) = self.scan.in_block() {
                return Ok(Some(item));
            }
            match self.scan.keyed()? {
                None => return Ok(None),
                Some((LogKey::Block(first), bytes)) => match Opened::new(first, bytes) {
                    Some(block) => self.scan.open(block)?,
                    None => {
                        self.scan.expect(first)?;
                        return Err(block::damaged(first));
                    }
                },
                Some((LogKey::Piece(position, _), _)) => return Err(lost_piece(position)),
                Some((LogKey::Record(position), bytes)) => {
                    self.scan.expect(position)?;
                    return match record::is_split(bytes) {
                        true => self.put_together(position, bytes).map(Some),
                        false => Ok(Some((position, Cow::Borrowed(bytes)))),
                    };
                }
            }
        }
    }

    fn put_together(
        &mut self,
        position: Position,
        bytes: &'t [u8],
    ) -> Result<(Position, Record<'t>), StoreError> {
        let is_passed = position < self.target;
        let mut record = Cow::Borrowed(bytes);
        while let Some((key, bytes)) = self.scan.keyed()? {
            if !matches!(key, LogKey::Piece(of, _) if of == position) {
                self.scan.put_back(key, bytes);
                break;
            }
            if !is_passed {
                record.to_mut().extend_from_slice(bytes);
            }
        }
        Ok((position, record))
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
    /// The next record has this position or an earlier one.
    most: Position,
    block: Option<Opened<'t>>,
    /// Of records after this position, no more is read than lies under their own keys.
    target: Position,
}

impl<'t> Backward<'t> {
    pub(super) const fn new(range: RoRevRange<'t, Bytes, Bytes>, most: Position) -> Self {
        Backward {
            range,
            most,
            block: None,
            target: Position::MAX,
        }
    }

    /// Returns the next record, on the way to the one at a position: one after it may lack its pieces.
    pub(crate) fn next_towards(
        &mut self,
        target: Position,
    ) -> Result<Option<(Position, Record<'t>)>, StoreError> {
        self.target = target;
        self.record()
    }

    fn record(&mut self) -> Result<Option<(Position, Record<'t>)>, StoreError> {
        let mut pieces = Vec::new();
        loop {
            while let Some(block) = &mut self.block {
                match block.left.next_back().map(|index| block.item(index)) {
                    Some(Some(item)) => return Ok(Some(item)),
                    // The record was removed.
                    Some(None) => {}
                    None => self.block = None,
                }
            }
            let found = keyed(self.range.next())?;
            if let Some((key, _)) = found
                && key.position() > self.most
            {
                return Err(out_of_order(self.most, key.position()));
            }
            // The pieces of a record come before it here, with nothing in between.
            let of = pieces.last().map(|(position, _)| *position);
            match found {
                Some((LogKey::Piece(position, _), bytes)) if of.is_none_or(|of| of == position) => {
                    pieces.push((position, bytes));
                }
                Some((LogKey::Record(position), bytes)) if of.is_none_or(|of| of == position) => {
                    self.most = position.previous();
                    if pieces.is_empty() || position > self.target {
                        return Ok(Some((position, Cow::Borrowed(bytes))));
                    }
                    let mut whole = bytes.to_vec();
                    let pieces = pieces.iter().rev();
                    pieces.for_each(|(_, bytes)| whole.extend_from_slice(bytes));
                    return Ok(Some((position, Cow::Owned(whole))));
                }
                Some((LogKey::Block(first), bytes)) if of.is_none() => {
                    let Some(mut block) = Opened::new(first, bytes) else {
                        return Err(block::damaged(first));
                    };
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

fn out_of_order(expected: Position, found: Position) -> StoreError {
    let reason = format!("the one at position {found} stands in its place");
    corrupt(expected, None, reason)
}

fn lost_piece(position: Position) -> StoreError {
    let reason = "there is a piece of it without its beginning";
    corrupt(position, None, reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LmdbStore;
    use crate::options::{Durability, LmdbOptions};
    use midgard::event::NewEvent;
    use midgard::store::{Append, ExpectedVersion};
    use midgard::{Store, StreamName, block_on};

    #[test]
    fn large_records_on_the_way_to_another_are_not_put_together() {
        let directory = tempfile::tempdir().unwrap();
        let options = LmdbOptions::default().durability(Durability::NoSync);
        let store = LmdbStore::open_with(directory.path(), options).unwrap();
        // Some fill pages, and the others have pieces.
        for bytes in [10, 5_000, 5_000, 10, 1_000, 20_500, 5_000, 10] {
            let event = NewEvent::json("thing.happened", 1, vec![b'1'; bytes]);
            let name = StreamName::new("stream").unwrap();
            let append = Append::to(name, ExpectedVersion::Any, [event]);
            block_on(store.append(append)).unwrap();
        }
        let read = store.0.environment.read(|databases, snapshot| {
            let (log, target) = (databases.log, Position(6));
            let all = Position::FIRST..=Position::MAX;
            let forward: Result<Vec<_>, _> = log.forward(snapshot, all.clone())?.collect();
            let backward: Result<Vec<_>, _> = log.backward(snapshot, Position::MAX)?.collect();
            let (mut forward, mut backward) = (forward?.into_iter(), backward?.into_iter());
            let mut towards = log.forward(snapshot, all)?;
            let mut back = log.backward(snapshot, Position::MAX)?;
            let check = |whole: Option<(Position, Record<'_>)>,
                         found: Option<(Position, Record<'_>)>| {
                let (Some((at, whole)), Some((found_at, found))) = (whole, found) else {
                    panic!("it ends too early");
                };
                assert_eq!(at, found_at);
                match at == target {
                    true => assert_eq!(whole, found),
                    false => assert!(matches!(found, Cow::Borrowed(_)), "{at}"),
                }
                at == target
            };
            while !check(forward.next(), towards.next_towards(target)?) {}
            while !check(backward.next(), back.next_towards(target)?) {}
            Ok(())
        });
        read.unwrap();
    }
}
