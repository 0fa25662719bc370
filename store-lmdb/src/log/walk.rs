//! The contents of the log, in order, whole or not: for checks.

use super::scan::{Opened, Scan};
use super::{LogKey, Record, block};
use crate::record;
use midgard::Position;
use midgard::store::StoreError;
use std::borrow::Cow;

/// The record at a position, or its fault.
type Found<'t> = (Position, Result<Record<'t>, String>);

/// As [`Forward`](super::Forward), but continues behind records that are not whole. An error is one of the keys: what
/// follows cannot be told from it.
pub(crate) struct Walk<'t>(pub(super) Scan<'t>);

impl<'t> Walk<'t> {
    fn found(&mut self) -> Result<Option<Found<'t>>, StoreError> {
        loop {
            if let Some((position, record)) = self.0.in_block() {
                return Ok(Some((position, Ok(record))));
            }
            let Some((key, bytes)) = self.0.keyed()? else {
                return Ok(None);
            };
            let first = key.position();
            let LogKey::Block(_) = key else {
                self.0.expect(first)?;
                return self.put_together(key, bytes).map(Some);
            };
            let Some(block) = Opened::new(first, bytes) else {
                self.0.expect(first)?;
                return Ok(Some((first, Err(block::DAMAGED.to_owned()))));
            };
            self.0.open(block)?;
        }
    }

    /// Puts a record together from the pieces behind it.
    fn put_together(&mut self, key: LogKey, bytes: &'t [u8]) -> Result<Found<'t>, StoreError> {
        let position = key.position();
        let is_split = record::is_split(bytes);
        let mut record = match key {
            LogKey::Record(_) => Ok(Cow::Borrowed(bytes)),
            _ => Err("there is a piece of it without its beginning".to_owned()),
        };
        let mut expected = 1;
        while let Some((key, bytes)) = self.0.keyed()? {
            let piece = match key {
                LogKey::Piece(at, piece) if at == position => piece,
                _ => {
                    self.0.put_back(key, bytes);
                    break;
                }
            };
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
