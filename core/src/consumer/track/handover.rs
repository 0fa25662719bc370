//! Events that were passed by a release that did not know them: they are handed over before anything else.

use super::super::batch::{EventBatch, next_events};
use super::super::control::give_way;
use super::super::coverage;
use super::super::handler::Handler;
use super::super::notes::{self, Behind, NoteError};
use super::{Ended, Track, Trouble};
use crate::codec::{DecodeError, DecodeReason};
use crate::place::Position;
use crate::projection::{ProjectError, ViewStore as _};
use crate::query::Query;
use crate::record::RecordedEventRef;
use crate::store::Store;
use std::collections::BTreeSet;

impl<S: Store, H: Handler> Track<'_, S, H> {
    /// Whether something before the checkpoints is to be handed over first.
    pub(super) fn is_behind(&self) -> bool {
        self.behind().next().is_some()
    }

    /// What is to be handed over first, of the partitions that lack something.
    fn behind(&self) -> impl Iterator<Item = &Behind> {
        let owned = self.owned.iter();
        owned.filter_map(|owned| owned.checkpoint.behind.first())
    }

    /// Hands over the next events that were passed.
    pub(super) async fn hand_over(&mut self) -> Result<Option<Ended>, Trouble> {
        let names: BTreeSet<&str> = self
            .behind()
            .flat_map(|behind| behind.names.iter().map(String::as_str))
            .collect();
        let from = self.behind().map(|behind| behind.position).min();
        let end = self.behind().map(|behind| behind.end).max();
        let (from, end) = (
            Position(from.unwrap_or_default()),
            Position(end.unwrap_or_default()),
        );
        let read = next_events(&Query::named(names), from);
        let mut batch = EventBatch::default();
        let reached = batch.fill(self.around.store, &read).await?.min(end);
        let last = self.check_log().await?;
        self.report(self.position(), last, None, true);
        let events = batch.up_to(end);
        if events.is_empty() {
            // The log may end before, when it was restored: there is nothing more then.
            self.pass(if reached > from { reached } else { end }, 0);
            self.save().await?;
        } else if let Some(ended) = self.process(&batch, events.end, reached).await? {
            return Ok(Some(ended));
        }
        give_way().await;
        Ok(None)
    }

    /// Whether an event is to be handed over: it was passed in its partition.
    pub(super) fn was_passed(&self, behind: &Behind, event: &RecordedEventRef<'_>) -> bool {
        let passed = behind.position + 1..=behind.end;
        passed.contains(&event.position.0)
            && behind.names.contains(event.name)
            && self.around.handler.query().matches(event)
    }

    /// What is wrong with an event that cannot be read, where only reading it tells its partition.
    pub(super) fn is_unclear(&self, event: &RecordedEventRef<'_>) -> Option<ProjectError> {
        let covered = self.unclear.as_ref()?;
        if coverage::can_read(covered, event.name, event.schema_version)
            || event.position <= self.position()
            || !self.around.handler.wants(event)
        {
            return None;
        }
        let newest = covered.get(event.name).copied().unwrap_or_default();
        let reason = match newest {
            0 => DecodeReason::UnknownEvent,
            newest => DecodeReason::UnknownVersion { newest },
        };
        Some(DecodeError::new(event, reason).into())
    }

    /// Leaves an event to those who know it, as this release cannot tell what it would hold up: nobody who does not know it
    /// goes on from here. `false` when nothing can be written down that would keep others from it.
    pub(super) async fn leave_to_others(
        &mut self,
        event: &RecordedEventRef<'_>,
    ) -> Result<bool, Trouble> {
        if self.plan.generation.number > 0 {
            return Ok(false);
        }
        let key = self.around.keys.about();
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        let handler_notes = self.around.handler.notes();
        let about = notes::get(handler_notes, &mut transaction, &key).await?;
        let Some(mut about) = about else {
            return Err(Trouble::Replan);
        };
        if !coverage::require(&mut about, event) {
            return Ok(false);
        }
        self.put_checkpoints(&mut transaction, Position::ZERO)
            .await?;
        let text = notes::write(&about)?;
        let put = handler_notes.put(&mut transaction, &key, Some(&text));
        put.await
            .map_err(|error| NoteError::Backend(Box::new(error)))?;
        notes::commit(handler_notes, transaction).await?;
        Err(Trouble::Replan)
    }
}
