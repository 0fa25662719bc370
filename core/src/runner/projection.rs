//! Runs one projection: the generation that readers see, and the one that is built alongside.

use super::generations::{self, Next};
use crate::consumer::RunError;
use crate::consumer::control::{Control, Mode};
use crate::consumer::handler::{Handler as _, Plan};
use crate::consumer::notebook::NotebookOf;
use crate::consumer::progress::Progress;
use crate::consumer::setbacks::Setbacks;
use crate::consumer::status::ConsumerState;
use crate::consumer::supervise::{NEVER, logs_of, until_restarted, wait_after};
use crate::consumer::track::{ConsumerContext, Ended};
use crate::consumer::tracks::{give_back, run_tracks};
use crate::event::metadata::EventId;
use crate::projection::{Projected, Projection};
use crate::store::Store;
use futures_util::future::{Either, join, select};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the old views may stay as they are while the new ones catch up with them.
const SOON: Duration = Duration::from_secs(1);

/// Runs a projection.
pub(super) async fn run<S: Store, P: Projection>(
    store: S,
    notebook: Arc<NotebookOf<Projected<P>>>,
    control: Arc<Control>,
    progress: Arc<Progress>,
) -> Result<(), RunError> {
    let worker = EventId::new().to_string();
    let (projected, keys) = (&notebook.handler, &notebook.keys);
    let context = ConsumerContext {
        store: &store,
        handler: projected,
        keys,
        control: &control,
        progress: &progress,
        worker: &worker,
        retired: &NEVER,
        together: None,
    };
    let Some(logs) = logs_of(&store, &control, &progress).await? else {
        progress.set_state(ConsumerState::Stopped);
        return Ok(());
    };
    let none = || vec![Setbacks::new(); logs.len()];
    let (mut setbacks, mut panics) = (Setbacks::new(), [none(), none()]);
    let (mut near, mut was_active) = (None, false);
    let (mut lacked, mut before) = (None, Duration::MAX);
    loop {
        let wake_count = control.wake_count();
        if control.mode() == Mode::Stop {
            break;
        }
        let next = match generations::next(&store, projected, keys, &logs, was_active).await {
            Ok(next) => next,
            Err(error) => {
                wait_after(&error, &mut setbacks, wake_count, &control, &progress).await?;
                continue;
            }
        };
        setbacks.end();
        let retired = AtomicBool::new(false);
        let context = ConsumerContext {
            retired: &retired,
            ..context
        };
        let ended = match next {
            Next::Active(plans) => {
                (near, was_active, before) = (None, true, Duration::MAX);
                progress.update(|status| status.rebuild = None);
                run_active(context, plans, &mut panics[0]).await
            }
            Next::Building {
                generation,
                building,
                active: Some(active),
            } if near != Some(generation) => {
                was_active = true;
                let began = Instant::now();
                let ended = run_active_and_building(context, active, building, &mut panics).await;
                let took = began.elapsed();
                // A log that was built long before the others has to catch up again, as long as this gets shorter.
                let is_near = logs.len() == 1 || took < SOON || took > before / 2;
                before = took;
                near = (is_near && matches!(ended, Ended::Reached)).then_some(generation);
                ended
            }
            // As no worker here moves the old views, the new ones catch up: between two commits of a worker
            // elsewhere.
            Next::Building { building, .. } => run_tracks(context, building, &mut panics[1]).await,
            Next::Lacks { seen, error } => {
                let message = error.to_string();
                if control.mode() == Mode::Drain {
                    until_restarted(&control, &progress, None, 1, message).await?;
                    break;
                }
                if lacked.as_ref() != Some(&message) {
                    give_back(context, seen, message.clone()).await;
                    lacked = Some(message);
                }
                let wait = projected.options().lease_time() / 3;
                control.pause(wake_count, wait).await;
                continue;
            }
            Next::Outdated { newer } => Ended::Failed {
                place: None,
                failures: 1,
                message: format!(
                    "its views were made with version {newer}, and this program has version {}; run the newer release",
                    P::VERSION
                ),
            },
            Next::KnowsLess { events } => Ended::Failed {
                place: None,
                failures: 1,
                message: format!(
                    "its views are made of events that this program does not list ({}), with the same version {}; run the release that lists them, or, to drop these events, give this one a higher version",
                    events.join(", "),
                    P::VERSION
                ),
            },
            Next::Replaced => Ended::Failed {
                place: None,
                failures: 1,
                message: format!(
                    "its views were rebuilt with another definition or more events, and the same version {}; run only the newer release, and give it a higher version",
                    P::VERSION
                ),
            },
        };
        match ended {
            Ended::Stopped => break,
            Ended::Replan | Ended::Reached => {
                // It goes on by itself: a restart that was asked for meanwhile must not hide a later failure.
                progress.take_restart();
            }
            Ended::Failed {
                place,
                failures,
                message,
            } => {
                until_restarted(&control, &progress, place, failures, message).await?;
                // After a restart it acts like a new program.
                (near, was_active) = (None, false);
            }
        }
    }
    progress.set_state(ConsumerState::Stopped);
    Ok(())
}

/// Keeps the views that readers see up to date, and meanwhile removes those that are no longer read.
async fn run_active<S: Store, P: Projection>(
    context: ConsumerContext<'_, S, Projected<P>>,
    plans: Vec<Plan>,
    panics: &mut [Setbacks],
) -> Ended {
    let discarded = async {
        let discarded = generations::discard(context.handler, context.keys, context.control).await;
        if let Err(error) = discarded {
            tracing::warn!(%error, "old views were not removed yet");
        }
    };
    match select(pin!(run_tracks(context, plans, panics)), pin!(discarded)).await {
        Either::Right(((), track)) => track.await,
        Either::Left((ended, discarded)) => {
            if context.control.mode() == Mode::Drain {
                discarded.await;
            }
            ended
        }
    }
}

/// Keeps the views that readers see up to date while new ones are built.
async fn run_active_and_building<S: Store, P: Projection>(
    context: ConsumerContext<'_, S, Projected<P>>,
    active: Vec<Plan>,
    building: Vec<Plan>,
    panics: &mut [Vec<Setbacks>; 2],
) -> Ended {
    let (retired, abandoned) = (AtomicBool::new(false), AtomicBool::new(false));
    let [active_panics, building_panics] = panics;
    let active = async {
        let context = ConsumerContext {
            retired: &retired,
            ..context
        };
        let ended = run_tracks(context, active, active_panics).await;
        if let Ended::Failed { .. } | Ended::Replan = ended {
            // Otherwise readers would have stale views until the new ones are complete.
            abandoned.store(true, Ordering::SeqCst);
            context.control.wake();
        }
        ended
    };
    let building = async {
        let context = ConsumerContext {
            retired: &abandoned,
            ..context
        };
        let ended = run_tracks(context, building, building_panics).await;
        match &ended {
            // After a panic, both begin again.
            Ended::Reached | Ended::Replan => retired.store(true, Ordering::SeqCst),
            Ended::Failed {
                place,
                failures,
                message,
            } => {
                let message = format!("the rebuild was given up: {message}");
                context.progress.failed_beside(*place, *failures, message);
                if let Err(error) =
                    generations::give_up_rebuild(context.handler, context.keys).await
                {
                    tracing::warn!(%error, "the rebuild could not be given up");
                }
            }
            Ended::Stopped => {}
        }
        // The other track checks what happened to the generations.
        context.control.wake();
        ended
    };
    match join(active, building).await {
        (Ended::Stopped, Ended::Stopped) => Ended::Stopped,
        (failed @ Ended::Failed { .. }, Ended::Stopped | Ended::Replan) => failed,
        (_, Ended::Reached) => Ended::Reached,
        _ => Ended::Replan,
    }
}
