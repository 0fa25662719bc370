//! Events that were passed by a release that did not know them: they are handed over before anything else.

use super::super::about::AboutSubscription;
use super::super::batch::{EventBatch, next_events};
use super::super::coverage;
use super::super::handler::Handler;
use super::super::notes::{self, Behind, backend};
use super::handling::partition_of;
use super::ownership::Owned;
use super::{Ended, Track, TrackError};
use crate::consumer::ProjectError;
use crate::event::codec::{DecodeError, DecodeReason};
use crate::event::record::RecordedEventRef;
use crate::give_way::give_way;
use crate::notes::NoteStore as _;
use crate::place::Position;
use crate::store::Store;
use crate::store::query::Query;
use std::collections::BTreeSet;
use std::time::Instant;

impl<S: Store, H: Handler> Track<'_, S, H> {
    /// Returns whether events before the checkpoints are to be handed over first.
    pub(super) fn is_behind(&self) -> bool {
        self.behind().next().is_some()
    }

    /// Returns what is to be handed over first, of the partitions that lack something.
    fn behind(&self) -> impl Iterator<Item = &Behind> {
        let owned = self.owned.iter();
        owned.filter_map(|owned| owned.checkpoint.behind.first())
    }

    /// Hands over the next events that were passed.
    pub(super) async fn hand_over(&mut self) -> Result<Option<Ended>, TrackError> {
        let mut is_any_finished = false;
        for owned in &mut self.owned {
            is_any_finished |= owned.checkpoint.drop_finished();
        }
        if is_any_finished {
            let unsaved = self.unsaved.unwrap_or((Instant::now(), true));
            self.unsaved = Some(unsaved);
            self.save().await?;
            return Ok(None);
        }
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
        let read = next_events(&Query::named(names), self.plan.place(from));
        let mut batch = EventBatch::default();
        let reached = batch.fill(self.context.store, &read).await?.min(end);
        let last = self.check_log().await?;
        self.report(self.position(), last, None, true);
        let events = batch.up_to(end);
        if events.is_empty() {
            // A restored log may end earlier: then nothing is left.
            self.pass(if reached > from { reached } else { end }, 0);
        } else if let Some(ended) = self.process(&batch, events.end, reached).await? {
            return Ok(Some(ended));
        }
        give_way().await;
        Ok(None)
    }

    /// Gives the work of this release to one that covers more, with its progress up to the first event that this one would
    /// skip. If the plan has changed in other ways, nothing is given away.
    pub(super) async fn hand_to_others(&mut self) {
        if self.plan.generation > 0 || self.owned.is_empty() {
            return;
        }
        match self.give_up_what_is_lacking().await {
            Ok(true) => self.end().await,
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(%error, "the progress could not be handed over");
            }
        }
    }

    async fn give_up_what_is_lacking(&mut self) -> Result<bool, TrackError> {
        // Checkpoints that are being written rely on the old plan.
        self.saving = None;
        let (notes, key) = (self.context.handler.notes(), self.context.keys.about());
        let mut transaction = self.begin_read().await?;
        let text = notes.get(&mut transaction, &key).await.map_err(backend)?;
        drop(transaction);
        let Some(text) = text else {
            return Ok(false);
        };
        let about: AboutSubscription = notes::read(&key, &text)?;
        let lacks = about.coverage.unwrap_or_default();
        let lacks = lacks.lacks(&self.context.handler.covers());
        if lacks.is_empty() {
            return Ok(false);
        }
        // From here on, all writes rely on the new plan, and add to what others have noted meanwhile.
        self.plan.about = Some(text);
        let mut transaction = self.begin_read().await?;
        let mut noted = Vec::with_capacity(self.owned.len());
        for owned in &self.owned {
            noted.push(self.checkpoint(&mut transaction, owned.partition).await?);
        }
        drop(transaction);
        let from = noted.iter().map(|noted| noted.position).min();
        let query = if lacks.contains(coverage::ALL) {
            Query::all()
        } else {
            Query::named(lacks.iter().map(String::as_str))
        };
        let read =
            next_events(&query, self.plan.place(Position(from.unwrap_or_default()))).limit(1);
        let mut batch = EventBatch::default();
        batch.fill(self.context.store, &read).await?;
        let first = (batch.len() > 0).then(|| batch.position(0).previous().0);
        for (owned, noted) in self.owned.iter_mut().zip(noted) {
            let reached = owned.checkpoint.position.min(first.unwrap_or(u64::MAX));
            owned.checkpoint = noted.clone();
            if reached > noted.position {
                (owned.checkpoint.position, owned.checkpoint.event) = (reached, None);
            }
            owned.saved = noted;
        }
        Ok(true)
    }

    /// Returns whether an event is this worker's, and not handled yet. If its sequence cannot be named, its owner is unknown:
    /// then it fails at every worker that has not passed it, and no worker leaves it to another.
    pub(super) fn is_due(&self, event: &RecordedEventRef<'_>) -> Result<bool, ProjectError> {
        let is_behind = self.is_behind();
        let is_ahead = |owned: &Owned| match owned.checkpoint.behind.first() {
            Some(behind) => self.was_passed(behind, event),
            None => event.position > owned.position() && !is_behind,
        };
        if !self.context.handler.wants(event) || !self.owned.iter().any(is_ahead) {
            return Ok(false);
        }
        let partition = match self.plan.partitions {
            1 => 0,
            partitions => partition_of(&self.try_sequence_of(event)?, partitions),
        };
        let mut owned = self.owned.iter();
        let owned = owned.find(|one| one.partition == partition);
        Ok(owned.is_some_and(is_ahead))
    }

    /// Returns whether an event is to be handed over: it was passed in its partition.
    fn was_passed(&self, behind: &Behind, event: &RecordedEventRef<'_>) -> bool {
        let passed = behind.position + 1..=behind.end;
        passed.contains(&event.position.0)
            && behind.names.contains(event.name)
            && self.context.handler.query().matches(event)
    }

    /// Returns why an event cannot be read, if its partition is only known by reading it.
    pub(super) fn is_unclear(&self, event: &RecordedEventRef<'_>) -> Option<ProjectError> {
        let covered = self.unclear.as_ref()?;
        if coverage::can_read(covered, event.name, event.schema_version)
            || event.position <= self.position()
            || !self.context.handler.wants(event)
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

    /// Leaves an event to releases that know it, as this one cannot know what it would hold up: no release that does not know
    /// it continues from here. `false` when no note can keep others from it.
    pub(super) async fn leave_to_others(
        &mut self,
        event: &RecordedEventRef<'_>,
    ) -> Result<bool, TrackError> {
        if self.plan.generation > 0 {
            return Ok(false);
        }
        let key = self.context.keys.about();
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        let handler_notes = self.context.handler.notes();
        let about = notes::get(handler_notes, &mut transaction, &key).await?;
        let Some(mut about) = about else {
            return Err(TrackError::Replan);
        };
        if !coverage::require(&mut about, event) {
            return Ok(false);
        }
        self.put_checkpoints(&mut transaction, Position::ZERO)
            .await?;
        let text = notes::write(&about)?;
        let put = handler_notes.put(&mut transaction, &key, Some(&text));
        put.await.map_err(backend)?;
        notes::commit(handler_notes, transaction).await?;
        Err(TrackError::Replan)
    }
}
