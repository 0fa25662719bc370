//! The checkpoints of the partitions that a worker owns, and the check that they belong to this log.

use super::super::handler::{Handler, TransactionOf};
use super::super::notes::{self, Checkpoint, NoteError};
use super::ownership::Owned;
use super::{Track, TrackError};
use crate::event::metadata::EventId;
use crate::event::record::RecordedEventRef;
use crate::place::Position;
use crate::store::{ReadLog, Store};
use std::ops::ControlFlow;

impl<S: Store, H: Handler> Track<'_, S, H> {
    /// Reads the checkpoint of a partition: its start, when there is none.
    pub(super) async fn checkpoint(
        &self,
        transaction: &mut TransactionOf<H>,
        partition: u32,
    ) -> Result<Checkpoint, NoteError> {
        let number = self.plan.generation;
        let key = self
            .context
            .keys
            .checkpoint(number, self.plan.log, partition);
        let checkpoint = notes::get(self.context.handler.notes(), transaction, &key).await?;
        Ok(checkpoint.unwrap_or_else(|| Checkpoint::at(self.plan.start)))
    }

    /// Reads the id of the event at a position, if there is one.
    async fn event_at(&self, position: Position) -> Result<Option<EventId>, TrackError> {
        let mut id = None;
        let read = ReadLog::forward()
            .log(self.plan.log)
            .after(position.previous())
            .limit(1);
        let visit = &mut |event: RecordedEventRef<'_>| {
            id = (event.position == position).then_some(event.id);
            ControlFlow::Break(())
        };
        self.context.store.read_log(&read, visit).await?;
        Ok(id)
    }

    /// Checks that the log has the event of a checkpoint. An event that was removed since proves nothing.
    pub(super) async fn check_event_at(&self, checkpoint: &Checkpoint) -> Result<(), TrackError> {
        let Some(noted) = &checkpoint.event else {
            return Ok(());
        };
        let position = Position(checkpoint.position);
        match self.event_at(position).await? {
            Some(found) if found.to_string() != *noted => Err(TrackError::OtherEvent {
                place: self.plan.place(position),
                noted: noted.clone(),
                found,
            }),
            _ => Ok(()),
        }
    }

    /// Writes the checkpoints for everything up to `reached`; returns them as they are written.
    pub(super) async fn put_checkpoints(
        &self,
        transaction: &mut TransactionOf<H>,
        reached: Position,
    ) -> Result<Vec<Checkpoint>, TrackError> {
        let notes = self.context.handler.notes();
        let number = self.plan.generation;
        let is_behind = self.is_behind();
        let mut checkpoints: Vec<Checkpoint> = Vec::with_capacity(self.owned.len());
        for owned in &self.owned {
            let mut checkpoint = owned.checkpoint.clone();
            if !is_behind || !checkpoint.behind.is_empty() {
                checkpoint.advance(reached);
            }
            if checkpoint != owned.saved {
                if checkpoint.event.is_none() {
                    // Most often all partitions are at one position.
                    let last = checkpoints.last();
                    let same = last.filter(|last| last.position == checkpoint.position);
                    checkpoint.event = match same {
                        Some(same) => same.event.clone(),
                        None => self
                            .event_at(Position(checkpoint.position))
                            .await?
                            .map(|id| id.to_string()),
                    };
                }
                let partition = owned.partition;
                let key = self
                    .context
                    .keys
                    .checkpoint(number, self.plan.log, partition);
                notes::put(notes, transaction, &key, &checkpoint).await?;
            }
            checkpoints.push(checkpoint);
        }
        Ok(checkpoints)
    }

    /// Records that checkpoints were written. Events may have been handled since.
    pub(super) fn take_saved(&mut self, checkpoints: Vec<Checkpoint>) {
        for (owned, saved) in self.owned.iter_mut().zip(checkpoints) {
            if owned.checkpoint.position == saved.position {
                owned.checkpoint.event.clone_from(&saved.event);
            }
            owned.saved = saved;
        }
    }

    /// Returns whether the checkpoints of all partitions, of any owner, are at a position.
    pub(super) async fn all_saved_up_to(&self, target: Position) -> Result<bool, TrackError> {
        let mut transaction = self.begin_read().await?;
        let mut highest = Checkpoint::at(target);
        for partition in 0..self.plan.partitions {
            // A partition without events has no checkpoint.
            let checkpoint = self.checkpoint(&mut transaction, partition).await?;
            if checkpoint.position < target.0 || !checkpoint.behind.is_empty() {
                return Ok(false);
            }
            if checkpoint.position >= highest.position {
                highest = checkpoint;
            }
        }
        drop(transaction);
        self.check_log_up_to(Position(highest.position)).await?;
        self.check_event_at(&highest).await?;
        Ok(true)
    }

    /// Writes the checkpoints once this worker has reached a position; returns whether others, which may own a part, have
    /// reached it, too.
    pub(super) async fn finish_up_to(&mut self, target: Position) -> Result<bool, TrackError> {
        if self.owned.len() == self.plan.partitions as usize {
            self.check_log().await?;
            return Ok(true);
        }
        self.finish_saving().await?;
        self.save().await?;
        self.all_saved_up_to(target).await
    }

    /// Checks that the log has the handled events; returns its end.
    pub(super) async fn check_log(&self) -> Result<Position, TrackError> {
        let positions = self.owned.iter().map(Owned::position);
        self.check_log_up_to(positions.max().unwrap_or_default())
            .await
    }

    async fn check_log_up_to(&self, from: Position) -> Result<Position, TrackError> {
        let end = self.context.store.last_position(self.plan.log).await?;
        if from > end && from > self.plan.start {
            let (from, end) = (self.plan.place(from), self.plan.place(end));
            return Err(TrackError::OtherLog { from, end });
        }
        Ok(end)
    }
}
