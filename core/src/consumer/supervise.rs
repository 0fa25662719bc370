//! Runs one consumer for as long as the program wants it.

use super::ended::RunError;
use crate::consumer::about::AboutSubscription;
use crate::consumer::control::{Control, Mode};
use crate::consumer::coverage;
use crate::consumer::guard::{guarded, text_of};
use crate::consumer::handler::{Continuous, Handler, Plan};
use crate::consumer::notebook::NotebookOf;
use crate::consumer::notes::{self, backend};
use crate::consumer::setbacks::Setbacks;
use crate::consumer::start::StartFrom;
use crate::consumer::status::{ConsumerKind, ConsumerState, Progress};
use crate::consumer::track::{ConsumerContext, Ended, Track, Trouble};
use crate::event::metadata::EventId;
use crate::notes::NoteStore as _;
use crate::place::{LogId, Place, Position};
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
    let around = ConsumerContext {
        store: &store,
        handler: &notebook.handler,
        keys: &notebook.keys,
        control: &control,
        progress: &progress,
        worker: &worker,
        retired: &NEVER,
    };
    let mut panics = Setbacks::new();
    loop {
        let Some(plan) = first_plan(around, &notebook).await? else {
            break;
        };
        match run_track(around, plan, &mut panics).await {
            Ended::Stopped => break,
            Ended::Replan | Ended::Reached => {}
            Ended::Failed {
                place,
                failures,
                message,
            } => failed(&control, &progress, place, failures, message).await?,
        }
    }
    progress.set_state(ConsumerState::Stopped);
    Ok(())
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
        let (asked, began) = (control.asked(), Instant::now());
        let panic = match guarded(run(control.clone(), progress.clone())).await {
            Ok(ended) => return ended,
            Err(panic) => panic,
        };
        if began.elapsed() > QUIET {
            panics.end();
        }
        let (failures, message) = (panics.trouble(), format!("a function {panic}"));
        if panics.are_too_many(control.mode()) {
            if progress.status().kind == ConsumerKind::Inbox {
                control.lose_receiver();
            }
            return failed(&control, &progress, None, failures, message).await;
        }
        progress.failed(ConsumerState::Retrying, None, failures, message);
        control.back_off(asked, failures).await;
    }
}

/// Runs a track. A panic of a handler is a failure of that handler; any other panic (of a store for views)
/// ends the track, which begins again after a while.
pub(crate) async fn run_track<S: Store, H: Handler>(
    around: ConsumerContext<'_, S, H>,
    plan: Plan,
    panics: &mut Setbacks,
) -> Ended {
    let asked = around.control.asked();
    let panic = match guarded(Track::new(around, plan).run()).await {
        Ok(ended) => {
            panics.end();
            return ended;
        }
        Err(panic) => panic,
    };
    let (failures, message) = (panics.trouble(), format!("a function {panic}"));
    let (control, progress) = (around.control, around.progress);
    if panics.are_too_many(control.mode()) {
        return Ended::Failed {
            place: None,
            failures,
            message,
        };
    }
    progress.failed(ConsumerState::Retrying, None, failures, message);
    control.back_off(asked, failures).await;
    Ended::Replan
}

/// Waits until a failed consumer is restarted. If the program ends first, the consumer ends.
pub(crate) async fn failed(
    control: &Control,
    progress: &Progress,
    place: Option<Place>,
    failures: u32,
    message: String,
) -> Result<(), RunError> {
    progress.failed(ConsumerState::Failed, place, failures, message.clone());
    loop {
        let asked = control.asked();
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
        control.pause(asked, Duration::from_secs(3600)).await;
    }
}

/// Waits before the next attempt to plan, after one that failed. Ends a program that wants to end but cannot.
pub(crate) async fn wait_after(
    trouble: &Trouble,
    setbacks: &mut Setbacks,
    asked: u64,
    control: &Control,
    progress: &Progress,
) -> Result<(), RunError> {
    if trouble.is_conflict() && setbacks.conflict().is_some() {
        return Ok(());
    }
    let (failures, message) = (setbacks.trouble(), text_of(trouble));
    if setbacks.are_too_many(control.mode()) {
        return failed(control, progress, None, failures, message).await;
    }
    progress.failed(ConsumerState::Retrying, None, failures, message);
    control.back_off(asked, failures).await;
    Ok(())
}

/// Returns the plan of a consumer; `None` when it was stopped before there was one.
async fn first_plan<S: Store, H: Continuous>(
    around: ConsumerContext<'_, S, H>,
    notebook: &NotebookOf<H>,
) -> Result<Option<Plan>, RunError> {
    let (name, partitions) = (around.handler.name(), around.handler.partitions());
    let refused = |reason: String| {
        let error = RunError::Partitions {
            name: name.to_owned(),
            partitions,
            reason,
        };
        // The program goes on with its other consumers: the failure is reported now, not when the program ends.
        let message = error.to_string();
        let progress = around.progress;
        progress.failed(ConsumerState::Failed, None, 1, message);
        error
    };
    if !(1..=1024).contains(&partitions) {
        return Err(refused("ask for 1 to 1024".to_owned()));
    }
    let mut setbacks = Setbacks::new();
    let mut lacked = None;
    loop {
        let asked = around.control.asked();
        if around.control.mode() == Mode::Stop {
            return Ok(None);
        }
        match begin(around).await {
            Ok((about, text)) if about.partitions == partitions => {
                return Ok(Some(plan(&about, Some(text))));
            }
            Err(Trouble::Lacks(lacks)) => {
                if lacked.as_ref() != Some(&lacks) {
                    let message = Trouble::Lacks(lacks.clone()).to_string();
                    stand_back(around, message).await;
                    lacked = Some(lacks);
                }
                if around.control.mode() == Mode::Drain {
                    return end_in_standby(around, notebook).await;
                }
                let wait = around.handler.options().lease_time() / 3;
                around.control.pause(asked, wait).await;
            }
            Ok((about, _)) => {
                return Err(refused(format!(
                    "it was begun with {}; keep that number, or give the subscription another name",
                    about.partitions
                )));
            }
            Err(Trouble::MayNotBegin(reason)) => {
                let name = name.to_owned();
                let error = RunError::NewOutbox { name, reason };
                let progress = around.progress;
                progress.failed(ConsumerState::Failed, None, 1, error.to_string());
                return Err(error);
            }
            Err(trouble) => {
                let (control, progress) = (around.control, around.progress);
                wait_after(&trouble, &mut setbacks, asked, control, progress).await?;
            }
        }
    }
}

fn plan(about: &AboutSubscription, text: Option<String>) -> Plan {
    Plan {
        generation: 0,
        log: LogId::MAIN,
        partitions: about.partitions,
        replaces: None,
        is_beside: false,
        start: Position(about.start),
        about: text,
    }
}

/// Stands by for workers that cover more, and gives them what this worker still owns.
async fn stand_back<S: Store, H: Continuous>(around: ConsumerContext<'_, S, H>, message: String) {
    let about = AboutSubscription {
        partitions: around.handler.partitions(),
        start: 0,
        coverage: None,
    };
    Track::new(around, plan(&about, None)).end().await;
    let progress = around.progress;
    progress.update(|status| status.partitions = 0);
    progress.failed(ConsumerState::Standby, None, 1, message);
}

/// Ends a draining program that cannot handle everything itself: without an error if others have.
async fn end_in_standby<S: Store, H: Continuous>(
    around: ConsumerContext<'_, S, H>,
    notebook: &NotebookOf<H>,
) -> Result<Option<Plan>, RunError> {
    let (control, progress) = (around.control, around.progress);
    let end = around.store.last_position(LogId::MAIN).await;
    let reached = notebook.checkpoint(LogId::MAIN).await;
    if let (Ok(end), Ok(Some(reached))) = (end, reached)
        && reached >= end
    {
        return Ok(None);
    }
    let lacks = progress.status().last_error.map(|error| error.message);
    failed(control, progress, None, 1, lacks.unwrap_or_default()).await?;
    Ok(None)
}

/// Reads how the consumer was begun, or begins it; and notes what this release covers, if that is more. Also returns the
/// note as it is written.
async fn begin<S: Store, H: Continuous>(
    around: ConsumerContext<'_, S, H>,
) -> Result<(AboutSubscription, String), Trouble> {
    let notes = around.handler.notes();
    let key = around.keys.about();
    let mut transaction = notes.begin().await.map_err(backend)?;
    let before = notes.get(&mut transaction, &key).await.map_err(backend)?;
    let partitions = around.handler.partitions();
    let mut about = match &before {
        Some(text) => notes::read(&key, text)?,
        None => AboutSubscription {
            partitions,
            start: start(around).await?.0,
            coverage: None,
        },
    };
    if let Some(text) = &before
        && about.partitions != partitions
    {
        return Ok((about, text.clone()));
    }
    let is_written = coverage::join(around.handler, around.keys, &mut transaction, &mut about);
    let is_written = is_written.await?;
    let text = notes::write(&about)?;
    if is_written || before.as_ref() != Some(&text) {
        let put = notes.put(&mut transaction, &key, Some(&text));
        put.await.map_err(backend)?;
        notes::commit(notes, transaction).await?;
    }
    Ok((about, text))
}

/// Returns the position after which a consumer begins that was never run.
async fn start<S: Store, H: Continuous>(
    around: ConsumerContext<'_, S, H>,
) -> Result<Position, Trouble> {
    if let Some(reason) = around.handler.refuses_to_begin().await? {
        return Err(Trouble::MayNotBegin(reason));
    }
    let (store, log) = (around.store, LogId::MAIN);
    let said = around.handler.start();
    let start = said.unwrap_or(StartFrom::Start);
    let start = start.position(store, log).await?;
    let end = store.last_position(log).await?;
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
    Ok(start)
}
