//! The handling of events: all of a batch at once, and one by one where one fails.

use super::super::batch::EventBatch;
use super::super::control::Mode;
use super::super::coverage;
use super::super::failure::Then;
use super::super::handler::{Call, Handler, TransactionOf};
use super::super::status::ConsumerState;
use super::{CONFLICTS, Ended, Track, Trouble};
use crate::place::Position;
use crate::projection::{Effect, HandlerError, ProjectError, ViewStore as _};
use crate::record::RecordedEventRef;
use crate::store::Store;
use futures_timer::Delay;
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::{Duration, Instant};

/// For how long events are handled at most before what was done is written down.
const LONGEST: Duration = Duration::from_secs(1);

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
            let (index, error) = match self.attempt(batch, from, to, up_to).await? {
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
            if !is_left && !self.is_due(&event) {
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
            let (position, message) = (Some(event.position), error.to_string());
            let (mut then, failures) = (self.then(&event), self.failures);
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
        progress.failed(
            ConsumerState::Retrying,
            position,
            failures,
            error.to_string(),
        );
        // Other things may be asked for meanwhile: the wait is as long as it is. The worker answers for its leases.
        let since = Instant::now();
        loop {
            let (asked, left) = (control.asked(), wait.saturating_sub(since.elapsed()));
            let is_over = control.mode() == Mode::Stop || self.is_retired();
            if left.is_zero() || is_over || !self.is_due(event) {
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
        for index in from..to {
            let event = batch.get(index);
            if let Some(error) = self.is_unclear(&event) {
                attempt = Attempt::Failed { index, error };
                up_to = event.position.previous();
                break;
            }
            if !self.is_due(&event) {
                continue;
            }
            if self.is_parked(&event) {
                parked.push(index);
                continue;
            }
            let failures = self.failures;
            let outcome = self.handle(&event, &mut transaction, &mut effects, failures);
            if let Err(error) = outcome.await {
                attempt = Attempt::Failed { index, error };
                up_to = event.position.previous();
                break;
            }
            handled += 1;
            if !H::ATOMIC {
                self.pass(event.position, 1);
                if parked.is_empty() {
                    self.show();
                }
                let asked = self.around.control.asked();
                self.look_at_leases(asked, true).await?;
            }
            let is_stopped = self.around.control.mode() == Mode::Stop;
            let is_full = H::ATOMIC && self.around.handler.is_full(&transaction);
            if is_stopped || is_full || began.elapsed() >= longest {
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
            match self.commit(transaction, up_to, handled).await {
                Err(Trouble::Refused(error)) => {
                    return Ok(Attempt::Refused { index: last, error });
                }
                committed => committed?,
            }
            for effect in effects {
                effect.await;
            }
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

    /// Calls the handler, and looks at what it has left in the transaction.
    pub(super) async fn handle(
        &mut self,
        event: &RecordedEventRef<'_>,
        transaction: &mut TransactionOf<H>,
        effects: &mut Vec<Effect>,
        failures: u32,
    ) -> Result<(), ProjectError> {
        self.call(event, transaction, effects, failures).await?;
        if H::ATOMIC {
            let checked = self.around.handler.notes().check(transaction).await;
            checked.map_err(|error| ProjectError::Handler(Box::new(error)))?;
        }
        Ok(())
    }

    /// Calls the handler. While that of a subscription takes its time, the worker answers for its leases.
    async fn call(
        &mut self,
        event: &RecordedEventRef<'_>,
        transaction: &mut TransactionOf<H>,
        effects: &mut Vec<Effect>,
        failures: u32,
    ) -> Result<(), ProjectError> {
        let call = Call {
            transaction,
            effects,
            generation: self.plan.generation.number,
            is_replay: self.plan.replaces.is_some(),
            failures,
        };
        let handling = AssertUnwindSafe(self.around.handler.handle(event, call)).catch_unwind();
        let mut handling = pin!(handling);
        let outcome = if H::ATOMIC {
            handling.await
        } else if let Some(outcome) = (&mut handling).now_or_never() {
            outcome
        } else {
            loop {
                let alarm = Delay::new(self.leases.interval());
                if let Either::Left((outcome, _)) = select(&mut handling, alarm).await {
                    break outcome;
                }
                let asked = self.around.control.asked();
                if let Err(trouble) = self.look_at_leases(asked, true).await {
                    tracing::warn!(error = %trouble, "the leases could not be looked at while a handler runs");
                }
            }
        };
        outcome.unwrap_or_else(|panic| Err(panicked(&*panic)))
    }

    pub(super) fn owns(&self, partition: u32) -> bool {
        self.owned.iter().any(|one| one.partition == partition)
    }

    pub(super) fn partition_of(&self, event: &RecordedEventRef<'_>) -> u32 {
        match self.plan.partitions {
            1 => 0,
            partitions => {
                let sequence = self.around.handler.options().sequence_of(event);
                partition_of(&sequence, partitions)
            }
        }
    }

    fn then(&self, event: &RecordedEventRef<'_>) -> Then {
        let options = self.around.handler.options();
        options.policy_of(event.name).then()
    }
}

/// FNV-1a: which partition a sequence belongs to is stored, so it must never change.
fn partition_of(sequence: &str, partitions: u32) -> u32 {
    let hash = sequence
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let partition = hash % u64::from(partitions.max(1));
    u32::try_from(partition).unwrap_or_default()
}

fn panicked(panic: &(dyn Any + Send)) -> ProjectError {
    let message = panic_message(panic);
    ProjectError::Handler(format!("the handler panicked: {message}").into())
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}
