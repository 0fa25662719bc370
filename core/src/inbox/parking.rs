//! Messages that are not handled: parked or skipped, and later retried or given up.

use super::handling::{AttemptError, Desk, Dispatch, Outcome, Tries, is_command};
use super::notes::{self as inbox_notes, Parked};
use crate::bus::Message;
use crate::command::Refused;
use crate::consumer::failure::Then;
use crate::consumer::guard::text_of;
use crate::consumer::notes;
use crate::consumer::status::ConsumerState;
use crate::time::Timestamp;
use crate::unit_of_work::UnitOfWork;

impl<D: Dispatch> Desk<D> {
    /// The handler has failed often enough.
    pub(super) async fn give_up(&self, message: &Message, error: String, failures: u32) -> Outcome {
        let then = self.options.policy.then();
        if then == Then::Stop {
            return Outcome::Failed {
                failures,
                message: error,
            };
        }
        let state = ConsumerState::Live;
        self.progress.failed(state, None, failures, error.clone());
        let end = if then == Then::Park {
            Fate::Park(Parked::of(message, true, error, failures))
        } else {
            Fate::Skip { error }
        };
        self.write_down(&end, Some(message)).await
    }

    /// Parks what is in nobody's way.
    pub(super) async fn park_alone(&self, parked: Parked, message: Option<&Message>) -> Outcome {
        let (inbox, error) = (self.dispatch.queue(), parked.error.as_str());
        tracing::warn!(inbox, error, "message parked");
        self.write_down(&Fate::Park(parked), message).await
    }

    /// Writes down what becomes of a message that is not handled, and that it was taken care of.
    async fn write_down(&self, fate: &Fate, message: Option<&Message>) -> Outcome {
        let mut tries = Tries::default();
        while let Err(error) = self.try_to_write(fate, message).await {
            let is_conflict = matches!(error, AttemptError::Conflict(_));
            if let Some(error) = self.meet(error, &mut tries).await
                && !is_conflict
            {
                return Outcome::SetAside(error.to_string());
            }
            if self.is_given_up(&tries) {
                return Outcome::Abandoned(tries.last);
            }
        }
        self.recovered(tries.troubles);
        Outcome::Done
    }

    async fn try_to_write(
        &self,
        fate: &Fate,
        message: Option<&Message>,
    ) -> Result<(), AttemptError> {
        let mut unit = self.work.unit();
        if let Some(message) = message {
            // Another copy of it may have been handled meanwhile; or it was written here, and that was not known.
            if self.is_seen(message, &mut unit).await? {
                return Ok(());
            }
            inbox_notes::put_seen(&self.work, &mut unit, &self.keys, message).await?;
        }
        match (fate, message) {
            (Fate::Park(parked), _) => {
                inbox_notes::park(&self.work, &mut unit, &self.keys, parked).await?;
            }
            (Fate::Skip { error }, Some(message)) if is_command(message) => {
                self.refuse(message, &given_up(error), &mut unit)?;
            }
            (Fate::Skip { .. }, _) => {}
        }
        unit.commit().await?;
        self.progress.update(|status| match fate {
            Fate::Park(_) => status.parked += 1,
            Fate::Skip { .. } => status.skipped += 1,
        });
        Ok(())
    }

    /// Handles a parked message again; updates its note when that fails. Says whether it is done.
    pub(super) async fn retry(&self, number: &str) -> Result<bool, AttemptError> {
        let mut unit = self.work.unit();
        let key = self.keys.parked(number);
        let parked: Option<Parked> = notes::get(&self.work, &mut unit, &key).await?;
        let Some(parked) = parked else {
            return Ok(true);
        };
        let (error, failures) = match parked.content() {
            Err(foreign) => (foreign.reason, 0),
            Ok(message) => match self.try_parked(&message, unit, number, &parked).await {
                Ok(()) => {
                    self.progress.update(|status| {
                        status.parked = status.parked.saturating_sub(1);
                        status.handled += 1;
                    });
                    return Ok(true);
                }
                Err(AttemptError::Handler(error)) => (text_of(&error), 1),
                Err(AttemptError::Unreadable(error)) => (error, 0),
                Err(other) => return Err(other),
            },
        };
        let mut unit = self.work.unit();
        // Read again, so that what another made of it meanwhile stands.
        let known: Option<Parked> = notes::get(&self.work, &mut unit, &key).await?;
        let Some(mut parked) = known else {
            return Ok(true);
        };
        parked.error = error;
        parked.failures += failures;
        parked.tried = Timestamp::now().as_micros();
        let is_unreadable = failures == 0;
        if is_unreadable {
            // It was parked behind another one, unread: from here on it is in nobody's way.
            inbox_notes::release_key(&self.work, &mut unit, &self.keys, &mut parked).await?;
        }
        notes::put(&self.work, &mut unit, &key, parked).await?;
        unit.commit().await?;
        Ok(is_unreadable)
    }

    /// Handles a parked message, and takes it out of what is parked.
    async fn try_parked(
        &self,
        message: &Message,
        mut unit: UnitOfWork,
        number: &str,
        parked: &Parked,
    ) -> Result<(), AttemptError> {
        self.run_handler(message, &mut unit).await?;
        inbox_notes::unpark(&self.work, &mut unit, &self.keys, number, parked).await?;
        Ok(unit.commit().await?)
    }

    /// Gives up a parked message; who has sent it as a command is told that it is refused.
    pub(super) async fn evict(&self, number: &str) -> Result<(), AttemptError> {
        let mut unit = self.work.unit();
        let key = self.keys.parked(number);
        let parked: Option<Parked> = notes::get(&self.work, &mut unit, &key).await?;
        let Some(parked) = parked else {
            return Ok(());
        };
        if let Ok(message) = parked.content()
            && is_command(&message)
        {
            self.refuse(&message, &given_up(&parked.error), &mut unit)?;
        }
        inbox_notes::unpark(&self.work, &mut unit, &self.keys, number, &parked).await?;
        unit.commit().await?;
        self.progress
            .update(|status| status.parked = status.parked.saturating_sub(1));
        Ok(())
    }
}

/// What becomes of a message that is not handled.
enum Fate {
    Park(Parked),
    Skip { error: String },
}

/// What is told to who has sent a command that is not handled any more.
fn given_up(error: &str) -> Refused {
    Refused::new(format!(
        "it could not be handled, and was given up: {error}"
    ))
}
