//! The deadlines of a process manager: each fires once, also after a restart.

use super::ProcessManager;
use super::notes::Deadline;
use super::record::Kind;
use super::step::{Input, Steps};
use crate::consumer::control::{Control, Mode};
use crate::consumer::notes::{self, NoteError, backend};
use crate::consumer::status::{ConsumerState, Progress};
use crate::place::Position;
use crate::projection::HandlerError;
use crate::store::{ReadEntries, Store as _};
use crate::time::Timestamp;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often deadlines that another process has set are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// How many deadlines are looked at in one round.
const AT_ONCE: usize = 1000;
/// The longest wait before a deadline that has failed is tried again.
const LONGEST: Duration = Duration::from_secs(30);

/// Lets processes know of deadlines that have passed, until the program ends.
pub(crate) async fn watch<P: ProcessManager>(
    steps: Arc<Steps<P>>,
    control: Arc<Control>,
    progress: Arc<Progress>,
) {
    let mut failing: HashMap<String, (u32, Instant)> = HashMap::new();
    loop {
        let asked = control.asked();
        let is_set = steps.deadline_set.listen();
        if control.mode() == Mode::Stop {
            return;
        }
        let wait = match round(&steps, &progress, &mut failing).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!(process_manager = P::NAME, %error, "deadlines could not be read");
                LOOK
            }
        };
        if control.mode() == Mode::Drain && !wait.is_zero() {
            return;
        }
        control.wait(asked, wait, is_set).await;
    }
}

/// Fires what is due; gives for how long there is nothing more to do.
async fn round<P: ProcessManager>(
    steps: &Steps<P>,
    progress: &Progress,
    failing: &mut HashMap<String, (u32, Instant)>,
) -> Result<Duration, NoteError> {
    let now = Timestamp::now().as_micros();
    let (mut due, mut wait) = (Vec::new(), LOOK);
    let prefix = steps.keys.deadlines();
    steps
        .work
        .store()
        .read_entries(&ReadEntries::prefix(prefix.as_bytes()), &mut |key, _| {
            let key = String::from_utf8_lossy(key);
            let Some((at, ..)) = steps.keys.parts_of_deadline(&key) else {
                return ControlFlow::Continue(());
            };
            if at > now {
                wait = wait.min(Duration::from_micros(at - now));
                return ControlFlow::Break(());
            }
            due.push(key.into_owned());
            if due.len() == AT_ONCE {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
        .await
        .map_err(backend)?;
    failing.retain(|key, _| due.contains(key));
    for key in due {
        if failing
            .get(&key)
            .is_some_and(|(_, until)| *until > Instant::now())
        {
            continue;
        }
        match fire(steps, &key).await {
            Ok(()) => {
                failing.remove(&key);
                // There may be more behind.
                wait = Duration::ZERO;
            }
            Err(error) => {
                let (failures, until) = failing.entry(key).or_insert((0, Instant::now()));
                *failures += 1;
                let longer = Duration::from_millis(50) * (1 << (*failures).min(16));
                *until = Instant::now() + longer.min(LONGEST);
                let message = format!("a deadline has passed, and the reaction failed: {error}");
                let state = match progress.status().state {
                    ConsumerState::Retrying => ConsumerState::Live,
                    state => state,
                };
                progress.failed(state, None::<Position>, *failures, message);
            }
        }
    }
    let until = failing.values().map(|(_, until)| *until);
    let again = until.min().map_or(wait, |until| {
        until.saturating_duration_since(Instant::now())
    });
    Ok(wait.min(again))
}

/// Lets the process react, unless another worker was faster, or the deadline was cancelled.
async fn fire<P: ProcessManager>(steps: &Steps<P>, key: &str) -> Result<(), HandlerError> {
    let Some((_, name, id)) = steps.keys.parts_of_deadline(key) else {
        return Ok(());
    };
    loop {
        let mut unit = steps.work.unit();
        let deadline: Option<Deadline> = notes::get(&steps.work, &mut unit, key).await?;
        let Some(deadline) = deadline else {
            return Ok(());
        };
        // Removed in any case, also when the stream does not know of it.
        notes::remove(&steps.work, &mut unit, key).await?;
        let input = Input {
            to: Kind::Deadline,
            name,
            version: deadline.version,
            data: Some(deadline.data.as_bytes()),
            command: None,
            reason: None,
            correlation_id: None,
            cause: None,
        };
        steps.take(&mut unit, id, input).await?;
        match unit.commit().await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_other_note() || error.is_other_event() => {
                crate::consumer::control::give_way().await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
