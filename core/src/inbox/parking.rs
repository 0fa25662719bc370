//! Messages that are not handled: parked or skipped, and later retried or given up.

use super::ParkedCause;
use super::attempts::{AttemptError, Tries};
use super::dispatch::Dispatch;
use super::faults::{TOO_LARGE, is_of_limits, lacks_knowledge};
use super::handling::{InboxWorker, Outcome, is_command};
use super::held;
use super::notes::Parked;
use crate::bus::Message;
use crate::command::Refused;
use crate::consumer::failure::Then;
use crate::consumer::guard::cut;
use crate::consumer::guard::text_of;
use crate::consumer::notes;
use crate::consumer::status::ConsumerState;
use crate::unit_of_work::NotedUnitOfWork;

impl<D: Dispatch> InboxWorker<D> {
    /// Parks or skips a message, or stops, once its handler has failed often enough.
    pub(super) async fn give_up(
        &self,
        message: &Message,
        cause: ParkedCause,
        error: String,
        failures: u32,
    ) -> Outcome {
        let then = self.options.policy.then();
        if then == Then::Stop {
            return Outcome::Failed {
                failures,
                message: error,
            };
        }
        let state = ConsumerState::Live;
        self.progress.failed(state, None, failures, error.clone());
        // A message that another release can handle is not skipped.
        let fate = if then == Then::Park || cause == ParkedCause::Unread {
            let line = self.dispatch.line(message);
            Fate::Park(self.parked(message, cause, error, failures).holding(line))
        } else {
            Fate::Skip { error }
        };
        self.write_down(fate, Some(message)).await
    }

    /// Creates the note of a message that is parked from now on.
    pub(super) fn parked(
        &self,
        message: &Message,
        cause: ParkedCause,
        error: impl Into<String>,
        failures: u32,
    ) -> Parked {
        Parked::of(message, cause, error, failures, self.control.now())
    }

    /// Parks a message without another try of its handler.
    pub(super) async fn park_untried(&self, parked: Parked, message: Option<&Message>) -> Outcome {
        let error = parked.error.as_str();
        tracing::warn!(error, "message parked");
        self.write_down(Fate::Park(parked), message).await
    }

    /// Records the fate of a message that is not handled, and that it was taken care of.
    async fn write_down(&self, mut fate: Fate, message: Option<&Message>) -> Outcome {
        let mut tries = Tries::default();
        while let Err(error) = self.try_to_write(&fate, message).await {
            let is_conflict = matches!(error, AttemptError::Conflict(_));
            if let Some(error) = self.meet(error, &mut tries).await
                && !is_conflict
            {
                let error = error.to_string();
                match (fate, message) {
                    (Fate::Park(parked), Some(message)) => {
                        fate = Fate::Aside(parked.aside(message, &error));
                        continue;
                    }
                    _ => return Outcome::SetAside(error),
                }
            }
            if self.is_given_up(&tries) {
                return Outcome::Abandoned(tries);
            }
        }
        self.recovered(tries.setbacks.troubles());
        match fate {
            Fate::Aside(_) => Outcome::SetAside(TOO_LARGE.to_owned()),
            Fate::Park(_) | Fate::Skip { .. } => Outcome::Done,
        }
    }

    async fn try_to_write(
        &self,
        fate: &Fate,
        message: Option<&Message>,
    ) -> Result<(), AttemptError> {
        let mut unit = self.work.unit();
        if let Some(message) = message {
            // Another copy of it may have been handled meanwhile; or an earlier commit has succeeded unnoticed.
            if self.recall(message, &mut unit).await?.is_some() {
                return Ok(());
            }
            let is_aside = matches!(fate, Fate::Aside(_));
            self.remember(&mut unit, message, is_aside).await?;
        }
        let command = message.filter(|message| is_command(message));
        match (fate, command) {
            (Fate::Park(parked) | Fate::Aside(parked), _) => {
                held::park(&self.work, &mut unit, &self.keys, parked.clone()).await?;
            }
            (Fate::Skip { error }, Some(command)) => {
                tracing::warn!(message_id = command.id, error, "command given up");
                self.refuse(command, &self.given_up(command), &mut unit)?;
            }
            (Fate::Skip { .. }, None) => {}
        }
        if let (Fate::Aside(_), Some(command)) = (fate, command) {
            // Nobody handles it here any more.
            self.refuse(command, &Refused::new(TOO_LARGE), &mut unit)?;
        }
        unit.commit().await?;
        self.progress.update(|status| match fate {
            Fate::Park(_) | Fate::Aside(_) => status.parked += 1,
            Fate::Skip { .. } => status.skipped += 1,
        });
        Ok(())
    }

    /// Handles a parked message again; updates its note when that fails. Returns whether the later ones may be tried.
    pub(super) async fn retry(&self, number: &str) -> Result<bool, AttemptError> {
        let mut unit = self.work.unit();
        let key = self.keys.parked(number);
        let parked: Option<Parked> = notes::get(&self.work, &mut unit, &key).await?;
        let Some(parked) = parked else {
            return Ok(true);
        };
        let failed = match parked.content() {
            Err(foreign) => Failed {
                // A message that was set aside blocks its line until it is evicted.
                is_in_the_way: parked.cause == Some(ParkedCause::TooLarge),
                cause: parked.cause,
                error: foreign.reason,
                failures: 0,
            },
            Ok(message) => match self.try_parked(&message, unit, number, parked).await {
                Ok(()) => {
                    self.progress.update(|status| {
                        status.parked = status.parked.saturating_sub(1);
                        status.handled += 1;
                    });
                    return Ok(true);
                }
                Err(error) => Failed::of(error)?,
            },
        };
        let mut unit = self.work.unit();
        // Read again, so that changes by another worker are kept.
        let known: Option<Parked> = notes::get(&self.work, &mut unit, &key).await?;
        let Some(mut parked) = known else {
            return Ok(true);
        };
        if !failed.is_in_the_way {
            // It was parked behind another one, unread: from here on it blocks nobody.
            held::release(&self.work, &mut unit, &self.keys, number, &mut parked).await?;
        }
        parked.cause = failed.cause;
        parked.error = cut(failed.error);
        parked.failures += failed.failures;
        parked.tried = self.control.now().as_micros();
        notes::put(&self.work, &mut unit, &key, parked).await?;
        unit.commit().await?;
        Ok(!failed.is_in_the_way)
    }

    /// Handles a parked message, and removes it from the parked ones.
    async fn try_parked(
        &self,
        message: &Message,
        mut unit: NotedUnitOfWork,
        number: &str,
        parked: Parked,
    ) -> Result<(), AttemptError> {
        // Foreign input was not remembered as a message, and the message may have been delivered again.
        let is_new = parked.message.is_none();
        let is_seen = is_new && self.recall(message, &mut unit).await?.is_some();
        if !is_seen {
            self.run_handler(message, &mut unit).await?;
        }
        if is_new {
            self.remember(&mut unit, message, false).await?;
        }
        held::unpark(&self.work, &mut unit, &self.keys, number, parked).await?;
        Ok(unit.commit().await?)
    }

    /// Gives up a parked message; the sender of a command is told that it is refused.
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
            let error = parked.error.as_str();
            tracing::warn!(message_id = message.id, error, "command given up");
            self.refuse(&message, &self.given_up(&message), &mut unit)?;
        }
        held::unpark(&self.work, &mut unit, &self.keys, number, parked).await?;
        unit.commit().await?;
        self.progress
            .update(|status| status.parked = status.parked.saturating_sub(1));
        Ok(())
    }

    /// Returns the refusal for the sender of a command that was given up. The refusal omits the error, which is for the
    /// operators of this service and may be confidential.
    fn given_up(&self, message: &Message) -> Refused {
        let (inbox, Message { id, name, .. }) = (self.dispatch.queue(), message);
        Refused::new(format!(
            "\"{inbox}\" could not handle command {id} ({name}), and has given it up; the reason is known to those who run \"{inbox}\""
        ))
    }
}

/// The fate of a message that is not handled.
enum Fate {
    Park(Parked),
    /// The message is set aside at the bus; its place is kept here.
    Aside(Parked),
    Skip {
        error: String,
    },
}

/// How a retry of a parked message has failed.
struct Failed {
    cause: Option<ParkedCause>,
    error: String,
    failures: u32,
    /// Whether the later messages still wait for it.
    is_in_the_way: bool,
}

impl Failed {
    /// Returns the error if it is no failure of the message.
    fn of(error: AttemptError) -> Result<Self, AttemptError> {
        let (cause, error, failures, is_in_the_way) = match error {
            AttemptError::Handler(error) if is_of_limits(&error) => {
                (ParkedCause::Failed, text_of(&error), 1, false)
            }
            AttemptError::Handler(error) if lacks_knowledge(&error) => {
                (ParkedCause::Unread, text_of(&error), 1, true)
            }
            AttemptError::Handler(error) => (ParkedCause::Failed, text_of(&error), 1, true),
            AttemptError::Unreadable { error, is_newer } => {
                (ParkedCause::Unread, error, 0, is_newer)
            }
            other => return Err(other),
        };
        Ok(Failed {
            cause: Some(cause),
            error,
            failures,
            is_in_the_way,
        })
    }
}
