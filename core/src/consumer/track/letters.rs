//! Dead letters: events that are parked, or skipped because this release does not know them.

use super::super::batch::EventBatch;
use super::super::failure::Then;
use super::super::handler::{Handler, TransactionOf};
use super::super::notes::{self, Letter};
use super::{Track, TrackError};
use crate::consumer::ProjectError;
use crate::event::record::RecordedEventRef;
use crate::store::Store;

/// Why an event is parked or skipped.
pub(super) struct Fault {
    pub(super) error: String,
    /// How often its handler has failed on it in a row.
    pub(super) failures: u32,
    /// Its version, when it failed only because this release does not know it.
    pub(super) unknown: Option<u32>,
}

impl Fault {
    /// Returns the cause that an earlier event of its sequence is parked; its own handler was not called.
    fn follows() -> Self {
        Fault {
            error: "an earlier event of its sequence is parked".to_owned(),
            failures: 0,
            unknown: None,
        }
    }
}

impl<S: Store, H: Handler> Track<'_, S, H> {
    /// Returns the dead letters of this generation in the log by their keys, in the order of the log.
    pub(super) async fn letters(
        &self,
        transaction: &mut TransactionOf<H>,
    ) -> Result<Vec<(String, Letter)>, TrackError> {
        let (keys, plan) = (self.context.keys, &self.plan);
        let prefix = keys.letters_in(plan.generation, plan.log);
        Ok(notes::list(self.context.handler.notes(), transaction, &prefix).await?)
    }

    pub(super) async fn load_parked(&mut self) -> Result<(), TrackError> {
        let mut transaction = self.begin_read().await?;
        let letters = self.letters(&mut transaction).await?;
        self.parked = letters
            .into_iter()
            .filter(|(_, letter)| !letter.is_passed)
            .map(|(_, letter)| letter.sequence)
            .collect();
        Ok(())
    }

    /// Returns whether an earlier event of an event's sequence is parked.
    pub(super) fn is_parked(&self, event: &RecordedEventRef<'_>) -> Result<bool, ProjectError> {
        Ok(!self.parked.is_empty() && self.parked.contains(&*self.try_sequence_of(event)?))
    }

    /// Skips an event for good, or until its letter is retried.
    pub(super) async fn settle(
        &mut self,
        event: &RecordedEventRef<'_>,
        then: Then,
        fault: Fault,
    ) -> Result<(), TrackError> {
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        let (position, stream, error) = (event.position.0, event.stream, &fault.error);
        if then == Then::Park {
            tracing::warn!(position, stream, error, "event parked");
            let letter = self.letter(event, fault);
            self.put_letter(&mut transaction, event, letter).await?;
            let sequence = self.sequence_of(event);
            self.parked.insert(sequence.into_owned());
            return self.commit(transaction, event.position, 0).await;
        }
        tracing::warn!(position, stream, error, "event skipped");
        if fault.unknown.is_some() {
            // A release that knows it hands it over.
            let letter = Letter {
                is_passed: true,
                ..self.letter(event, fault)
            };
            self.put_letter(&mut transaction, event, letter).await?;
        }
        self.commit(transaction, event.position, 0).await?;
        let progress = self.progress();
        progress.update(|status| status.skipped += 1);
        Ok(())
    }

    /// Parks events that follow a parked one.
    pub(super) async fn put_letters(
        &self,
        transaction: &mut TransactionOf<H>,
        batch: &EventBatch,
        parked: &[usize],
    ) -> Result<(), TrackError> {
        for index in parked {
            let event = batch.get(*index);
            if !self.owns(self.partition_of(&event)) {
                continue;
            }
            let letter = self.letter(&event, Fault::follows());
            self.put_letter(transaction, &event, letter).await?;
        }
        Ok(())
    }

    fn letter(&self, event: &RecordedEventRef<'_>, fault: Fault) -> Letter {
        let now = self.context.control.now().as_micros();
        let sequence = self.sequence_of(event);
        Letter {
            log: event.log.0,
            position: event.position.0,
            sequence: sequence.into_owned(),
            partition: self.partition_of(event),
            name: event.name.to_owned(),
            error: fault.error,
            failures: fault.failures,
            parked: now,
            tried: now,
            unknown: fault.unknown,
            is_passed: false,
        }
    }

    async fn put_letter(
        &self,
        transaction: &mut TransactionOf<H>,
        event: &RecordedEventRef<'_>,
        letter: Letter,
    ) -> Result<(), TrackError> {
        let number = self.plan.generation;
        let key = self.context.keys.letter(number, event.place());
        Ok(notes::put(self.context.handler.notes(), transaction, &key, letter).await?)
    }

    pub(super) async fn remove_letter(&mut self, key: &str) -> Result<(), TrackError> {
        let notes = self.context.handler.notes();
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        notes::remove(notes, &mut transaction, key).await?;
        notes::commit(notes, transaction).await?;
        Ok(())
    }
}
