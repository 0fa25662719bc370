//! The handling of events: all of a batch at once, and one by one when one fails.

use super::super::batch::EventBatch;
use super::super::control::Mode;
use super::super::coverage;
use super::super::failure::Then;
use super::super::guard::text_of;
use super::super::handler::{Handler, TransactionOf};
use super::super::handling::HandlingStage;
use super::super::notes::NoteError;
use super::super::status::ConsumerState;
use super::letters::Fault;
use super::window::{Failed, Refused, Window};
use super::{Ended, Track, TrackError};
use crate::consumer::{Effect, HandlerError, ProjectError};
use crate::event::record::RecordedEventRef;
use crate::fnv::fnv_1a;
use crate::place::Position;
use crate::store::Store;
use std::ops::Range;
use std::time::{Duration, Instant};

/// How long events are handled at most before a checkpoint is written.
const LONGEST: Duration = Duration::from_secs(1);

/// How many rows are read at once, at most, of a database that awaits each read.
const LACKING: usize = 4096;

/// What to do with an event.
enum Turn {
    /// It is another worker's, not wanted, or was handled before.
    Passed,
    /// An earlier event of its sequence is parked.
    Parked,
    Due,
}

/// The outcome of handling some events.
enum Attempt {
    Done,
    /// It was told to stop before all were handled.
    Stopped,
    /// It took so long that other work takes its turn first.
    Partly,
    /// As many were handled as may be committed at once.
    Full {
        index: usize,
    },
    Failed {
        index: usize,
        error: ProjectError,
    },
    /// All up to this one were handled, but their changes cannot be committed.
    Refused {
        index: usize,
        error: HandlerError,
    },
}

/// How an event that has failed was settled.
enum Settled {
    /// The event is retried now.
    Retry,
    /// It is out of the way: parked, skipped, or another worker's.
    Passed,
    Ended(Ended),
}

impl<S: Store, H: Handler> Track<'_, S, H> {
    /// Handles a batch up to an event. Returns how the track ends when the policy is to stop, or it was told to.
    pub(super) async fn process(
        &mut self,
        batch: &EventBatch,
        end: usize,
        reached: Position,
    ) -> Result<Option<Ended>, TrackError> {
        let mut window = Window::new(end, H::ATOMIC);
        while let Some(events) = window.events() {
            let up_to = if events.end == end {
                reached
            } else {
                batch.position(events.end - 1)
            };
            let attempt = self.attempt(batch, events, up_to, window.failures()).await;
            self.slot.end();
            let (index, error) = match attempt? {
                Attempt::Done => {
                    window.done();
                    continue;
                }
                Attempt::Full { index } => {
                    window.full(index);
                    continue;
                }
                // The rest is read again.
                Attempt::Partly => return Ok(None),
                Attempt::Stopped => return Ok(Some(Ended::Stopped)),
                Attempt::Failed { index, error } => (index, error),
                Attempt::Refused { index, error } => {
                    let Refused::Alone(index) = window.refused(index) else {
                        continue;
                    };
                    if self.context.handler.is_conflict(&error)
                        && let Some(conflicts) = window.conflict()
                    {
                        let control = self.context.control;
                        let wake_count = control.wake_count();
                        if control.mode() == Mode::Stop {
                            return Ok(Some(Ended::Stopped));
                        }
                        let wait = Duration::from_millis(conflicts.into());
                        control.pause(wake_count, wait).await;
                        continue;
                    }
                    (index, ProjectError::Handler(error))
                }
            };
            let Failed::First { failures } = window.failed(index) else {
                continue;
            };
            let event = batch.get(index);
            match self.settle_failure(&event, &error, failures).await? {
                Settled::Retry => {}
                Settled::Passed => window.passed(),
                Settled::Ended(ended) => return Ok(Some(ended)),
            }
        }
        if reached > self.position() {
            self.pass(reached, 0);
            self.show();
        }
        Ok(None)
    }

    /// Applies the policy to an event that has failed this often in a row: waits for the next retry, skips or parks the
    /// event, or ends.
    async fn settle_failure(
        &mut self,
        event: &RecordedEventRef<'_>,
        error: &ProjectError,
        failures: u32,
    ) -> Result<Settled, TrackError> {
        let (progress, place) = (self.progress(), Some(event.place()));
        let is_unknown = coverage::is_unknown(error);
        let is_unread = is_unknown && matches!(error, ProjectError::Decode(_));
        let is_left = is_unread && !self.context.handler.tells_sequence();
        if !is_left && self.is_due(event).is_ok_and(|is_due| !is_due) {
            // Another worker took over its partition while the handler ran.
            return Ok(Settled::Passed);
        }
        let message = text_of(error);
        if let Some(wait) = self.retry_after(event, error, failures) {
            progress.failed(ConsumerState::Retrying, place, failures, message);
            self.wait_for_retry(event, wait).await?;
            return Ok(if self.context.control.mode() == Mode::Stop {
                Settled::Ended(Ended::Stopped)
            } else if self.is_retired() {
                Settled::Ended(Ended::Replan)
            } else {
                Settled::Retry
            });
        }
        let mut then = self.then(event, error);
        if is_left && then == Then::Park && !self.leave_to_others(event).await? {
            let options = self.context.handler.options();
            if !options.has_dropped(event.name) {
                then = Then::Stop;
            }
        }
        if then == Then::Stop {
            return Ok(Settled::Ended(Ended::Failed {
                place,
                failures,
                message,
            }));
        }
        progress.failed(progress.state(), place, failures, message.clone());
        let fault = Fault {
            error: message,
            failures,
            unknown: is_unknown.then_some(event.schema_version),
        };
        self.settle(event, then, fault).await?;
        Ok(Settled::Passed)
    }

    /// Returns the delay before a failed event is retried; `None` when no retry is left.
    fn retry_after(
        &self,
        event: &RecordedEventRef<'_>,
        error: &ProjectError,
        failures: u32,
    ) -> Option<Duration> {
        let handler = self.context.handler;
        match error {
            // What cannot be read now cannot be read a moment later.
            ProjectError::Decode(_) => None,
            ProjectError::Handler(error) => {
                let policy = handler.options().policy_of(event.name);
                handler.wait_after(error, policy, failures)
            }
        }
    }

    /// Waits before the retry of an event, unless the event is no longer this worker's; meanwhile, answers challenges.
    async fn wait_for_retry(
        &mut self,
        event: &RecordedEventRef<'_>,
        wait: Duration,
    ) -> Result<(), TrackError> {
        let (since, control) = (Instant::now(), self.context.control);
        // Other requests may come meanwhile: a request does not shorten the wait.
        loop {
            let (wake_count, left) = (control.wake_count(), wait.saturating_sub(since.elapsed()));
            let is_over = control.mode() == Mode::Stop || self.is_retired();
            let is_due = self.is_due(event).unwrap_or(true);
            if left.is_zero() || is_over || !is_due {
                return Ok(());
            }
            let time = left.min(self.leases.interval());
            control.pause(wake_count, time).await;
            self.update_leases(control.wake_count(), true).await?;
        }
    }

    /// Handles some events in one transaction; the first has failed this often in a row.
    async fn attempt(
        &mut self,
        batch: &EventBatch,
        events: Range<usize>,
        up_to: Position,
        failures: u32,
    ) -> Result<Attempt, TrackError> {
        let turn = self.turn().await;
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        let mut effects: Vec<Effect> = Vec::new();
        let (mut handled, mut parked, mut up_to) = (0, Vec::new(), up_to);
        let (mut attempt, mut last) = (Attempt::Done, events.end - 1);
        let (mut began, longest) = (Instant::now(), self.leases.interval().min(LONGEST));
        let (mut now, mut index) = (began, events.start);
        loop {
            let lacking = self.context.handler.lacking(&transaction);
            let is_over = index == events.end || now - began >= longest;
            if lacking >= LACKING || (lacking > 0 && is_over) {
                self.slot.end();
                self.context.handler.load(&mut transaction).await?;
                effects.clear();
                parked.clear();
                (handled, index) = (0, events.start);
                began = Instant::now();
                now = began;
                continue;
            }
            if index == events.end {
                break;
            }
            let event = batch.get(index);
            index += 1;
            let outcome = match self.turn_of(&event) {
                Ok(Turn::Passed) => continue,
                Ok(Turn::Parked) => {
                    parked.push(index - 1);
                    continue;
                }
                Ok(Turn::Due) => {
                    let (stage, place) = (HandlingStage::Handler, Some(event.place()));
                    self.slot.begin(stage, event.name, place, now);
                    self.handle(&event, &mut transaction, &mut effects, failures)
                        .await
                }
                Err(error) => Err(error),
            };
            let index = index - 1;
            if self.context.handler.lacking(&transaction) > 0 {
                // All are handled again once the rows are read. The next events may need others, which are read along.
                now = Instant::now();
                continue;
            }
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
                let wake_count = self.context.control.wake_count();
                self.update_leases(wake_count, true).await?;
            }
            let is_stopped = self.context.control.mode() == Mode::Stop;
            let is_full = H::ATOMIC && self.context.handler.is_full(&transaction);
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
                Err(TrackError::Refused(error)) => {
                    return Ok(Attempt::Refused { index: last, error });
                }
                committed => committed?,
            }
            drop(turn);
            self.follow_up(effects, batch).await;
        } else if !parked.is_empty()
            || (handled > 0 && matches!(attempt, Attempt::Failed { .. } | Attempt::Partly))
        {
            // Checkpoints are written before a wait, and from time to time. The leases may have been written since the
            // first transaction.
            drop(transaction);
            let mut transaction = self.begin().await?;
            self.check_leases(&mut transaction).await?;
            self.put_letters(&mut transaction, batch, &parked).await?;
            self.commit(transaction, up_to, 0).await?;
        }
        Ok(attempt)
    }

    /// Returns an error when a handler failed only because another worker has taken over its partition.
    pub(super) fn refuse_overtaken(
        &self,
        transaction: &TransactionOf<H>,
        error: &ProjectError,
    ) -> Result<(), TrackError> {
        match self.context.handler.is_overtaken(transaction) {
            true => Err(NoteError::Conflict(text_of(error).into()).into()),
            false => Ok(()),
        }
    }

    /// Returns what to do with an event; an error when that depends on its sequence, which cannot be named.
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
        let handler = self.context.handler;
        let then = handler.options().policy_of(event.name).then();
        match error {
            ProjectError::Decode(_) => then,
            ProjectError::Handler(error) => handler.then_after(error, then),
        }
    }
}

/// Notes depend on the partition of a sequence, so this hash must never change.
pub(super) fn partition_of(sequence: &str, partitions: u32) -> u32 {
    let partition = fnv_1a(sequence.as_bytes()) % u64::from(partitions.max(1));
    u32::try_from(partition).unwrap_or_default()
}
