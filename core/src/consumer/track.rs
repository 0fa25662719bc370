//! One generation of one consumer, as one worker runs it: read, handle, commit, wait.

use super::batch::EventBatch;
use super::control::{Control, Mode, give_way};
use super::failure::Then;
use super::handler::{Call, Handler, Plan, TransactionOf};
use super::lease::Leases;
use super::notes::{self, Checkpoint, Keys, Lease, Letter, NoteError, backend};
use super::status::{ConsumerState, Progress, Rebuild};
use crate::error::StoreError;
use crate::place::{LogId, Position};
use crate::projection::{Effect, ProjectError, ViewStore};
use crate::record::RecordedEventRef;
use crate::store::{ReadLog, Store};
use crate::time::Timestamp;
use futures_util::FutureExt as _;
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

/// The most events that are read at once.
const EVENTS: u64 = 4096;
/// How long handled events of a subscription may be without a checkpoint.
const SAVE_HANDLED: Duration = Duration::from_millis(100);
/// How long events that are of no concern may be without a checkpoint.
const SAVE_SEEN: Duration = Duration::from_secs(1);

/// Why a track ended.
pub(crate) enum Ended {
    /// It was told to.
    Stopped,
    /// The generations have changed: there is another plan.
    Replan,
    /// An event's handler failed for good, and the policy is to stop there.
    Failed { position: Position, message: String },
}

/// Why a track cannot go on right now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A partition is no longer this worker's.
    #[error("another worker has taken over partition {0}")]
    Lost(u32),
    #[error("there is another plan")]
    Replan,
}

/// What is shared by all tracks of a consumer.
pub(crate) struct Surroundings<'a, S, H> {
    pub(crate) store: &'a S,
    pub(crate) handler: &'a H,
    pub(crate) keys: &'a Keys,
    pub(crate) control: &'a Control,
    pub(crate) progress: &'a Progress,
    pub(crate) worker: &'a str,
    /// Whether the plan holds, as far as the generations say.
    pub(crate) check: &'a (dyn Fn(Option<&str>) -> bool + Send + Sync),
}

pub(crate) struct Track<'a, S, H: Handler> {
    around: &'a Surroundings<'a, S, H>,
    plan: Plan,
    leases: Leases,
    looked: Option<Instant>,
    /// The partitions of this worker: none while others own them all.
    owned: Vec<Owned>,
    parked: HashSet<String>,
    /// Since when something is without a checkpoint, and whether events were handled.
    unsaved: Option<(Instant, bool)>,
    failures: u32,
}

struct Owned {
    partition: u32,
    lease: Lease,
    /// Up to where events were handled.
    position: Position,
    /// Up to where that was written down.
    saved: Position,
}

/// What came of some events.
enum Attempt {
    Done,
    /// It was told to stop before all were handled.
    Stopped,
    Failed {
        index: usize,
        error: ProjectError,
    },
}

impl<'a, S: Store, H: Handler> Track<'a, S, H> {
    pub(crate) fn new(around: &'a Surroundings<'a, S, H>, plan: Plan) -> Self {
        let silence = around.handler.options().lease_time();
        let leases = Leases::new(around.worker.to_owned(), plan.partitions, silence);
        Track {
            around,
            plan,
            leases,
            looked: None,
            owned: Vec::new(),
            parked: HashSet::new(),
            unsaved: None,
            failures: 0,
        }
    }

    /// Runs until it is told to stop, or cannot go on.
    pub(crate) async fn run(mut self) -> Ended {
        let mut troubles = 0;
        loop {
            let asked = self.around.control.asked();
            match self.rounds(&mut troubles).await {
                Ok(ended) => {
                    if let Err(trouble) = self.leave().await {
                        tracing::warn!(error = %trouble, "the checkpoint could not be written at the end");
                    }
                    return ended;
                }
                Err(Trouble::Replan) => return Ended::Replan,
                Err(trouble) => {
                    self.forget();
                    if let Trouble::Lost(_) = trouble {
                        continue;
                    }
                    troubles += 1;
                    let message = trouble.to_string();
                    let retrying = ConsumerState::Retrying;
                    self.around
                        .progress
                        .failed(retrying, None, troubles, message);
                    if self.around.control.mode() != Mode::Run && troubles > 5 {
                        return Ended::Failed {
                            position: self.position(),
                            message: trouble.to_string(),
                        };
                    }
                    let wait = Duration::from_millis(50) * (1 << troubles.min(9));
                    self.around.control.pause(asked, wait).await;
                }
            }
        }
    }

    /// Nothing is known for sure any more: leases and checkpoints are read again.
    fn forget(&mut self) {
        self.owned.clear();
        self.looked = None;
        self.unsaved = None;
    }

    /// The first position that is not handled yet stands after this one.
    fn position(&self) -> Position {
        let positions = self.owned.iter().map(|owned| owned.position);
        positions.min().unwrap_or_default()
    }

    async fn rounds(&mut self, troubles: &mut u32) -> Result<Ended, Trouble> {
        let around = self.around;
        let mut batch = EventBatch::default();
        let mut target = None;
        loop {
            let asked = around.control.asked();
            if around.control.mode() == Mode::Stop {
                return Ok(Ended::Stopped);
            }
            if around.control.mode() == Mode::Drain && target.is_none() {
                target = Some(around.store.last_position(LogId::MAIN).await?);
            }
            self.look_at_leases(false).await?;
            if self.owned.is_empty() {
                if let Some(target) = target
                    && self.all_saved_up_to(target).await?
                {
                    return Ok(Ended::Stopped);
                }
                around.progress.set_state(ConsumerState::Standby);
                around.control.pause(asked, self.leases.interval()).await;
                continue;
            }
            let bound = self.bound().await?;
            let from = self.position();
            if bound.is_some_and(|bound| from >= bound) {
                return Ok(Ended::Replan);
            }
            let read = ReadLog::forward()
                .after(from)
                .matching(around.handler.query().clone())
                .limit(EVENTS);
            let mut reached = batch.fill(around.store, &read).await?;
            let mut events = 0..batch.len();
            if let Some(bound) = bound {
                events = batch.up_to(bound);
                reached = reached.min(bound);
            }
            let is_full = batch.len() as u64 == EVENTS;
            let end = around.store.last_position(LogId::MAIN).await?;
            self.report(reached.max(from), end, is_full);
            if !events.is_empty() {
                if let Some(ended) = self.process(&batch, events.end, reached).await? {
                    return Ok(ended);
                }
                *troubles = 0;
                give_way().await;
                continue;
            }
            self.pass(reached, false);
            if let Some(target) = target
                && self.position() >= target
            {
                return Ok(Ended::Stopped);
            }
            if bound.is_some() {
                continue;
            }
            self.rest(asked, reached).await?;
        }
    }

    /// Waits for more, and writes down what is not yet.
    async fn rest(&mut self, asked: u64, reached: Position) -> Result<(), Trouble> {
        let mut time = self.leases.interval();
        if let Some((since, handled)) = self.unsaved {
            let most = if handled { SAVE_HANDLED } else { SAVE_SEEN };
            let left = most.saturating_sub(since.elapsed());
            if left.is_zero() {
                return self.save().await;
            }
            time = time.min(left);
        }
        let more = self.around.store.wait_past(LogId::MAIN, reached);
        match self.around.control.wait(asked, time, more).await {
            Some(outcome) => Ok(outcome?),
            None => Ok(()),
        }
    }

    fn report(&self, position: Position, end: Position, is_full: bool) {
        let (owned, parked) = (self.owned.len(), self.parked.len());
        let state = if is_full {
            ConsumerState::CatchingUp
        } else {
            ConsumerState::Live
        };
        self.around.progress.update(|status| {
            status.end = end;
            if self.plan.replaces.is_some() {
                let target = status.position;
                status.rebuild = Some(Rebuild { position, target });
                return;
            }
            status.state = state;
            status.parked = parked;
            status.partitions = u32::try_from(owned).unwrap_or(u32::MAX);
        });
    }

    /// Everything up to here was looked at by this worker.
    fn pass(&mut self, reached: Position, handled: bool) {
        let mut moved = handled;
        for owned in &mut self.owned {
            moved |= owned.position < reached;
            owned.position = owned.position.max(reached);
        }
        if moved {
            let (since, before) = self.unsaved.unwrap_or((Instant::now(), false));
            self.unsaved = Some((since, before || handled));
        }
        if self.plan.replaces.is_none() {
            let position = self.position();
            let progress = self.around.progress;
            progress.update(|status| status.position = status.position.max(position));
        }
    }

    /// Where the generation is that readers see, which this one is to replace.
    async fn bound(&self) -> Result<Option<Position>, Trouble> {
        let Some(replaced) = self.plan.replaces else {
            return Ok(None);
        };
        let notes = self.around.handler.notes();
        let mut transaction = self.begin().await?;
        let key = self.around.keys.checkpoint(replaced, LogId::MAIN, 0);
        let checkpoint: Option<Checkpoint> = notes::get(notes, &mut transaction, &key).await?;
        Ok(Some(Position(checkpoint.map_or(0, |at| at.position))))
    }

    async fn begin(&self) -> Result<TransactionOf<H>, NoteError> {
        let notes = self.around.handler.notes();
        notes.begin(&self.plan.generation).await.map_err(backend)
    }
}

/// Leases and checkpoints.
impl<S: Store, H: Handler> Track<'_, S, H> {
    async fn look_at_leases(&mut self, busy: bool) -> Result<(), Trouble> {
        let now = Instant::now();
        let interval = self.leases.interval();
        if self.looked.is_some_and(|looked| now - looked < interval) {
            return Ok(());
        }
        if !busy && self.unsaved.is_some() {
            // What is handed over is handed over with all that was done.
            self.save().await?;
        }
        let Surroundings { handler, keys, .. } = self.around;
        let notes = handler.notes();
        let mut transaction = self.begin().await?;
        self.check_plan(&mut transaction).await?;
        let mut leases = Vec::new();
        for partition in 0..self.plan.partitions {
            let key = keys.lease(self.plan.generation.number, partition);
            let lease: Option<Lease> = notes::get(notes, &mut transaction, &key).await?;
            leases.push(lease.unwrap_or_default());
        }
        let writes = self.leases.decide(now, &leases, busy);
        if !writes.is_empty() {
            for (index, lease) in writes {
                let partition = u32::try_from(index).unwrap_or(u32::MAX);
                let key = keys.lease(self.plan.generation.number, partition);
                notes::put(notes, &mut transaction, &key, &lease).await?;
                leases[index] = lease;
            }
            notes.commit(transaction).await.map_err(backend)?;
        }
        self.looked = Some(now);
        self.take_in(&leases).await
    }

    /// Takes over what is newly owned, and lets go of what is lost.
    async fn take_in(&mut self, leases: &[Lease]) -> Result<(), Trouble> {
        let notes = self.around.handler.notes();
        let mut owned: Vec<Owned> = Vec::new();
        let mut new = false;
        for (index, lease) in leases.iter().enumerate() {
            if !self.leases.is_mine(lease) {
                continue;
            }
            let partition = u32::try_from(index).unwrap_or(u32::MAX);
            let known = self.owned.iter().find(|one| one.partition == partition);
            let (position, saved) = match known {
                Some(known) if known.lease.epoch == lease.epoch => (known.position, known.saved),
                _ => {
                    new = true;
                    let number = self.plan.generation.number;
                    let key = self.around.keys.checkpoint(number, LogId::MAIN, partition);
                    let mut transaction = self.begin().await?;
                    let checkpoint: Option<Checkpoint> =
                        notes::get(notes, &mut transaction, &key).await?;
                    let position = match checkpoint {
                        Some(checkpoint) => Position(checkpoint.position),
                        None => self.plan.start,
                    };
                    (position, position)
                }
            };
            owned.push(Owned {
                partition,
                lease: lease.clone(),
                position,
                saved,
            });
        }
        self.owned = owned;
        if new {
            self.load_parked().await?;
        }
        Ok(())
    }

    async fn load_parked(&mut self) -> Result<(), Trouble> {
        let notes = self.around.handler.notes();
        let mut transaction = self.begin().await?;
        let prefix = self.around.keys.letters(self.plan.generation.number);
        let letters = notes.list(&mut transaction, &prefix).await;
        self.parked.clear();
        for (key, text) in letters.map_err(backend)? {
            let letter: Letter = notes::read(&key, &text)?;
            self.parked.insert(letter.sequence);
        }
        Ok(())
    }

    async fn check_plan(&self, transaction: &mut TransactionOf<H>) -> Result<(), Trouble> {
        let notes = self.around.handler.notes();
        let about = notes.get(transaction, &self.around.keys.about()).await;
        let about = about.map_err(backend)?;
        if (self.around.check)(about.as_deref()) {
            Ok(())
        } else {
            Err(Trouble::Replan)
        }
    }

    /// Makes sure, as part of a transaction, that what is owned is still owned.
    async fn check_leases(&self, transaction: &mut TransactionOf<H>) -> Result<(), Trouble> {
        self.check_plan(transaction).await?;
        let notes = self.around.handler.notes();
        for owned in &self.owned {
            let number = self.plan.generation.number;
            let key = self.around.keys.lease(number, owned.partition);
            let lease: Option<Lease> = notes::get(notes, transaction, &key).await?;
            if lease.is_none_or(|lease| {
                !self.leases.is_mine(&lease) || lease.epoch != owned.lease.epoch
            }) {
                return Err(Trouble::Lost(owned.partition));
            }
        }
        Ok(())
    }

    async fn put_checkpoints(
        &self,
        transaction: &mut TransactionOf<H>,
        reached: Position,
    ) -> Result<(), Trouble> {
        let notes = self.around.handler.notes();
        for owned in &self.owned {
            let position = owned.position.max(reached);
            if position > owned.saved {
                let number = self.plan.generation.number;
                let key = self
                    .around
                    .keys
                    .checkpoint(number, LogId::MAIN, owned.partition);
                let checkpoint = Checkpoint {
                    position: position.0,
                };
                notes::put(notes, transaction, &key, checkpoint).await?;
            }
        }
        Ok(())
    }

    /// Commits a transaction with everything up to `reached`.
    async fn commit(
        &mut self,
        mut transaction: TransactionOf<H>,
        reached: Position,
    ) -> Result<(), Trouble> {
        self.put_checkpoints(&mut transaction, reached).await?;
        let notes = self.around.handler.notes();
        notes.commit(transaction).await.map_err(backend)?;
        self.pass(reached, true);
        for owned in &mut self.owned {
            owned.saved = owned.position;
        }
        self.unsaved = None;
        Ok(())
    }

    async fn save(&mut self) -> Result<(), Trouble> {
        if self.owned.is_empty() || self.unsaved.is_none() {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        self.commit(transaction, Position::ZERO).await
    }

    /// Whether the checkpoints of all partitions, whoever owns them, are at a position.
    async fn all_saved_up_to(&self, target: Position) -> Result<bool, Trouble> {
        let notes = self.around.handler.notes();
        let mut transaction = self.begin().await?;
        for partition in 0..self.plan.partitions {
            let number = self.plan.generation.number;
            let key = self.around.keys.checkpoint(number, LogId::MAIN, partition);
            let checkpoint: Option<Checkpoint> = notes::get(notes, &mut transaction, &key).await?;
            if checkpoint.is_none_or(|at| at.position < target.0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes down what is done, and gives back the leases, so that others need not wait.
    async fn leave(&mut self) -> Result<(), Trouble> {
        if self.owned.is_empty() {
            return Ok(());
        }
        let notes = self.around.handler.notes();
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        self.put_checkpoints(&mut transaction, Position::ZERO)
            .await?;
        for owned in &self.owned {
            let key = self
                .around
                .keys
                .lease(self.plan.generation.number, owned.partition);
            let lease = Lease {
                owner: None,
                epoch: owned.lease.epoch + 1,
                ..Lease::default()
            };
            notes::put(notes, &mut transaction, &key, &lease).await?;
        }
        notes.commit(transaction).await.map_err(backend)?;
        self.owned.clear();
        Ok(())
    }
}

/// The handling of events.
impl<S: Store, H: Handler> Track<'_, S, H> {
    /// Handles a batch. Gives an end when the policy is to stop, or it was told to.
    async fn process(
        &mut self,
        batch: &EventBatch,
        end: usize,
        reached: Position,
    ) -> Result<Option<Ended>, Trouble> {
        let (mut from, mut to) = (0, end);
        while from < end {
            let up_to = if to == end {
                reached
            } else {
                batch.position(to - 1)
            };
            let (index, error) = match self.attempt(batch, from, to, up_to).await? {
                Attempt::Done => {
                    (from, to) = (to, end);
                    self.failures = 0;
                    continue;
                }
                Attempt::Stopped => return Ok(Some(Ended::Stopped)),
                Attempt::Failed { index, error } => (index, error),
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
            let handler = self.around.handler;
            let policy = handler.options().policy_of(event.name);
            // What cannot be read now cannot be read a moment later.
            let retry = match error {
                ProjectError::Decode(_) => None,
                ProjectError::Handler(_) => policy.wait_after(self.failures),
            };
            let message = error.to_string();
            if let Some(wait) = retry {
                let (position, failures) = (Some(event.position), self.failures);
                let retrying = ConsumerState::Retrying;
                self.around
                    .progress
                    .failed(retrying, position, failures, message);
                let asked = self.around.control.asked();
                if self.around.control.mode() != Mode::Stop {
                    self.around.control.pause(asked, wait).await;
                }
                if self.around.control.mode() == Mode::Stop {
                    return Ok(Some(Ended::Stopped));
                }
                self.look_at_leases(true).await?;
                continue;
            }
            match policy.then() {
                Then::Stop => {
                    return Ok(Some(Ended::Failed {
                        position: event.position,
                        message,
                    }));
                }
                Then::Skip => self.settle(&event, None).await?,
                Then::Park => self.settle(&event, Some(message)).await?,
            }
            self.failures = 0;
            (from, to) = (from + 1, end);
        }
        if reached > self.position() {
            self.pass(reached, false);
        }
        Ok(None)
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
        let (mut handled, mut letters, mut stopped) = (0, 0, false);
        for index in from..to {
            let event = batch.get(index);
            if !self.is_due(&event) {
                continue;
            }
            let sequence = self.around.handler.options().sequence_of(&event);
            if !self.parked.is_empty() && self.parked.contains(&*sequence) {
                let reason = "an earlier event of its sequence is parked".to_owned();
                self.put_letter(&mut transaction, &event, reason, 0).await?;
                letters += 1;
                continue;
            }
            let call = Call {
                transaction: &mut transaction,
                effects: &mut effects,
                is_replay: self.plan.replaces.is_some(),
                failures: self.failures,
            };
            let handling = self.around.handler.handle(&event, call);
            let outcome = AssertUnwindSafe(handling).catch_unwind().await;
            let outcome = outcome.unwrap_or_else(|panic| Err(panicked(&*panic)));
            if let Err(error) = outcome {
                self.around
                    .progress
                    .update(|status| status.handled += handled);
                if !H::ATOMIC && index > from {
                    let before = batch.position(index - 1);
                    self.commit(transaction, before).await?;
                }
                return Ok(Attempt::Failed { index, error });
            }
            handled += 1;
            if !H::ATOMIC {
                self.pass(event.position, true);
                self.look_at_leases(true).await?;
                stopped = self.around.control.mode() == Mode::Stop;
                if stopped {
                    break;
                }
            }
        }
        if stopped && letters > 0 {
            self.commit(transaction, Position::ZERO).await?;
        } else if H::ATOMIC || letters > 0 {
            self.commit(transaction, up_to).await?;
            for effect in effects {
                effect.await;
            }
        } else {
            drop(transaction);
        }
        self.around
            .progress
            .update(|status| status.handled += handled);
        Ok(if stopped {
            Attempt::Stopped
        } else {
            Attempt::Done
        })
    }

    /// Whether an event is this worker's, and not handled yet.
    fn is_due(&self, event: &RecordedEventRef<'_>) -> bool {
        let partition = self.partition_of(event);
        let owned = self.owned.iter().find(|one| one.partition == partition);
        owned.is_some_and(|owned| event.position > owned.position)
            && self.around.handler.wants(event)
    }

    fn partition_of(&self, event: &RecordedEventRef<'_>) -> u32 {
        match self.plan.partitions {
            1 => 0,
            partitions => {
                let sequence = self.around.handler.options().sequence_of(event);
                partition_of(&sequence, partitions)
            }
        }
    }

    /// Passes over an event for good, or until its letter is retried.
    async fn settle(
        &mut self,
        event: &RecordedEventRef<'_>,
        parked: Option<String>,
    ) -> Result<(), Trouble> {
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        let failures = self.failures;
        match parked {
            Some(error) => {
                tracing::warn!(
                    position = event.position.0,
                    stream = event.stream,
                    error,
                    "event parked"
                );
                self.put_letter(&mut transaction, event, error, failures)
                    .await?;
                let sequence = self.around.handler.options().sequence_of(event);
                self.parked.insert(sequence.into_owned());
            }
            None => {
                tracing::warn!(
                    position = event.position.0,
                    stream = event.stream,
                    "event skipped"
                );
            }
        }
        self.commit(transaction, event.position).await
    }

    async fn put_letter(
        &self,
        transaction: &mut TransactionOf<H>,
        event: &RecordedEventRef<'_>,
        error: String,
        failures: u32,
    ) -> Result<(), Trouble> {
        let notes = self.around.handler.notes();
        let number = self.plan.generation.number;
        let key = self.around.keys.letter(number, event.log, event.position);
        let now = Timestamp::now().as_micros();
        let letter = Letter {
            sequence: self
                .around
                .handler
                .options()
                .sequence_of(event)
                .into_owned(),
            partition: self.partition_of(event),
            name: event.name.to_owned(),
            error,
            failures,
            parked: now,
            tried: now,
        };
        Ok(notes::put(notes, transaction, &key, letter).await?)
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

fn panicked(panic: &(dyn std::any::Any + Send)) -> ProjectError {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message");
    ProjectError::Handler(format!("the handler panicked: {message}").into())
}
