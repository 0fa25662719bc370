//! The deadlines of a process manager: each fires once, even across restarts.

use super::ProcessManager;
use super::cause::Cause;
use super::notes::Deadline;
use super::record::Kind;
use super::step::{EVENTS, Input, Steps};
use crate::consumer::HandlerError;
use crate::consumer::HandlingStage;
use crate::consumer::control::{Control, Mode};
use crate::consumer::guard::{guarded, text_of};
use crate::consumer::notes::{self, NoteError, backend};
use crate::consumer::progress::Progress;
use crate::consumer::setbacks::Setbacks;
use crate::consumer::status::ConsumerState;
use crate::event::codec::Codec;
use crate::event::encoded::EncodedRef;
use crate::event::metadata::Metadata;
use crate::give_way::give_way;
use crate::store::StoreError;
use crate::store::{ReadEntries, Store as _};
use crate::time::Timestamp;
use crate::unit_of_work::{CommitError, NotedUnitOfWork};
use futures_util::future::select;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often to look for deadlines that another process has set.
const LOOK: Duration = Duration::from_secs(1);
/// How many deadlines one round takes.
const AT_ONCE: usize = 1000;
/// The longest wait before a deadline that has failed is tried again.
const LONGEST: Duration = Duration::from_secs(30);

/// Fires the deadlines of processes as they pass, until the program ends.
pub(crate) async fn watch<P: ProcessManager>(
    steps: Arc<Steps<P>>,
    control: Arc<Control>,
    progress: Arc<Progress>,
) {
    let mut watch = Watch {
        steps: &steps,
        control: &control,
        progress: &progress,
        failing: HashMap::new(),
        last: None,
    };
    loop {
        let wake_count = control.wake_count();
        let moved = pin!(control.clock.moved());
        let woken = select(steps.deadline_set.listen(), moved);
        if control.mode() == Mode::Stop {
            return;
        }
        if control.mode() == Mode::Drain {
            // Deadlines that are set while those are fired are no longer part of the drain.
            watch.last.get_or_insert_with(|| control.now());
        }
        let wait = match guarded(watch.round()).await {
            Ok(Ok(wait)) => wait,
            Ok(Err(error)) => {
                watch.show(1, text_of(&error));
                LOOK
            }
            Err(panic) => {
                watch.show(1, format!("looking for deadlines {panic}"));
                LOOK
            }
        };
        if watch.last.is_some() && !wait.is_zero() {
            return;
        }
        control.wait(wake_count, wait, woken).await;
    }
}

/// The deadlines that have passed.
struct Due {
    keys: Vec<String>,
    /// Whether there are more of them.
    is_cut: bool,
    /// How long it takes until there are others.
    wait: Duration,
}

struct Watch<'a, P: ProcessManager> {
    steps: &'a Steps<P>,
    control: &'a Control,
    progress: &'a Progress,
    /// The deadlines to which processes failed to react: how often, and until when they wait.
    failing: HashMap<String, (u32, Instant)>,
    /// The time of the last deadline to be fired, in a drain.
    last: Option<Timestamp>,
}

impl<P: ProcessManager> Watch<'_, P> {
    /// Fires the due deadlines; returns how long there is nothing more to do.
    async fn round(&mut self) -> Result<Duration, HandlerError> {
        let due = self.due().await?;
        let (mut rest, mut most) = (&*due.keys, AT_ONCE);
        let mut setbacks = Setbacks::quick();
        let mut has_fired = false;
        while let Some(first) = rest.first() {
            if self.control.mode() == Mode::Stop {
                return Ok(LOOK);
            }
            let many = rest.len().min(most);
            match self.fire(&rest[..many]).await {
                Ok(fired) => {
                    for key in &rest[..fired] {
                        self.failing.remove(key);
                    }
                    rest = &rest[fired..];
                    (most, has_fired) = (most.saturating_mul(2), true);
                    setbacks.end();
                }
                Err(error) if is_trouble(&error) => return Err(error),
                // Find the one at fault, and fire the others without it.
                Err(_) if many > 1 => most = many / 2,
                Err(error) if is_conflict(&error) && setbacks.conflict().is_some() => {
                    give_way().await;
                }
                Err(error) => {
                    self.failed(first, &error);
                    rest = &rest[1..];
                    setbacks.end();
                }
            }
        }
        if due.is_cut || has_fired {
            // There may be more of them, or new ones set by those that fired.
            return Ok(Duration::ZERO);
        }
        let again = self.failing.values().map(|(_, until)| *until).min();
        let again = again.map(|until| until.saturating_duration_since(Instant::now()));
        Ok(again.map_or(due.wait, |again| again.min(due.wait)))
    }

    /// Finds the deadlines that have passed, except those that have failed and wait.
    async fn due(&mut self) -> Result<Due, NoteError> {
        let (now, instant) = (self.control.now().as_micros(), Instant::now());
        let mut due = Due {
            keys: Vec::new(),
            is_cut: false,
            wait: LOOK,
        };
        let mut failing = HashMap::new();
        let keys = &self.steps.keys;
        let read = ReadEntries::prefix(keys.deadlines().as_bytes());
        let store = self.steps.work.store();
        let each = &mut |key: &[u8], _: &[u8]| {
            let key = String::from_utf8_lossy(key);
            let Some((at, ..)) = keys.parts_of_deadline(&key) else {
                return ControlFlow::Continue(());
            };
            if at > now {
                due.wait = due.wait.min(Duration::from_micros(at - now));
                return ControlFlow::Break(());
            }
            if self.last.is_some_and(|last| at > last.as_micros()) {
                return ControlFlow::Break(());
            }
            if let Some(known) = self.failing.get(&*key) {
                failing.insert(key.clone().into_owned(), *known);
                if known.1 > instant {
                    return ControlFlow::Continue(());
                }
            }
            if due.keys.len() == AT_ONCE {
                due.is_cut = true;
                return ControlFlow::Break(());
            }
            due.keys.push(key.into_owned());
            ControlFlow::Continue(())
        };
        store.read_entries(&read, each).await.map_err(backend)?;
        if !due.is_cut {
            // Those that are gone have fired elsewhere, or were cancelled.
            self.failing = failing;
        }
        Ok(due)
    }

    /// Lets processes react to their deadlines, in one unit of work; returns how many deadlines it took.
    async fn fire(&self, keys: &[String]) -> Result<usize, HandlerError> {
        let slot = self.progress.slot();
        let firing = guarded(async {
            let mut unit = self.steps.work.unit();
            let mut fired = 0;
            for key in keys {
                if let Some((_, name, _)) = self.steps.keys.parts_of_deadline(key) {
                    slot.begin(HandlingStage::Handler, name, None, Instant::now());
                }
                self.steps.expire(&mut unit, key).await?;
                fired += 1;
                if unit.len() >= EVENTS {
                    break;
                }
            }
            slot.turn_to(HandlingStage::Commit);
            unit.commit().await?;
            Ok(fired)
        });
        let fired = firing.await;
        fired.unwrap_or_else(|panic| Err(format!("the reaction {panic}").into()))
    }

    /// Notes that a process has failed to react.
    fn failed(&mut self, key: &str, error: &HandlerError) {
        let known = self.failing.entry(key.to_owned());
        let (failures, until) = known.or_insert((0, Instant::now()));
        *failures += 1;
        let longer = Duration::from_millis(50) * (1 << (*failures).min(16));
        *until = Instant::now() + longer.min(LONGEST);
        let failures = *failures;
        let id = self.steps.keys.parts_of_deadline(key);
        let id = id.map_or(key, |(_, _, id)| id);
        let message = format!(
            "a deadline of process \"{id}\" has passed, and its reaction failed; it is tried again: {}",
            text_of(error)
        );
        self.show(failures, message);
    }

    fn show(&self, failures: u32, message: String) {
        tracing::warn!(failures, error = message, "deadlines could not be fired");
        // The events of the log are not affected.
        self.progress.update(|status| {
            if status.state == ConsumerState::Retrying {
                status.state = ConsumerState::Live;
            }
        });
        self.progress.failed_beside(None, failures, message);
    }
}

impl<P: ProcessManager> Steps<P> {
    /// Lets a process react to a deadline, unless another worker was faster, or it was cancelled.
    async fn expire(&self, unit: &mut NotedUnitOfWork, key: &str) -> Result<(), HandlerError> {
        let Some((_, name, id)) = self.keys.parts_of_deadline(key) else {
            return Ok(());
        };
        let deadline: Option<Deadline> = notes::get(&self.work, unit, key).await?;
        let Some(deadline) = deadline else {
            return Ok(());
        };
        // Removed in any case, even if the stream does not have the deadline.
        notes::remove(&self.work, unit, key).await?;
        let correlation_id = deadline.correlation_id.and_then(|id| id.parse().ok());
        let causation_id = deadline.causation_id.parse().ok();
        let input = Input {
            to: Kind::Deadline,
            encoded: EncodedRef {
                name: deadline.name.as_deref().unwrap_or(name),
                schema_version: deadline.schema_version,
                codec: Codec::JSON,
                payload: deadline.payload.as_bytes(),
            },
            command: None,
            cause: Cause::at(
                self.control.now(),
                Metadata::of(correlation_id, causation_id),
            ),
            correlation_id,
            causation_id,
        };
        self.take(unit, id, input).await
    }
}

/// Returns whether another worker was faster.
fn is_conflict(error: &HandlerError) -> bool {
    let error = error.downcast_ref::<CommitError>();
    error.is_some_and(CommitError::is_conflict)
}

/// Returns whether the store has failed, and not a process.
fn is_trouble(error: &HandlerError) -> bool {
    let is_of_commit = |error: &CommitError| !(error.is_conflict() || error.is_refusal());
    error.is::<StoreError>()
        || matches!(error.downcast_ref(), Some(NoteError::Backend(_)))
        || error.downcast_ref().is_some_and(is_of_commit)
}
