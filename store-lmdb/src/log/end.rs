//! The end of the log: an appended record gets a position that no record has had.

use super::block::{self, Block};
use super::{Log, LogKey, log_key};
use crate::error::{backend, corrupt};
use heed::RoTxn;
use midgard::Position;
use midgard::store::StoreError;

/// No log has this many records. A damaged position may be any number.
const LAST: Position = Position(1 << 62);

/// Returns the last position that a damaged block can have.
pub(super) const fn last_of_damaged(first: Position) -> Position {
    Position(first.get().saturating_add(block::MOST_RECORDS - 1))
}

impl Log {
    /// Returns the last position that can have been given away; zero in an empty log. It is exact unless the last
    /// block is damaged: see [`certain_last_position`](Log::certain_last_position).
    pub(crate) fn last_position(&self, transaction: &RoTxn<'_>) -> Result<Position, StoreError> {
        let last = self.0.last(transaction);
        let Some((key, bytes)) = last.map_err(backend("read the end of the log"))? else {
            return Ok(Position::ZERO);
        };
        Ok(match log_key(key)? {
            LogKey::Record(position) | LogKey::Piece(position, _) => position,
            LogKey::Block(first) => match Block::parse(bytes) {
                Some(block) => block.last(first),
                None => last_of_damaged(first),
            },
        })
    }

    /// As [`last_position`](Log::last_position); an error if it is not certain.
    pub(crate) fn certain_last_position(
        &self,
        transaction: &RoTxn<'_>,
    ) -> Result<Position, StoreError> {
        let last = self.0.last(transaction);
        match last.map_err(backend("read the end of the log"))? {
            Some((key, bytes)) => match log_key(key)? {
                LogKey::Block(first) if Block::parse(bytes).is_none() => Err(block::damaged(first)),
                _ => self.last_position(transaction),
            },
            None => Ok(Position::ZERO),
        }
    }

    /// Checks that the position behind the last key was never given away: a damaged key may be less than those before
    /// it.
    pub(crate) fn check_end(&self, transaction: &RoTxn<'_>) -> Result<(), StoreError> {
        let failed = backend("read the end of the log");
        let mut last = self.0.rev_iter(transaction).map_err(&failed)?;
        let Some((key, _)) = last.next().transpose().map_err(&failed)? else {
            return Ok(());
        };
        let position = log_key(key)?.position();
        let is_behind = match last.next().transpose().map_err(&failed)? {
            None => true,
            Some((before, bytes)) => match log_key(before)? {
                LogKey::Block(first) => {
                    let end = Block::parse(bytes).map_or(first, |block| block.last(first));
                    position > end
                }
                _ => key > before,
            },
        };
        if is_behind && position <= LAST {
            return Ok(());
        }
        let reason = "it is the last of the log, and cannot be: what comes next would have a position that was given already";
        Err(corrupt(position, None, reason.to_owned()))
    }
}
