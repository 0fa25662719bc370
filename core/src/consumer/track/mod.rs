//! One log of one generation of one consumer, as one worker runs it: read, handle, commit, wait.

mod ahead;
mod calling;
mod checkpoints;
mod claims;
mod commit;
mod ended;
mod error;
mod handling;
mod handover;
mod letters;
mod ownership;
mod retrying;
mod showing;
mod together;
mod window;

pub(crate) use ended::Ended;
pub(crate) use error::TrackError;
pub(crate) use together::Together;

use super::Slot;
use super::batch::{EventBatch, next_events};
use super::control::{Control, Mode};
use super::coverage::Covered;
use super::guard::text_of;
use super::handler::{Handler, Plan, TransactionOf};
use super::lease::Leases;
use super::notes::{self, Checkpoint, Keys, NoteError, backend};
use super::progress::{LogProgress, Progress};
use super::setbacks::Setbacks;
use super::status::ConsumerState;
use crate::give_way::give_way;
use crate::notes::NoteStore as _;
use crate::place::Position;
use crate::store::Store;
use ahead::Ahead;
use commit::Saving;
use futures_util::future::{Either, select};
use ownership::Owned;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use together::{Member, Turn};

/// How long handled events of a subscription may stay without a checkpoint.
const SAVE_HANDLED: Duration = Duration::from_millis(100);
/// How long unwanted events may stay without a checkpoint.
const SAVE_SEEN: Duration = Duration::from_secs(1);

/// What is shared by all tracks of a consumer.
pub(crate) struct ConsumerContext<'a, S, H> {
    pub(crate) store: &'a S,
    pub(crate) handler: &'a H,
    pub(crate) keys: &'a Keys,
    pub(crate) control: &'a Control,
    pub(crate) progress: &'a Progress,
    pub(crate) worker: &'a str,
    /// Whether this track is no longer needed: the generations must be checked again.
    pub(crate) retired: &'a AtomicBool,
    /// What the tracks of all logs share that change the same rows; `None` where the store has one log.
    pub(crate) together: Option<&'a Together>,
}

impl<S, H> Clone for ConsumerContext<'_, S, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, H> Copy for ConsumerContext<'_, S, H> {}

pub(crate) struct Track<'a, S, H: Handler> {
    context: ConsumerContext<'a, S, H>,
    plan: Plan,
    leases: Leases,
    /// When the leases were last checked, if only to answer challenges.
    answered: Option<Instant>,
    /// When they were last checked while no event was handled, and the number of requests by then.
    checked: Option<(Instant, u64)>,
    /// The partitions of this worker: none while others own them all.
    owned: Vec<Owned>,
    /// The sequences that are parked.
    parked: HashSet<String>,
    /// Whether events that others have parked without knowing them were checked.
    is_taken_up: bool,
    /// The events that can be read, if one that cannot may be in any partition.
    unclear: Option<Covered>,
    /// Events that were read before their turn.
    ahead: Ahead,
    /// Since when progress is without a checkpoint, and whether events were handled.
    unsaved: Option<(Instant, bool)>,
    /// Checkpoints that are being written while events are waited for.
    saving: Option<Saving<'a>>,
    /// The number of events that were handled but are not shown yet.
    handled: u64,
    /// Shows what the handler is at.
    slot: Slot<'a>,
    /// Its share in what several tracks have in common.
    member: Option<Member<'a>>,
}

impl<'a, S: Store, H: Handler> Track<'a, S, H> {
    pub(crate) fn new(context: ConsumerContext<'a, S, H>, plan: Plan) -> Self {
        let silence = context.handler.options().lease_time();
        let leases = Leases::new(context.worker.to_owned(), plan.partitions, silence);
        let is_unclear = plan.partitions > 1 && !context.handler.tells_sequence();
        Track {
            context,
            plan,
            leases,
            answered: None,
            checked: None,
            owned: Vec::new(),
            parked: HashSet::new(),
            is_taken_up: false,
            unclear: is_unclear.then(|| context.handler.covers()),
            ahead: Ahead::default(),
            unsaved: None,
            saving: None,
            handled: 0,
            slot: context.progress.slot(),
            member: context.together.map(Member::new),
        }
    }

    /// Runs until it is told to stop, or cannot go on.
    pub(crate) async fn run(mut self) -> Ended {
        let mut setbacks = Setbacks::new();
        loop {
            let control = self.context.control;
            let wake_count = control.wake_count();
            match self.follow_log(&mut setbacks).await {
                Ok(ended) => {
                    if let Ended::Replan = ended {
                        // Another track may have met a new plan, which the checkpoints of this one cannot rely on.
                        self.hand_to_others().await;
                    }
                    self.end().await;
                    return ended;
                }
                Err(TrackError::Replan) => {
                    self.hand_to_others().await;
                    return Ended::Replan;
                }
                Err(error) => {
                    self.forget();
                    if let TrackError::Lost(_) = error {
                        continue;
                    }
                    if error.is_conflict()
                        && let Some(conflicts) = setbacks.conflict()
                    {
                        tracing::debug!(%error, "another worker was faster");
                        let wait = Duration::from_millis(conflicts.into());
                        control.pause(wake_count, wait).await;
                        continue;
                    }
                    let (failures, message) = (setbacks.trouble(), text_of(&error));
                    let (state, progress) = (ConsumerState::Retrying, self.progress());
                    progress.failed(state, None, failures, message.clone());
                    if setbacks.are_too_many(control.mode()) {
                        self.end().await;
                        return Ended::Failed {
                            place: None,
                            failures,
                            message,
                        };
                    }
                    control.back_off(wake_count, failures).await;
                }
            }
        }
    }

    /// Writes the checkpoints and gives back what is owned, even if others do so at the same time.
    pub(crate) async fn end(&mut self) {
        let mut setbacks = Setbacks::new();
        while let Err(error) = self.leave().await {
            if error.is_conflict() && setbacks.conflict().is_some() {
                give_way().await;
                continue;
            }
            tracing::warn!(%error, "the checkpoint could not be written at the end");
            return;
        }
    }

    /// Forgets leases and checkpoints, so that they are read again.
    fn forget(&mut self) {
        self.owned.clear();
        (self.answered, self.checked) = (None, None);
        self.ahead = Ahead::default();
        self.unsaved = None;
        self.saving = None;
        self.handled = 0;
    }

    /// Returns the position before the first one that is not handled yet.
    fn position(&self) -> Position {
        let positions = self.owned.iter().map(Owned::position);
        positions.min().unwrap_or_default()
    }

    /// Reads, handles and commits until it is told to end, or cannot go on.
    async fn follow_log(&mut self, setbacks: &mut Setbacks) -> Result<Ended, TrackError> {
        let context = self.context;
        let mut batch = EventBatch::default();
        let mut target = None;
        loop {
            let wake_count = context.control.wake_count();
            if context.control.mode() == Mode::Stop {
                return Ok(Ended::Stopped);
            }
            if self.is_retired() {
                return Ok(Ended::Replan);
            }
            if context.control.mode() == Mode::Drain && target.is_none() {
                target = Some(context.store.last_position(self.plan.log).await?);
            }
            if self.update_leases(wake_count, false).await? {
                self.answer_requests().await?;
            }
            if self.owned.is_empty() {
                if let Some(target) = target
                    && self.all_saved_up_to(target).await?
                {
                    return Ok(Ended::Stopped);
                }
                self.stand_by(wake_count).await;
                continue;
            }
            if self.is_behind() {
                match self.hand_over().await? {
                    Some(ended) => return Ok(ended),
                    None => continue,
                }
            }
            self.take_up().await?;
            let bound = self.bound().await?;
            if let (Some(target), None) = (target, bound)
                && self.position() >= target
                && self.finish_up_to(target).await?
            {
                return Ok(Ended::Stopped);
            }
            let from = self.position();
            if bound.is_some_and(|bound| from >= bound) {
                // The tracks of other logs may be at work for long: this one is not waiting meanwhile.
                let end = self.check_log().await?;
                self.report(from, end, bound, false);
                return Ok(Ended::Reached);
            }
            let mut reached = match self.ahead.take(from, &mut batch) {
                Some(reached) => reached,
                None => {
                    let read = next_events(context.handler.query(), self.plan.place(from));
                    batch.fill(context.store, &read).await?
                }
            };
            self.ahead.want(&batch, reached);
            let mut events = 0..batch.len();
            // Not further than the views to be replaced, nor than the end of a drain.
            let last = bound.or(target.filter(|target| from < *target));
            if let Some(last) = last {
                events = batch.up_to(last);
                reached = reached.min(last);
            }
            let end = self.check_log().await?;
            self.report(from, end, bound, batch.is_full());
            if !events.is_empty() {
                if let Some(ended) = self.process(&batch, events.end, reached).await? {
                    return Ok(ended);
                }
                setbacks.end();
                give_way().await;
                continue;
            }
            setbacks.end();
            self.pass(reached, 0);
            self.show();
            if bound.is_none() && target.is_none_or(|target| from >= target) {
                self.rest(wake_count, reached).await?;
            }
        }
    }

    fn is_retired(&self) -> bool {
        self.context.retired.load(Ordering::SeqCst)
    }

    /// Waits for more events, and writes outstanding checkpoints meanwhile.
    async fn rest(&mut self, wake_count: u64, reached: Position) -> Result<(), TrackError> {
        let mut time = self.check_interval();
        if let (Some((since, handled)), None) = (self.unsaved, &self.saving) {
            let most = if handled { SAVE_HANDLED } else { SAVE_SEEN };
            let left = most.saturating_sub(since.elapsed());
            if left.is_zero() {
                self.begin_saving().await?;
            } else {
                time = time.min(left);
            }
        }
        let control = self.context.control;
        let more = std::pin::pin!(self.context.store.wait_past(self.plan.log, reached));
        let Some(saving) = &mut self.saving else {
            return match control.wait(wake_count, time, more).await {
                Some(outcome) => Ok(outcome?),
                None => Ok(()),
            };
        };
        match control
            .wait(wake_count, time, select(more, saving.commit()))
            .await
        {
            Some(Either::Left((outcome, _))) => Ok(outcome?),
            Some(Either::Right((committed, _))) => self.saved(committed),
            None => Ok(()),
        }
    }

    /// Records that this worker has read everything up to here, and handled this many events of it.
    fn pass(&mut self, reached: Position, handled: u64) {
        let mut moved = handled > 0;
        let is_behind = self.is_behind();
        for owned in &mut self.owned {
            if !is_behind || !owned.checkpoint.behind.is_empty() {
                moved |= owned.checkpoint.advance(reached);
            }
        }
        if moved {
            let (since, before) = self.unsaved.unwrap_or((Instant::now(), false));
            self.unsaved = Some((since, before || handled > 0));
        }
        self.handled += handled;
    }

    /// Returns the position of the generation that readers see, which this one replaces.
    async fn bound(&self) -> Result<Option<Position>, TrackError> {
        let Some(replaced) = self.plan.replaces else {
            return Ok(None);
        };
        let notes = self.context.handler.notes();
        let mut transaction = self.begin_read().await?;
        let key = self.context.keys.checkpoint(replaced, self.plan.log, 0);
        let checkpoint: Option<Checkpoint> = notes::get(notes, &mut transaction, &key).await?;
        drop(transaction);
        let bound = Position(checkpoint.map_or(0, |at| at.position));
        // Views may be ahead of a restored log: new ones can only reach its end.
        let end = self.context.store.last_position(self.plan.log).await?;
        Ok(Some(bound.min(end)))
    }

    /// Returns the progress in its log.
    const fn progress(&self) -> LogProgress<'a> {
        self.context.progress.in_log(self.plan.log)
    }

    /// Waits until no other track of this worker has a transaction open that may change the same rows.
    async fn turn(&self) -> Option<Turn<'a>> {
        match self.context.together {
            Some(together) => Some(together.turn().await),
            None => None,
        }
    }

    async fn begin(&self) -> Result<TransactionOf<H>, NoteError> {
        self.context.handler.begin(self.plan.generation).await
    }

    async fn begin_read(&self) -> Result<TransactionOf<H>, NoteError> {
        let notes = self.context.handler.notes();
        notes.begin_read().await.map_err(backend)
    }
}
