//! The handling of events: all of a batch at once, and one by one where one fails.

use super::super::batch::EventBatch;
use super::super::control::Mode;
use super::super::coverage;
use super::super::failure::Then;
use super::super::guard::text_of;
use super::super::handler::{Handler, TransactionOf};
use super::super::handling::HandlingStage;
use super::super::notes::NoteError;
use super::super::status::ConsumerState;
use super::{CONFLICTS, Ended, Track, Trouble};
use crate::fnv::fnv_1a;
use crate::place::Position;
use crate::projection::{Effect, HandlerError, ProjectError};
use crate::record::RecordedEventRef;
use crate::store::Store;
use std::time::{Duration, Instant};

/// For how long events are handled at most before what was done is written down.
const LONGEST: Duration = Duration::from_secs(1);

/// What is to be done with an event.
enum Turn {
    /// It is another worker's, of no concern, or was handled before.
    Passed,
    /// An earlier event of its sequence is parked.
    Parked,
    Due,
}

/// What came of some events.
enum Attempt {
    Done,
    /// It was told to stop before all were handled.
    Stopped,
    /// It took so long that others are to have a turn first.
    Partly,
    /// As many were handled as are to be committed at once.
    Full {
        index: usize,
    },
    Failed {
        index: usize,
        error: ProjectError,
    },
    /// All up to this one were handled, but what they wrote cannot be committed.
    Refused {
        index: usize,
        error: HandlerError,
    },
}

impl<S: Store, H: Handler> Track<'_, S, H> {
    /// Handles a batch. Gives an end when the policy is to stop, or it was told to.
    pub(super) async fn process(
        &mut self,
        batch: &EventBatch,
        end: usize,
        reached: Position,
    ) -> Result<Option<Ended>, Trouble> {
        let (mut from, mut to) = (0, end);
        // After a refusal few events are committed at once, and then more and more again.
        let (mut most, mut conflicts) = (end, 0);
        while from < end {
            let up_to = if to == end {
                reached
            } else {
                batch.position(to - 1)
            };
            let attempt = self.attempt(batch, from, to, up_to).await;
            self.slot.end();
            let (index, error) = match attempt? {
                Attempt::Done => {
                    most = most.saturating_mul(2);
                    (from, to) = (to, end.min(to.saturating_add(most)));
                    (self.failures, conflicts) = (0, 0);
                    continue;
                }
                Attempt::Stopped => return Ok(Some(Ended::Stopped)),
                Attempt::Full { index } => {
                    (from, to) = (index + 1, end.min((index + 1).saturating_add(most)));
                    (self.failures, conflicts) = (0, 0);
                    continue;
                }
                Attempt::Partly => {
                    // What is left is read again.
                    self.failures = 0;
                    return Ok(None);
                }
                Attempt::Failed { index, error } => (index, error),
                Attempt::Refused { index, .. } if index > from => {
                    most = (index + 1 - from) / 2;
                    to = from + most;
                    continue;
                }
                Attempt::Refused { error, .. }
                    if conflicts < CONFLICTS && self.around.handler.is_conflict(&error) =>
                {
                    conflicts += 1;
                    (to, most) = (from + 1, 1);
                    let control = self.around.control;
                    let asked = control.asked();
                    if control.mode() == Mode::Stop {
                        return Ok(Some(Ended::Stopped));
                    }
                    let wait = Duration::from_millis(conflicts.into());
                    control.pause(asked, wait).await;
                    continue;
                }
                Attempt::Refused { error, .. } => (from, ProjectError::Handler(error)),
            };
            if H::ATOMIC && index > from {
                // What was well is done once more without it, and committed.
                to = index;
                continue;
            }
            if index > from {
                self.failures = 0;
            }
            from = index;
            to = from + 1;
            self.failures += 1;
            let event = batch.get(from);
            let is_unknown = coverage::is_unknown(&error);
            let is_unread = is_unknown && matches!(error, ProjectError::Decode(_));
            let is_left = is_unread && !self.around.handler.tells_sequence();
            if !is_left && self.is_due(&event).is_ok_and(|is_due| !is_due) {
                // Another worker took over its partition while the handler ran.
                self.failures = 0;
                (from, to) = (from + 1, end);
                continue;
            }
            if self.is_tried_again(&event, &error).await? {
                if self.around.control.mode() == Mode::Stop {
                    return Ok(Some(Ended::Stopped));
                }
                if self.is_retired() {
                    return Ok(Some(Ended::Replan));
                }
                continue;
            }
            let (position, message) = (Some(event.position), text_of(&error));
            let (mut then, failures) = (self.then(&event, &error), self.failures);
            if is_left && then == Then::Park && !self.leave_to_others(&event).await? {
                let options = self.around.handler.options();
                if !options.has_dropped(event.name) {
                    then = Then::Stop;
                }
            }
            if then == Then::Stop {
                return Ok(Some(Ended::Failed {
                    position,
                    failures,
                    message,
                }));
            }
            let state = self.around.progress.status().state;
            let progress = self.around.progress;
            progress.failed(state, position, failures, message.clone());
            let unknown = is_unknown.then_some(event.schema_version);
            self.settle(&event, then, message, unknown).await?;
            self.failures = 0;
            (from, to) = (from + 1, end);
        }
        if reached > self.position() {
            self.pass(reached, 0);
            self.show();
        }
        Ok(None)
    }

    /// Whether an event that failed is to be tried again: waits until it is time to.
    async fn is_tried_again(
        &mut self,
        event: &RecordedEventRef<'_>,
        error: &ProjectError,
    ) -> Result<bool, Trouble> {
        let policy = self.around.handler.options().policy_of(event.name);
        // What cannot be read now cannot be read a moment later.
        let wait = match error {
            ProjectError::Decode(_) => None,
            ProjectError::Handler(error) => {
                let handler = self.around.handler;
                handler.wait_after(error, policy, self.failures)
            }
        };
        let Some(wait) = wait else {
            return Ok(false);
        };
        let (position, failures) = (Some(event.position), self.failures);
        let (progress, control) = (self.around.progress, self.around.control);
        progress.failed(ConsumerState::Retrying, position, failures, text_of(error));
        // Other things may be asked for meanwhile: the wait is as long as it is. The worker answers for its leases.
        let since = Instant::now();
        loop {
            let (asked, left) = (control.asked(), wait.saturating_sub(since.elapsed()));
            let is_over = control.mode() == Mode::Stop || self.is_retired();
            let is_due = self.is_due(event).unwrap_or(true);
            if left.is_zero() || is_over || !is_due {
                return Ok(true);
            }
            let time = left.min(self.leases.interval());
            control.pause(asked, time).await;
            self.look_at_leases(control.asked(), true).await?;
        }
    }

    /// Handles the events `from..to` in one transaction.
    async fn attempt(
        &mut self,
        batch: &EventBatch,
        from: usize,
        to: usize,
        up_to: Position,
    ) -> Result<Attempt, Trouble> {
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        let mut effects: Vec<Effect> = Vec::new();
        let (mut handled, mut parked, mut up_to) = (0, Vec::new(), up_to);
        let (mut attempt, mut last) = (Attempt::Done, to - 1);
        let (began, longest) = (Instant::now(), self.leases.interval().min(LONGEST));
        let mut now = began;
        for index in from..to {
            let event = batch.get(index);
            let outcome = match self.turn_of(&event) {
                Ok(Turn::Passed) => continue,
                Ok(Turn::Parked) => {
                    parked.push(index);
                    continue;
                }
                Ok(Turn::Due) => {
                    let (stage, failures) = (HandlingStage::Handler, self.failures);
                    self.slot
                        .begin(stage, event.name, Some(event.position), now);
                    self.handle(&event, &mut transaction, &mut effects, failures)
                        .await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                self.refuse_overtaken(&transaction, &error)?;
                attempt = Attempt::Failed { index, error };
                up_to = event.position.previous();
                break;
            }
            handled += 1;
            if !H::ATOMIC {
                self.slot.end();
                self.pass(event.position, 1);
                if parked.is_empty() {
                    self.show();
                }
                let asked = self.around.control.asked();
                self.look_at_leases(asked, true).await?;
            }
            let is_stopped = self.around.control.mode() == Mode::Stop;
            let is_full = H::ATOMIC && self.around.handler.is_full(&transaction);
            now = Instant::now();
            if is_stopped || is_full || now - began >= longest {
                attempt = if is_stopped {
                    Attempt::Stopped
                } else if is_full {
                    Attempt::Full { index }
                } else {
                    Attempt::Partly
                };
                (up_to, last) = (event.position, index);
                break;
            }
        }
        if H::ATOMIC {
            if let Attempt::Failed { .. } = attempt {
                return Ok(attempt);
            }
            self.put_letters(&mut transaction, batch, &parked).await?;
            self.slot.turn_to(HandlingStage::Commit);
            match self.commit(transaction, up_to, handled).await {
                Err(Trouble::Refused(error)) => {
                    return Ok(Attempt::Refused { index: last, error });
                }
                committed => committed?,
            }
            self.follow_up(effects, batch).await;
        } else if !parked.is_empty()
            || (handled > 0 && matches!(attempt, Attempt::Failed { .. } | Attempt::Partly))
        {
            // What was handled is written down before a wait, and from time to time. The leases may have been written since the
            // first transaction.
            drop(transaction);
            let mut transaction = self.begin().await?;
            self.check_leases(&mut transaction).await?;
            self.put_letters(&mut transaction, batch, &parked).await?;
            self.commit(transaction, up_to, 0).await?;
        }
        Ok(attempt)
    }

    /// An error when a handler failed only because another worker has taken over what it was at.
    pub(super) fn refuse_overtaken(
        &self,
        transaction: &TransactionOf<H>,
        error: &ProjectError,
    ) -> Result<(), Trouble> {
        match self.around.handler.is_overtaken(transaction) {
            true => Err(NoteError::Conflict(text_of(error).into()).into()),
            false => Ok(()),
        }
    }

    /// What is to be done with an event; an error when that depends on its sequence, which cannot be named.
    fn turn_of(&self, event: &RecordedEventRef<'_>) -> Result<Turn, ProjectError> {
        if let Some(error) = self.is_unclear(event) {
            return Err(error);
        }
        Ok(if !self.is_due(event)? {
            Turn::Passed
        } else if self.is_parked(event)? {
            Turn::Parked
        } else {
            Turn::Due
        })
    }

    pub(super) fn owns(&self, partition: u32) -> bool {
        self.owned.iter().any(|one| one.partition == partition)
    }

    pub(super) fn partition_of(&self, event: &RecordedEventRef<'_>) -> u32 {
        match self.plan.partitions {
            1 => 0,
            partitions => {
                let sequence = self.sequence_of(event);
                partition_of(&sequence, partitions)
            }
        }
    }

    fn then(&self, event: &RecordedEventRef<'_>, error: &ProjectError) -> Then {
        let handler = self.around.handler;
        let then = handler.options().policy_of(event.name).then();
        match error {
            ProjectError::Decode(_) => then,
            ProjectError::Handler(error) => handler.then_after(error, then),
        }
    }
}

/// Which partition a sequence belongs to is stored, so that its hash must never change.
pub(super) fn partition_of(sequence: &str, partitions: u32) -> u32 {
    let partition = fnv_1a(sequence.as_bytes()) % u64::from(partitions.max(1));
    u32::try_from(partition).unwrap_or_default()
}
