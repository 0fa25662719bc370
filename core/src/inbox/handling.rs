//! The handling of one message: its effect, and the note that it was handled, in one unit of work.

use super::attempts::{AttemptError, Tries};
use super::dispatch::Dispatch;
use super::faults::{TOO_LARGE, is_of_limits, is_of_newer, lacks_knowledge};
use super::held::{self, HeldBy};
use super::notes::{InboxKeys, Parked};
use super::{InboxError, InboxOptions, ParkedCause};
use crate::bus::{ForeignMessage, Message, Purpose};
use crate::command::{CommandAnswered, Refused};
use crate::consumer::HandlerError;
use crate::consumer::control::Control;
use crate::consumer::guard::{guarded_within, text_of};
use crate::consumer::progress::Progress;
use crate::consumer::status::ConsumerState;
use crate::event::Encoded;
use crate::event::codec::{self, ReadBack};
use crate::event::record::NewEvent;
use crate::store::ExpectedVersion;
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use crate::unit_of_work::{NotedUnitOfWork, UnitOfWorkStore};
use std::sync::Arc;

/// The outcome of a message.
pub(super) enum Outcome {
    /// It was taken care of: handled, now or before, or parked.
    Done,
    /// The message cannot even be parked here.
    SetAside(String),
    /// The program ends before the message is handled: the last error of the store, and how many came in a row.
    Abandoned(Tries),
    /// Its handler has failed, and the policy is to stop.
    Failed { failures: u32, message: String },
}

/// The outcome of an attempt at a message.
enum Attempted {
    Done,
    /// It was to be set aside at the bus before, and was delivered again.
    Aside,
}

/// Everything that the handling of a message needs.
pub(crate) struct InboxWorker<D> {
    pub(crate) dispatch: D,
    pub(crate) keys: InboxKeys,
    pub(crate) work: UnitOfWorkStore,
    pub(crate) options: InboxOptions,
    pub(crate) control: Arc<Control>,
    pub(crate) progress: Arc<Progress>,
}

impl<D: Dispatch> InboxWorker<D> {
    /// Takes care of a message from the queue.
    pub(super) async fn take(&self, content: &Result<Message, ForeignMessage>) -> Outcome {
        match content {
            Ok(message) => self.handle(message).await,
            Err(foreign) => {
                self.park_untried(Parked::foreign(foreign, self.control.now()), None)
                    .await
            }
        }
    }

    async fn handle(&self, message: &Message) -> Outcome {
        let (mut failures, mut tries) = (0, Tries::default());
        loop {
            let error = match self.attempt(message).await {
                Ok(Attempted::Done) => {
                    self.recovered(failures + tries.setbacks.troubles());
                    return Outcome::Done;
                }
                Ok(Attempted::Aside) => return Outcome::SetAside(TOO_LARGE.to_owned()),
                Err(AttemptError::Unreadable { error, is_newer }) => {
                    let mut parked = self.parked(message, ParkedCause::Unread, error, 0);
                    if is_newer {
                        parked = parked.holding(self.dispatch.line(message));
                    }
                    return self.park_untried(parked, Some(message)).await;
                }
                Err(AttemptError::TooLarge(parked)) => {
                    return self.park_untried(*parked, Some(message)).await;
                }
                Err(AttemptError::Handler(error)) if is_of_limits(&error) => {
                    let (cause, error) = (ParkedCause::Failed, text_of(&error));
                    let parked = self.parked(message, cause, error, failures + 1);
                    return self.park_untried(parked, Some(message)).await;
                }
                Err(AttemptError::Handler(error)) if lacks_knowledge(&error) => {
                    return self
                        .give_up(message, ParkedCause::Unread, text_of(&error), failures + 1)
                        .await;
                }
                Err(AttemptError::Handler(error)) => error,
                Err(other) => match self.meet(other, &mut tries).await {
                    Some(error) => error,
                    None if self.is_given_up(&tries) => return Outcome::Abandoned(tries),
                    None => continue,
                },
            };
            failures += 1;
            let text = text_of(&error);
            let Some(wait) = self.options.policy.wait_after(failures) else {
                return self
                    .give_up(message, ParkedCause::Failed, text, failures)
                    .await;
            };
            let state = ConsumerState::Retrying;
            self.progress.failed(state, None, failures, text);
            if self.wait(wait).await {
                return Outcome::Abandoned(tries);
            }
        }
    }

    /// Handles a message from the queue, unless it was taken care of before.
    async fn attempt(&self, message: &Message) -> Result<Attempted, AttemptError> {
        let mut unit = self.work.unit();
        if let Some(seen) = self.recall(message, &mut unit).await? {
            tracing::debug!(message_id = message.id, "message was handled before");
            return Ok(if seen.is_aside {
                Attempted::Aside
            } else {
                Attempted::Done
            });
        }
        let line = self.dispatch.line(message);
        let held = held::held_by(&self.work, &mut unit, &self.keys, line).await?;
        let mut behind = None;
        if let Some(held) = held {
            let error = format!("an earlier message of key \"{}\" is parked", line.key);
            let parked = self.parked(message, ParkedCause::Follows, error, 0);
            let mut parked = parked.holding(line);
            if held == HeldBy::Key {
                parked.source = None;
            }
            held::park(&self.work, &mut unit, &self.keys, parked.clone()).await?;
            behind = Some(parked);
        } else if let Some(refused) = too_late(message) {
            self.refuse(message, &refused, &mut unit)?;
        } else {
            self.run_handler(message, &mut unit).await?;
        }
        self.remember(&mut unit, message, false).await?;
        let is_parked = behind.is_some();
        match (unit.commit().await.map_err(AttemptError::from), behind) {
            (Err(AttemptError::Handler(_)), Some(parked)) => {
                return Err(AttemptError::TooLarge(Box::new(parked)));
            }
            (committed, _) => committed?,
        }
        self.progress.update(|status| match is_parked {
            true => status.parked += 1,
            false => status.handled += 1,
        });
        Ok(Attempted::Done)
    }

    /// Lets the handler fill a unit of work, and adds the answer to a command.
    pub(super) async fn run_handler(
        &self,
        message: &Message,
        unit: &mut NotedUnitOfWork,
    ) -> Result<(), AttemptError> {
        let slot = self.progress.slot();
        slot.begin_message(&message.name, &message.id);
        let handled = guarded_within(self.options.limit, self.dispatch.dispatch(message, unit));
        let outcome = handled.await.unwrap_or_else(|failure| {
            let message = format!("the handler {failure}");
            Err(InboxError::Handler(message.into()))
        });
        drop(slot);
        if let Some(overtaken) = unit.take_overtaken() {
            return Err(AttemptError::Conflict(overtaken.to_string()));
        }
        if let Err(error) = &outcome
            && unit.is_troubled()
        {
            return Err(AttemptError::Store(text_of(error)));
        }
        match outcome {
            Ok(None) => Ok(()),
            Ok(Some(reply)) => self.answer(message, reply, unit),
            Err(InboxError::Handler(error)) if is_command(message) => {
                let refused = error.downcast::<Refused>().map_err(AttemptError::Handler)?;
                // Drop everything that the handler did before it refused.
                unit.undo();
                self.refuse(message, &refused, unit)
            }
            // Nobody waits for the answer to an event.
            Err(InboxError::Handler(error)) => Err(AttemptError::Handler(unit.explain(error))),
            Err(error) => Err(AttemptError::Unreadable {
                is_newer: is_of_newer(message, &error),
                error: text_of(&error),
            }),
        }
    }

    /// Tells the sender of a command that it was refused.
    pub(super) fn refuse(
        &self,
        message: &Message,
        refused: &Refused,
        unit: &mut NotedUnitOfWork,
    ) -> Result<(), AttemptError> {
        let reply = codec::encode(refused, ReadBack::No);
        let reply = reply.map_err(|error| AttemptError::Handler(error.into()))?;
        self.answer(message, reply, unit)
    }

    /// Records the answer to a command, for the outbox.
    fn answer(
        &self,
        message: &Message,
        reply: Encoded,
        unit: &mut NotedUnitOfWork,
    ) -> Result<(), AttemptError> {
        let append = || -> Result<(), HandlerError> {
            let Some(answered) = CommandAnswered::to(message, reply)? else {
                return Ok(());
            };
            let metadata = message.metadata_of_what_follows();
            let event = NewEvent::encode_without_read_back(&answered)?.with_metadata(metadata);
            let stream = StreamName::new(format!("{}.replies", self.dispatch.queue()))?;
            unit.append(stream, ExpectedVersion::Any, [event]);
            Ok(())
        };
        append().map_err(AttemptError::Handler)
    }
}

/// Returns the refusal of a command whose sender no longer waits for it.
fn too_late(message: &Message) -> Option<Refused> {
    // The sender uses the system time, whatever clock this program has.
    let (expires, now) = (message.expires?, Timestamp::now());
    (is_command(message) && now > expires).then(|| {
        Refused::new(format!(
            "it comes too late: its sender waited until {expires}, and it is {now} at the service"
        ))
    })
}

pub(super) fn is_command(message: &Message) -> bool {
    matches!(message.purpose, Purpose::Command { .. })
}
