//! The tracks of a consumer, one for each log of the store: they run, fail and are given back together.

use super::guard::guarded;
use super::handler::{Handler, Plan};
use super::setbacks::Setbacks;
use super::status::ConsumerState;
use super::track::{ConsumerContext, Ended, Together, Track};
use crate::store::Store;
use futures_util::future::join_all;
use std::sync::atomic::Ordering;

/// Runs a track for each log. Once one of them fails, or has another plan, all others end, too.
pub(crate) async fn run_tracks<S: Store, H: Handler>(
    context: ConsumerContext<'_, S, H>,
    mut plans: Vec<Plan>,
    panics: &mut [Setbacks],
) -> Ended {
    if plans.len() == 1
        && let (Some(plan), Some(panics)) = (plans.pop(), panics.first_mut())
    {
        return run_track(context, plan, panics).await;
    }
    // One worker has all logs of a projection: their handlers change the same rows.
    let is_shared = plans.iter().any(|plan| plan.leases_of != plan.log);
    // A rebuild that fails is given up, and its consumer goes on.
    let is_rebuild = plans.iter().any(|plan| plan.is_alongside);
    let together = is_shared.then(|| Together::new(plans.len()));
    let context = ConsumerContext {
        together: together.as_ref(),
        ..context
    };
    let tracks = plans
        .into_iter()
        .zip(panics)
        .map(|(plan, panics)| async move {
            let progress = context.progress.in_log(plan.log);
            let ended = run_track(context, plan, panics).await;
            if let Ended::Failed {
                place,
                failures,
                message,
            } = &ended
                && !is_rebuild
            {
                // The others may take long to end: the failure is shown before.
                progress.failed(ConsumerState::Failed, *place, *failures, message.clone());
            }
            if let Ended::Replan | Ended::Failed { .. } = ended {
                context.retired.store(true, Ordering::SeqCst);
                context.control.wake();
            }
            ended
        });
    let all = join_all(tracks).await.into_iter();
    all.reduce(Ended::and).unwrap_or(Ended::Stopped)
}

/// Runs a track. A panic of a handler is a failure of that handler; any other panic (of a store for views)
/// ends the track, which begins again after a while.
async fn run_track<S: Store, H: Handler>(
    context: ConsumerContext<'_, S, H>,
    plan: Plan,
    panics: &mut Setbacks,
) -> Ended {
    let wake_count = context.control.wake_count();
    let panic = match guarded(Track::new(context, plan).run()).await {
        Ok(ended) => {
            panics.end();
            return ended;
        }
        Err(panic) => panic,
    };
    let (failures, message) = (panics.trouble(), format!("a function {panic}"));
    let (control, progress) = (context.control, context.progress);
    if panics.are_too_many(control.mode()) {
        return Ended::Failed {
            place: None,
            failures,
            message,
        };
    }
    progress.failed(ConsumerState::Retrying, None, failures, message);
    control.back_off(wake_count, failures).await;
    Ended::Replan
}

/// Gives others all that this worker still owns, and stands by, as the message says.
pub(crate) async fn give_back<S: Store, H: Handler>(
    context: ConsumerContext<'_, S, H>,
    plans: Vec<Plan>,
    message: String,
) {
    for plan in plans {
        Track::new(context, plan).end().await;
    }
    let progress = context.progress;
    progress.update(|status| status.partitions = 0);
    progress.failed(ConsumerState::Standby, None, 1, message);
}
