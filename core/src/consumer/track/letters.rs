//! Dead letters: events that were parked, and what was asked for about them.

use super::super::batch::EventBatch;
use super::super::control::Mode;
use super::super::guard::text_of;
use super::super::handler::{Handler, TransactionOf};
use super::super::handling::HandlingStage;
use super::super::notes::{self, Letter, NoteError, Request};
use super::ownership::write;
use super::{Track, Trouble};
use crate::place::{LogId, Position};
use crate::projection::ProjectError;
use crate::record::RecordedEventRef;
use crate::store::{ReadLog, Store};
use crate::time::Timestamp;
use std::time::Instant;

/// Why an event is parked that was not tried.
const FOLLOWS: &str = "an earlier event of its sequence is parked";

impl<S: Store, H: Handler> Track<'_, S, H> {
    /// The dead letters of this generation by their keys, in the order of the log.
    async fn letters(
        &self,
        transaction: &mut TransactionOf<H>,
    ) -> Result<Vec<(String, Letter)>, Trouble> {
        let prefix = self.around.keys.letters(self.plan.generation.number);
        Ok(notes::list(self.around.handler.notes(), transaction, &prefix).await?)
    }

    pub(super) async fn load_parked(&mut self) -> Result<(), Trouble> {
        let mut transaction = self.begin_read().await?;
        let letters = self.letters(&mut transaction).await?;
        self.parked = letters
            .into_iter()
            .map(|(_, letter)| letter.sequence)
            .collect();
        Ok(())
    }

    /// Whether an earlier event of an event's sequence is parked.
    pub(super) fn is_parked(&self, event: &RecordedEventRef<'_>) -> Result<bool, ProjectError> {
        Ok(!self.parked.is_empty() && self.parked.contains(&*self.try_sequence_of(event)?))
    }

    /// Parks an event that its handler failed on, and so its sequence.
    pub(super) async fn park(
        &mut self,
        transaction: &mut TransactionOf<H>,
        event: &RecordedEventRef<'_>,
        error: String,
    ) -> Result<(), Trouble> {
        let (position, stream) = (event.position.0, event.stream);
        tracing::warn!(position, stream, error, "event parked");
        self.put_letter(transaction, event, error, self.failures)
            .await?;
        let sequence = self.sequence_of(event);
        self.parked.insert(sequence.into_owned());
        Ok(())
    }

    /// Parks events that follow a parked one.
    pub(super) async fn put_letters(
        &self,
        transaction: &mut TransactionOf<H>,
        batch: &EventBatch,
        parked: &[usize],
    ) -> Result<(), Trouble> {
        for index in parked {
            let event = batch.get(*index);
            if !self.owns(self.partition_of(&event)) {
                continue;
            }
            self.put_letter(transaction, &event, FOLLOWS.to_owned(), 0)
                .await?;
        }
        Ok(())
    }

    async fn put_letter(
        &self,
        transaction: &mut TransactionOf<H>,
        event: &RecordedEventRef<'_>,
        error: String,
        failures: u32,
    ) -> Result<(), Trouble> {
        let number = self.plan.generation.number;
        let key = self.around.keys.letter(number, event.log, event.position);
        let now = Timestamp::now().as_micros();
        let sequence = self.sequence_of(event);
        let letter = Letter {
            log: event.log.0,
            position: event.position.0,
            sequence: sequence.into_owned(),
            partition: self.partition_of(event),
            name: event.name.to_owned(),
            error,
            failures,
            parked: now,
            tried: now,
        };
        Ok(notes::put(self.around.handler.notes(), transaction, &key, letter).await?)
    }

    /// Does what was asked for about dead letters of partitions that this worker owns.
    pub(super) async fn answer_requests(&mut self) -> Result<(), Trouble> {
        if self.owned.is_empty() {
            return Ok(());
        }
        let (notes, keys) = (self.around.handler.notes(), self.around.keys);
        let number = self.plan.generation.number;
        let mut transaction = self.begin_read().await?;
        let prefix = keys.requests(number);
        let requests: Vec<(String, Request)> =
            notes::list(notes, &mut transaction, &prefix).await?;
        if requests.is_empty() {
            return Ok(());
        }
        let letters = self.letters(&mut transaction).await?;
        drop(transaction);
        for (request_key, request) in requests {
            let position = Position(request.position);
            let key = keys.letter(number, LogId(request.log), position);
            let letter = letters.iter().find(|(one, _)| *one == key);
            if let Some((_, letter)) = letter {
                if !self.owns(letter.partition) {
                    continue;
                }
                if request.is_eviction {
                    tracing::warn!(
                        position = position.0,
                        sequence = letter.sequence,
                        "dead letter evicted"
                    );
                    self.remove_letter(&key).await?;
                } else if !self.retry(&letters, &letter.sequence).await? {
                    // It was told to stop: the request stays for the next worker.
                    break;
                }
            }
            let mut transaction = self.begin().await?;
            self.check_leases(&mut transaction).await?;
            notes::remove(notes, &mut transaction, &request_key).await?;
            notes::commit(notes, transaction).await?;
        }
        self.load_parked().await?;
        self.show();
        Ok(())
    }

    async fn remove_letter(&mut self, key: &str) -> Result<(), Trouble> {
        let notes = self.around.handler.notes();
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        notes::remove(notes, &mut transaction, key).await?;
        notes::commit(notes, transaction).await?;
        Ok(())
    }

    /// Handles the parked events of a sequence, in order, until one fails. `false` when it was told to stop.
    async fn retry(
        &mut self,
        letters: &[(String, Letter)],
        sequence: &str,
    ) -> Result<bool, Trouble> {
        let of_sequence = letters
            .iter()
            .filter(|(_, letter)| letter.sequence == sequence);
        for (key, letter) in of_sequence {
            if self.around.control.mode() == Mode::Stop {
                return Ok(false);
            }
            let is_gone = self.retry_letter(key, letter).await;
            self.slot.end();
            if !is_gone? {
                break;
            }
        }
        Ok(true)
    }

    /// Handles one parked event; says whether its letter is gone.
    async fn retry_letter(&mut self, key: &str, letter: &Letter) -> Result<bool, Trouble> {
        let notes = self.around.handler.notes();
        // Another request may have dealt with it.
        let mut transaction = self.begin_read().await?;
        let known: Option<Letter> = notes::get(notes, &mut transaction, key).await?;
        drop(transaction);
        if known.is_none() {
            return Ok(true);
        }
        let place = Position(letter.position);
        let mut batch = EventBatch::default();
        let read = ReadLog::forward().after(place.previous()).limit(1);
        batch.fill(self.around.store, &read).await?;
        if batch.len() == 0 || batch.position(0) != place {
            tracing::warn!(position = place.0, "a parked event is no longer in the log");
            return self.remove_letter(key).await.map(|()| true);
        }
        let event = batch.get(0);
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        let mut effects = Vec::new();
        let failures = letter.failures;
        let stage = HandlingStage::Handler;
        self.slot
            .begin(stage, event.name, Some(event.position), Instant::now());
        let outcome = self
            .handle(&event, &mut transaction, &mut effects, failures)
            .await;
        self.slot.turn_to(HandlingStage::Commit);
        // Another worker may have taken over meanwhile, and dealt with it.
        if !self.owns(letter.partition) {
            return Err(Trouble::Lost(letter.partition));
        }
        let error = match outcome {
            Ok(()) => {
                if !H::ATOMIC {
                    drop(transaction);
                    transaction = self.begin().await?;
                    self.check_leases(&mut transaction).await?;
                }
                notes::remove(notes, &mut transaction, key).await?;
                match write(self.around.handler, transaction).await {
                    Ok(()) => {
                        self.follow_up(effects, &batch).await;
                        self.handled += 1;
                        return Ok(true);
                    }
                    // It is asked for still, and done anew.
                    Err(Trouble::Refused(error)) if self.around.handler.is_conflict(&error) => {
                        return Err(Trouble::Note(NoteError::Conflict(error)));
                    }
                    Err(Trouble::Refused(error)) => text_of(&error),
                    Err(trouble) => return Err(trouble),
                }
            }
            Err(error) => {
                drop(transaction);
                text_of(&error)
            }
        };
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        let letter = Letter {
            error,
            failures: failures + 1,
            tried: Timestamp::now().as_micros(),
            ..letter.clone()
        };
        notes::put(notes, &mut transaction, key, letter).await?;
        notes::commit(notes, transaction).await?;
        Ok(false)
    }
}
