//! The next events of a track, read while those before them are committed.

use super::super::batch::{EventBatch, next_events};
use crate::place::{Place, Position};
use crate::store::Store;
use crate::store::query::Query;
use std::mem;

/// Events that were read ahead, if any.
#[derive(Default)]
pub(super) struct Ahead {
    batch: EventBatch,
    /// The position after which they were read, and the one up to which the log was read.
    read: Option<(Position, Position)>,
    /// The position after which there are likely more.
    wanted: Option<Position>,
}

impl Ahead {
    /// Sets the position after which to read ahead, once everything up to it is being committed; none when
    /// there are no more events.
    pub(super) fn want(&mut self, batch: &EventBatch, reached: Position) {
        self.wanted = batch.is_full().then_some(reached);
    }

    /// Reads the events after a position, if they are wanted.
    pub(super) async fn read<S: Store>(&mut self, store: &S, query: &Query, after: Place) {
        if self
            .wanted
            .take_if(|wanted| *wanted == after.position)
            .is_some()
        {
            // A read that fails is repeated, and reported, when it is its turn.
            let read = self.batch.fill(store, &next_events(query, after)).await;
            self.read = read.ok().map(|reached| (after.position, reached));
        }
    }

    /// Returns the events after a position, if they were read, and the position up to which the log was read.
    pub(super) fn take(&mut self, after: Position, batch: &mut EventBatch) -> Option<Position> {
        let (read, reached) = self.read.take()?;
        (read == after).then(|| {
            mem::swap(batch, &mut self.batch);
            reached
        })
    }
}
