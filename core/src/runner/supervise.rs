//! Runs one consumer for as long as the program wants it.

use super::RunError;
use crate::consumer::control::{Control, Mode};
use crate::consumer::handler::{Handler, Plan};
use crate::consumer::notes::{self, Keys, backend};
use crate::consumer::status::{ConsumerState, Progress};
use crate::consumer::track::{Ended, Surroundings, Track, Trouble};
use crate::metadata::EventId;
use crate::place::{LogId, Position};
use crate::projection::{Generation, HandlerError, ViewStore as _};
use crate::store::Store;
use crate::subscription::{Delivery, StartFrom, Subscribed};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// What is written down about a subscription when it begins, and holds for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    partitions: u32,
    /// The position after which it begins.
    start: u64,
}

/// Runs a subscription: starts it, and starts it again when someone asks for it after it failed.
pub(super) async fn subscription<S, E, F, R>(
    store: S,
    subscribed: Subscribed<S, E, F>,
    control: Arc<Control>,
    progress: Arc<Progress>,
) -> Result<(), RunError>
where
    S: Store,
    E: Send + 'static,
    F: Fn(Delivery<E>) -> R + Send + Sync,
    R: Future<Output = Result<(), HandlerError>> + Send,
{
    let name = subscribed.subscription.name.clone();
    let keys = Keys::new("subscription", &name);
    let worker = EventId::new().to_string();
    let around = Surroundings {
        store: &store,
        handler: &subscribed,
        keys: &keys,
        control: &control,
        progress: &progress,
        worker: &worker,
        check: &|_| true,
    };
    loop {
        let Some(plan) = first_plan(&around).await? else {
            break;
        };
        match Track::new(&around, plan).run().await {
            Ended::Stopped => break,
            Ended::Replan => {}
            Ended::Failed { position, message } => {
                failed(&control, &progress, position, message).await?;
            }
        }
    }
    progress.set_state(ConsumerState::Stopped);
    Ok(())
}

/// Waits until a consumer that failed is started again. When the program ends first, that is its end.
pub(super) async fn failed(
    control: &Control,
    progress: &Progress,
    position: Position,
    message: String,
) -> Result<(), RunError> {
    progress.failed(ConsumerState::Failed, Some(position), 0, message.clone());
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
                position,
                message,
            });
        }
        control.pause(asked, Duration::from_secs(3600)).await;
    }
}

/// The plan of a subscription; `None` when it was stopped before there was one.
async fn first_plan<S, E, F, R>(
    around: &Surroundings<'_, S, Subscribed<S, E, F>>,
) -> Result<Option<Plan>, RunError>
where
    S: Store,
    E: Send + 'static,
    F: Fn(Delivery<E>) -> R + Send + Sync,
    R: Future<Output = Result<(), HandlerError>> + Send,
{
    let subscription = &around.handler.subscription;
    let refused = |reason: String| RunError::Partitions {
        name: subscription.name.clone(),
        partitions: subscription.partitions,
        reason,
    };
    if !(1..=1024).contains(&subscription.partitions) {
        return Err(refused("ask for 1 to 1024".to_owned()));
    }
    let mut failures = 0;
    loop {
        let asked = around.control.asked();
        if around.control.mode() == Mode::Stop {
            return Ok(None);
        }
        match begin(around).await {
            Ok(about) if about.partitions == subscription.partitions => {
                return Ok(Some(Plan {
                    generation: Generation::new("", 0, Vec::new()),
                    partitions: about.partitions,
                    replaces: None,
                    start: Position(about.start),
                }));
            }
            Ok(about) => {
                return Err(refused(format!(
                    "it was begun with {}; keep that number, or give the subscription another name",
                    about.partitions
                )));
            }
            Err(trouble) => {
                failures += 1;
                let message = trouble.to_string();
                let retrying = ConsumerState::Retrying;
                around.progress.failed(retrying, None, failures, message);
                let wait = Duration::from_millis(50) * (1 << failures.min(9));
                around.control.pause(asked, wait).await;
            }
        }
    }
}

/// Reads how the subscription was begun, or begins it.
async fn begin<S, E, F, R>(
    around: &Surroundings<'_, S, Subscribed<S, E, F>>,
) -> Result<About, Trouble>
where
    S: Store,
    E: Send + 'static,
    F: Fn(Delivery<E>) -> R + Send + Sync,
    R: Future<Output = Result<(), HandlerError>> + Send,
{
    let (subscription, notes) = (&around.handler.subscription, around.handler.notes());
    let key = around.keys.about();
    let none = Generation::new("", 0, Vec::new());
    let mut transaction = notes.begin(&none).await.map_err(backend)?;
    if let Some(about) = notes::get(notes, &mut transaction, &key).await? {
        return Ok(about);
    }
    let start = match subscription.start {
        StartFrom::Start => Position::ZERO,
        StartFrom::After(position) => position,
        StartFrom::End => around.store.last_position(LogId::MAIN).await?,
    };
    let about = About {
        partitions: subscription.partitions,
        start: start.0,
    };
    notes::put(notes, &mut transaction, &key, &about).await?;
    notes.commit(transaction).await.map_err(backend)?;
    Ok(about)
}
