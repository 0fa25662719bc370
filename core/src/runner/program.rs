//! How the consumers of a program run alongside each other, and come to their end.

use super::Midgard;
use super::handle::Consumer;
use crate::consumer::RunError;
use crate::consumer::control::{Control, Mode};
use crate::consumer::ended::RunningConsumer;
use crate::consumer::guard::guarded_call;
use crate::consumer::progress::Progress;
use crate::consumer::status::ConsumerState;
use crate::store::Store;
use futures_timer::Delay;
use futures_util::future::{AbortHandle, Either, abortable, join_all, select};
use pollster::block_on;
use std::any::Any;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long consumers may take to end, by default.
pub(super) const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Runs a future as a task of its own.
pub(super) type Spawner = Arc<dyn Fn(Task) -> TaskHandle + Send + Sync>;

/// A consumer, as it is handed to what runs it.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a runtime returns for a task. Some runtimes end the task when it is dropped.
pub(super) type TaskHandle = Box<dyn Any + Send>;

/// A consumer that was added, ready to run.
pub(super) struct Added {
    pub(super) consumer: Consumer,
    pub(super) guard: StatusGuard,
    pub(super) running: Result<RunningConsumer, RunError>,
}

/// Shows the end of a consumer in its status, however it ends.
pub(super) struct StatusGuard {
    progress: Arc<Progress>,
    is_to_run: bool,
}

impl StatusGuard {
    pub(super) const fn new(progress: Arc<Progress>) -> Self {
        StatusGuard {
            progress,
            is_to_run: false,
        }
    }
}

impl Drop for StatusGuard {
    fn drop(&mut self) {
        self.progress.close(self.is_to_run);
    }
}

impl<S: Store + Clone> Midgard<S> {
    /// Runs each consumer as a task of its own: `spawn` is called with the future of each. So consumers use more than one
    /// core, and a handler that blocks its thread delays no other consumer. By default, the future of [`run`](Self::run) runs
    /// all of them in turn.
    ///
    /// On tokio, pass `spawner(tokio::spawn)`. It is called from within the future of `run`, which ends when all consumers have.
    /// What it returns, such as the handle of the task, is kept until then. When this future is dropped, the consumers end
    /// where they next wait.
    ///
    /// [`start`](Self::start) does this, and runs the program in a task, too.
    ///
    /// The work of one consumer stays in one task: a process manager's deadlines, the views that a projection rebuilds, the
    /// messages that an inbox handles at the same time.
    pub fn spawner<T: Send + 'static>(
        mut self,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) -> T + Send + Sync + 'static,
    ) -> Self {
        self.spawner = Some(Arc::new(move |task| Box::new(spawn(task))));
        self
    }

    /// Runs each consumer in a thread of its own: a [`spawner`](Self::spawner) for handlers that block and need no runtime.
    /// These threads have no runtime for a bus that needs one, such as those on tokio.
    pub fn thread_per_consumer(self) -> Self {
        self.spawner(|consumer| {
            let thread = thread::Builder::new().name("midgard consumer".to_owned());
            if let Err(error) = thread.spawn(move || block_on(consumer)) {
                // The future is dropped, and `run` reports its consumer.
                tracing::error!(%error, "a consumer has no thread to run in");
            }
        })
    }

    /// Sets how long consumers may continue their current work once they are told to [stop](super::MidgardHandle::stop); by
    /// default, 30 seconds. Then [`run`](Self::run) drops them where they are, and reports what each was working on.
    ///
    /// A consumer that blocks its thread cannot be dropped. Without a [spawner](Self::spawner), this is also the thread of
    /// `run`, which then waits until the consumer stops blocking.
    pub const fn stop_within(mut self, limit: Duration) -> Self {
        self.stop_within = limit;
        self
    }

    /// Declares that another program on this store has the [outbox](Self::outbox) that sends this program's commands and
    /// answers. Without an outbox and without this, a program that has something to send does not [run](Self::run).
    pub const fn outbox_elsewhere(mut self) -> Self {
        self.is_outbox_elsewhere = true;
        self
    }

    /// Runs all consumers until a handle stops them. A consumer that fails for good does not end the others; its status
    /// shows the failure at once. When the future is dropped, so are the consumers, where they are, as if the process were
    /// killed; their status shows that they were dropped.
    ///
    /// # Errors
    /// [`RunError`] at once when names conflict, or something could never be answered or sent; at the end when a consumer
    /// had failed, or did not end [in time](Self::stop_within).
    pub fn run(self) -> impl Future<Output = Result<(), RunError>> + Send + use<S> {
        let missing = self.check_outbox();
        let Midgard {
            control,
            mut consumers,
            spawner,
            stop_within,
            ..
        } = self;
        // From here on, waits for a consumer end when this future is dropped.
        for added in &mut consumers {
            added.guard.is_to_run = true;
        }
        async move {
            let all: Vec<_> = consumers
                .iter()
                .map(|added| added.consumer.progress.clone())
                .collect();
            let mut guarded = Vec::new();
            let mut refused = None;
            for Added { guard, running, .. } in consumers {
                match running {
                    Ok(running) => guarded.push((guard, running)),
                    Err(error) => {
                        refused.get_or_insert(error);
                    }
                }
            }
            if let Some(error) = refused.or(missing.err()) {
                for progress in all {
                    let message = format!("the program was not run: {error}");
                    progress.failed(ConsumerState::NeverRun, None, 1, message);
                }
                return Err(error);
            }
            let ends = join_all(guarded.into_iter().map(|(guard, running)| match &spawner {
                Some(spawner) => Either::Left(spawned(spawner, guard, running)),
                None => Either::Right(async move {
                    let ended = running.await;
                    drop(guard);
                    ended
                }),
            }));
            match select(pin!(ends), pin!(overdue(&control, stop_within))).await {
                Either::Left((ends, _)) => ends.into_iter().collect(),
                Either::Right(_) => {
                    let left = all.iter().filter(|progress| !progress.is_over());
                    let consumers = left.map(|progress| progress.status()).collect();
                    let limit = stop_within;
                    Err(RunError::NotStopped { limit, consumers })
                }
            }
        }
    }

    /// Checks that an outbox takes what this program sends.
    fn check_outbox(&self) -> Result<(), RunError> {
        let has_outbox = self.is_outbox_elsewhere || self.has_carrier;
        match self.senders.first().filter(|_| !has_outbox) {
            Some((kind, name)) => Err(RunError::NoOutbox {
                kind: *kind,
                name: name.clone(),
            }),
            None => Ok(()),
        }
    }
}

/// Waits until consumers were told to stop, and the limit has passed since.
async fn overdue(control: &Control, limit: Duration) {
    loop {
        let wake_count = control.wake_count();
        if control.mode() == Mode::Stop {
            break;
        }
        control.pause(wake_count, Duration::from_secs(3600)).await;
    }
    Delay::new(limit).await;
}

/// Ends a task when it is dropped.
pub(super) struct EndTask(pub(super) AbortHandle);

impl Drop for EndTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Hands a consumer to the spawner, and waits for its end.
async fn spawned(
    spawner: &Spawner,
    guard: StatusGuard,
    running: RunningConsumer,
) -> Result<(), RunError> {
    let progress = guard.progress.clone();
    let end = Arc::new(Mutex::new(None));
    let (task, abort) = abortable({
        let end = end.clone();
        async move {
            let ended = running.await;
            *end.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
            drop(guard);
        }
    });
    let _end_task = EndTask(abort);
    let task = Box::pin(async move {
        // When the task is aborted, nothing waits for it any more.
        let _ = task.await;
    });
    let handle = guarded_call(|| spawner(task));
    progress.until(|| progress.is_over()).await;
    let ended = end.lock().unwrap_or_else(PoisonError::into_inner).take();
    ended.unwrap_or_else(|| {
        let status = progress.status();
        let reason = match &handle {
            Ok(_) => "its task was dropped before it had ended".to_owned(),
            Err(panic) => format!("its spawner {panic}"),
        };
        Err(RunError::Dropped {
            kind: status.kind,
            name: status.name,
            reason,
        })
    })
}
