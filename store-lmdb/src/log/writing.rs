//! How the log changes: records are put at its end, and removed.

use super::block::{self, Block};
use super::layout::{self, PIECE};
use super::{Log, LogKey, Pending, key, key_and};
use crate::error::backend;
use crate::record;
use heed::{PutFlags, RwTxn};
use midgard::Position;
use midgard::store::StoreError;

impl Log {
    /// Puts records at the end.
    pub(crate) fn append(
        &self,
        transaction: &mut RwTxn<'_>,
        records: &Pending,
    ) -> heed::Result<()> {
        /// The rest of a commit may take this much more room than it needs: then few records stand alone, and the
        /// tree stays small.
        const WASTE: usize = 32;
        let waste = records.bytes() / WASTE;
        let (mut next, mut value) = (records.first(), Vec::new());
        while next <= records.last() {
            let rest = records.records_from(next).map(|(_, record)| record);
            match layout::block_of(rest.map(<[u8]>::len), waste) {
                Some(count) => {
                    let block = (next.get()..).map_while(|at| records.record(Position(at)));
                    block::encode(&mut value, block.take(count));
                    self.put(transaction, &key_and(next, 0), &value)?;
                    next = Position(next.get() + count as u64);
                }
                None => {
                    let record = records.record(next).unwrap_or_default();
                    self.append_one(transaction, next, record, &mut value)?;
                    next = next.next();
                }
            }
        }
        Ok(())
    }

    fn append_one(
        &self,
        transaction: &mut RwTxn<'_>,
        position: Position,
        record: &[u8],
        scratch: &mut Vec<u8>,
    ) -> heed::Result<()> {
        let head = layout::head_of(record.len());
        if head == record.len() {
            return self.put(transaction, &key(position), record);
        }
        scratch.clear();
        scratch.extend_from_slice(record);
        record::set_split(scratch, position);
        let (head, rest) = scratch.split_at(head);
        self.put(transaction, &key(position), head)?;
        for (piece, number) in rest.chunks(PIECE).zip(1..) {
            self.put(transaction, &key_and(position, number), piece)?;
        }
        Ok(())
    }

    fn put(&self, transaction: &mut RwTxn<'_>, key: &[u8], value: &[u8]) -> heed::Result<()> {
        self.0
            .put_with_flags(transaction, PutFlags::APPEND, key, value)
    }

    /// Removes the records at these positions, which are in order.
    pub(crate) fn remove(
        &self,
        transaction: &mut RwTxn<'_>,
        positions: &[Position],
    ) -> Result<(), StoreError> {
        let mut rest = positions;
        let mut left = Vec::new();
        while let [position, ..] = rest {
            let in_block = match self.around(transaction, *position)? {
                Some((LogKey::Block(first), bytes)) => {
                    let block = Block::parse(bytes).filter(|block| block.is_in_order());
                    let block = block.ok_or_else(|| block::damaged(first))?;
                    let last = block.last(first);
                    let inside = rest.partition_point(|position| *position <= last);
                    left.clear();
                    block.encode_without(first, &rest[..inside], &mut left);
                    (inside > 0).then_some((first, inside))
                }
                _ => None,
            };
            let removed = match in_block {
                Some((first, inside)) => {
                    rest = &rest[inside..];
                    let key = key_and(first, 0);
                    match left.as_slice() {
                        [] => self.0.delete(transaction, &key).map(drop),
                        left => self.0.put(transaction, &key, left),
                    }
                }
                None => {
                    rest = &rest[1..];
                    self.remove_one(transaction, *position)
                }
            };
            removed.map_err(backend("remove an event"))?;
        }
        Ok(())
    }

    fn remove_one(&self, transaction: &mut RwTxn<'_>, position: Position) -> heed::Result<()> {
        let bytes = self.0.get(transaction, &key(position))?;
        let is_split = bytes.is_some_and(record::is_split);
        self.0.delete(transaction, &key(position))?;
        let mut piece = 1;
        while is_split && self.0.delete(transaction, &key_and(position, piece))? {
            piece += 1;
        }
        Ok(())
    }
}
