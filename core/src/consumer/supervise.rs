//! Runs one consumer for as long as the program wants it.

use super::ended::RunError;
use crate::consumer::about::AboutSubscription;
use crate::consumer::control::{Control, Mode};
use crate::consumer::coverage;
use crate::consumer::guard::{guarded, text_of};
use crate::consumer::handler::{Continuous, Plan};
use crate::consumer::notebook::NotebookOf;
use crate::consumer::notes::{self, backend};
use crate::consumer::progress::Progress;
use crate::consumer::setbacks::Setbacks;
use crate::consumer::start::StartFrom;
use crate::consumer::status::{ConsumerKind, ConsumerState};
use crate::consumer::track::{ConsumerContext, Ended, TrackError};
use crate::consumer::tracks::{give_back, run_tracks};
use crate::event::metadata::EventId;
use crate::notes::NoteStore as _;
use crate::place::{LogId, Place};
use crate::store::Store;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Runs a consumer without generations: starts it, and restarts it on request after it failed.
pub(crate) async fn continuous<S: Store, H: Continuous>(
    store: S,
    notebook: Arc<NotebookOf<H>>,
    control: Arc<Control>,
    progress: Arc<Progress>,
) -> Result<(), RunError> {
    let worker = EventId::new().to_string();
    let context = ConsumerContext {
        store: &store,
        handler: &notebook.handler,
        keys: &notebook.keys,
        control: &control,
        progress: &progress,
        worker: &worker,
        retired: &NEVER,
        together: None,
    };
    check_partitions(context)?;
    let Some(logs) = logs_of(context.store, context.control, context.progress).await? else {
        progress.set_state(ConsumerState::Stopped);
        return Ok(());
    };
    let mut panics = vec![Setbacks::new(); logs.len()];
    loop {
        let Some(plans) = first_plans(context, &notebook, &logs).await? else {
            break;
        };
        let retired = AtomicBool::new(false);
        let context = ConsumerContext {
            retired: &retired,
            ..context
        };
        match run_tracks(context, plans, &mut panics).await {
            Ended::Stopped => break,
            Ended::Replan | Ended::Reached => {}
            Ended::Failed {
                place,
                failures,
                message,
            } => until_restarted(&control, &progress, place, failures, message).await?,
        }
    }
    progress.set_state(ConsumerState::Stopped);
    Ok(())
}

/// Returns the logs of a store, of which a consumer follows each; `None` when it was stopped before they were known.
pub(crate) async fn logs_of<S: Store>(
    store: &S,
    control: &Control,
    progress: &Progress,
) -> Result<Option<Vec<LogId>>, RunError> {
    let mut setbacks = Setbacks::new();
    while control.mode() != Mode::Stop {
        let wake_count = control.wake_count();
        match store.logs().await {
            Ok(logs) => {
                progress.follow(&logs);
                return Ok(Some(logs));
            }
            Err(error) => {
                let error = TrackError::Store(error);
                wait_after(&error, &mut setbacks, wake_count, control, progress).await?;
            }
        }
    }
    Ok(None)
}

/// For tracks that are never retired.
pub(crate) static NEVER: AtomicBool = AtomicBool::new(false);

/// After this long without a panic, the next one counts as the first.
const QUIET: Duration = Duration::from_secs(60);

/// Runs a consumer, and begins again after a panic that no other guard caught: of a store or a bus. Such a panic ends
/// neither the other consumers nor the program.
pub(crate) async fn unless_it_panics<R>(
    control: Arc<Control>,
    progress: Arc<Progress>,
    run: impl Fn(Arc<Control>, Arc<Progress>) -> R + Send,
) -> Result<(), RunError>
where
    R: Future<Output = Result<(), RunError>> + Send,
{
    let mut panics = Setbacks::new();
    loop {
        let (wake_count, began) = (control.wake_count(), Instant::now());
        let panic = match guarded(run(control.clone(), progress.clone())).await {
            Ok(ended) => return ended,
            Err(panic) => panic,
        };
        if began.elapsed() > QUIET {
            panics.end();
        }
        let (failures, message) = (panics.trouble(), format!("a function {panic}"));
        if panics.are_too_many(control.mode()) {
            if progress.kind() == ConsumerKind::Inbox {
                control.lose_receiver();
            }
            return until_restarted(&control, &progress, None, failures, message).await;
        }
        progress.failed(ConsumerState::Retrying, None, failures, message);
        control.back_off(wake_count, failures).await;
    }
}

/// Waits until a failed consumer is restarted. If the program ends first, the consumer ends.
pub(crate) async fn until_restarted(
    control: &Control,
    progress: &Progress,
    place: Option<Place>,
    failures: u32,
    message: String,
) -> Result<(), RunError> {
    // One track of several may have shown its failure before the others ended, and a restart be asked for since.
    if !progress.shows_failure(&message) && !progress.is_restart_asked() {
        progress.failed(ConsumerState::Failed, place, failures, message.clone());
    }
    loop {
        let wake_count = control.wake_count();
        if progress.take_restart() {
            return Ok(());
        }
        if control.mode() != Mode::Run {
            let status = progress.status();
            return Err(RunError::Failed {
                kind: status.kind,
                name: status.name,
                place,
                message,
            });
        }
        control.pause(wake_count, Duration::from_secs(3600)).await;
    }
}

/// Waits before the next attempt to plan, after one that failed. Ends a program that wants to end but cannot.
pub(crate) async fn wait_after(
    error: &TrackError,
    setbacks: &mut Setbacks,
    wake_count: u64,
    control: &Control,
    progress: &Progress,
) -> Result<(), RunError> {
    if error.is_conflict() && setbacks.conflict().is_some() {
        return Ok(());
    }
    let (failures, message) = (setbacks.trouble(), text_of(error));
    if setbacks.are_too_many(control.mode()) {
        return until_restarted(control, progress, None, failures, message).await;
    }
    progress.failed(ConsumerState::Retrying, None, failures, message);
    control.back_off(wake_count, failures).await;
    Ok(())
}

/// Checks the number of partitions that is asked for.
fn check_partitions<S: Store, H: Continuous>(
    context: ConsumerContext<'_, S, H>,
) -> Result<(), RunError> {
    match context.handler.partitions() {
        1..=1024 => Ok(()),
        _ => Err(refused(context, "ask for 1 to 1024".to_owned())),
    }
}

/// Returns the error that a consumer cannot have its number of partitions.
fn refused<S: Store, H: Continuous>(
    context: ConsumerContext<'_, S, H>,
    reason: String,
) -> RunError {
    let error = RunError::Partitions {
        name: context.handler.name().to_owned(),
        partitions: context.handler.partitions(),
        reason,
    };
    // The program goes on with its other consumers: the failure is reported now, not when the program ends.
    let message = error.to_string();
    context
        .progress
        .failed(ConsumerState::Failed, None, 1, message);
    error
}

/// Returns the plans of a consumer, one for each log; `None` when it was stopped before there were any.
async fn first_plans<S: Store, H: Continuous>(
    context: ConsumerContext<'_, S, H>,
    notebook: &NotebookOf<H>,
    logs: &[LogId],
) -> Result<Option<Vec<Plan>>, RunError> {
    let mut setbacks = Setbacks::new();
    let mut lacked = None;
    loop {
        let wake_count = context.control.wake_count();
        if context.control.mode() == Mode::Stop {
            return Ok(None);
        }
        match begin(context, logs).await {
            Ok((about, text)) if about.partitions == context.handler.partitions() => {
                return Ok(Some(plans(&about, Some(&text), logs)));
            }
            Err(TrackError::Lacks(lacks)) => {
                if lacked.as_ref() != Some(&lacks) {
                    let message = TrackError::Lacks(lacks.clone()).to_string();
                    stand_back(context, message, logs).await;
                    lacked = Some(lacks);
                }
                if context.control.mode() == Mode::Drain {
                    return end_in_standby(context, notebook, logs).await;
                }
                let wait = context.handler.options().lease_time() / 3;
                context.control.pause(wake_count, wait).await;
            }
            Ok((about, _)) => {
                let reason = format!(
                    "it was begun with {}; keep that number, or give the subscription another name",
                    about.partitions
                );
                return Err(refused(context, reason));
            }
            Err(TrackError::MayNotBegin(reason)) => {
                let name = context.handler.name().to_owned();
                let error = RunError::NewOutbox { name, reason };
                let progress = context.progress;
                progress.failed(ConsumerState::Failed, None, 1, error.to_string());
                return Err(error);
            }
            Err(error) => {
                let (control, progress) = (context.control, context.progress);
                wait_after(&error, &mut setbacks, wake_count, control, progress).await?;
            }
        }
    }
}

fn plans(about: &AboutSubscription, text: Option<&str>, logs: &[LogId]) -> Vec<Plan> {
    let plan = |log: &LogId| Plan {
        generation: 0,
        log: *log,
        leases_of: *log,
        partitions: about.partitions,
        replaces: None,
        is_alongside: false,
        start: about.start_in(*log),
        about: text.map(ToOwned::to_owned),
    };
    logs.iter().map(plan).collect()
}

/// Stands by for workers that cover more, and gives them what this worker still owns.
async fn stand_back<S: Store, H: Continuous>(
    context: ConsumerContext<'_, S, H>,
    message: String,
    logs: &[LogId],
) {
    let about = AboutSubscription::new(context.handler.partitions(), &[]);
    give_back(context, plans(&about, None, logs), message).await;
}

/// Ends a draining program that cannot handle everything itself: without an error if others have.
async fn end_in_standby<S: Store, H: Continuous>(
    context: ConsumerContext<'_, S, H>,
    notebook: &NotebookOf<H>,
    logs: &[LogId],
) -> Result<Option<Vec<Plan>>, RunError> {
    let (control, progress) = (context.control, context.progress);
    let mut is_all = true;
    for log in logs {
        let end = context.store.last_position(*log).await;
        let reached = notebook.checkpoint(*log).await;
        let is_reached = matches!((end, reached), (Ok(end), Ok(Some(reached))) if reached >= end);
        is_all &= is_reached;
    }
    if is_all {
        return Ok(None);
    }
    let lacks = progress.status().last_error.map(|error| error.message);
    until_restarted(control, progress, None, 1, lacks.unwrap_or_default()).await?;
    Ok(None)
}

/// Reads how the consumer was begun, or begins it; and notes what this release covers, if that is more. Also returns the
/// note as it is written.
async fn begin<S: Store, H: Continuous>(
    context: ConsumerContext<'_, S, H>,
    logs: &[LogId],
) -> Result<(AboutSubscription, String), TrackError> {
    let notes = context.handler.notes();
    let key = context.keys.about();
    let mut transaction = notes.begin().await.map_err(backend)?;
    let before = notes.get(&mut transaction, &key).await.map_err(backend)?;
    let partitions = context.handler.partitions();
    let mut about = match &before {
        Some(text) => notes::read(&key, text)?,
        None => AboutSubscription::new(partitions, &starts(context, logs).await?),
    };
    if let Some(text) = &before
        && about.partitions != partitions
    {
        return Ok((about, text.clone()));
    }
    let is_written = coverage::join(
        context.handler,
        context.keys,
        &mut transaction,
        &mut about,
        logs,
    );
    let is_written = is_written.await?;
    let text = notes::write(&about)?;
    if is_written || before.as_ref() != Some(&text) {
        let put = notes.put(&mut transaction, &key, Some(&text));
        put.await.map_err(backend)?;
        notes::commit(notes, transaction).await?;
    }
    Ok((about, text))
}

/// Returns the places after which a consumer that was never run begins, one in each log.
async fn starts<S: Store, H: Continuous>(
    context: ConsumerContext<'_, S, H>,
    logs: &[LogId],
) -> Result<Vec<Place>, TrackError> {
    if let Some(reason) = context.handler.refuses_to_begin().await? {
        return Err(TrackError::MayNotBegin(reason));
    }
    let mut starts = Vec::with_capacity(logs.len());
    for log in logs {
        let said = context.handler.start();
        let start = said.unwrap_or(StartFrom::Start);
        let start = start.position(context.store, *log).await?;
        let end = context.store.last_position(*log).await?;
        let (position, end) = (start.0, end.0);
        if said.is_none() && end > position {
            tracing::warn!(
                position,
                end,
                "consumer begins with the first event of a log that has events, as no other start is set; set with `from` where a new one begins"
            );
        } else {
            tracing::info!(position, end, "consumer begins");
        }
        starts.push(Place::new(*log, start));
    }
    Ok(starts)
}
