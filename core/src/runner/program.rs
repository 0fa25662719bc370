//! How the consumers of a program run beside each other, and come to their end.

use super::Midgard;
use super::handle::Consumer;
use crate::consumer::RunError;
use crate::consumer::control::{Control, Mode};
use crate::consumer::ended::Running;
use crate::consumer::guard::guarded_call;
use crate::consumer::status::{ConsumerState, Progress};
use crate::store::Store;
use futures_timer::Delay;
use futures_util::future::{AbortHandle, Either, abortable, join_all, select};
use pollster::block_on;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long consumers may take to end, when nothing else is said.
pub(super) const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Runs a future of its own, beside others.
pub(super) type Spawner = Box<dyn Fn(Task) + Send + Sync>;

/// A consumer, as it is handed to who runs it.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A consumer that was added, and is to be run.
pub(super) struct Added {
    pub(super) consumer: Consumer,
    pub(super) course: Course,
    pub(super) running: Result<Running, RunError>,
}

/// The course of a consumer: however it comes to its end, its status says so.
pub(super) struct Course {
    progress: Arc<Progress>,
    is_to_run: bool,
}

impl Course {
    pub(super) const fn new(progress: Arc<Progress>) -> Self {
        Course {
            progress,
            is_to_run: false,
        }
    }
}

impl Drop for Course {
    fn drop(&mut self) {
        self.progress.close(self.is_to_run);
    }
}

impl<S: Store + Clone> Midgard<S> {
    /// Runs each consumer as a task of its own: what is given here is called with the future of each. So consumers use more
    /// than one core, and a handler that blocks its thread delays no other consumer. Without it, the future of
    /// [`run`](Self::run) runs all of them, by turns.
    ///
    /// On tokio that is `spawner(|consumer| drop(tokio::spawn(consumer)))`. It is called from within the future of `run`, which ends
    /// when all of them have. When that is dropped, they end where they next wait.
    ///
    /// What one consumer does by itself stays in one task: a process manager's deadlines, the views that a projection builds
    /// anew, the messages that an inbox handles beside each other.
    pub fn spawner(
        mut self,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        self.spawner = Some(Box::new(spawn));
        self
    }

    /// Runs each consumer in a thread of its own: a [`spawner`](Self::spawner) for handlers that block, and need no runtime.
    /// A bus that needs one, as those over tokio do, finds none there.
    pub fn thread_per_consumer(self) -> Self {
        self.spawner(|consumer| {
            let thread = thread::Builder::new().name("midgard consumer".to_owned());
            if let Err(error) = thread.spawn(move || block_on(consumer)) {
                // What was not taken over is dropped, and `run` says of which consumer.
                tracing::error!(%error, "a consumer has no thread to run in");
            }
        })
    }

    /// For how long consumers may go on with what they are at once they are told to [stop](super::MidgardHandle::stop); 30
    /// seconds, when nothing is said. Then [`run`](Self::run) drops them where they are, and says which of them was at what.
    ///
    /// What blocks its thread cannot be dropped. Without a [spawner](Self::spawner) that is the thread of `run`, too, which
    /// then waits for as long.
    pub const fn stop_within(mut self, limit: Duration) -> Self {
        self.stop_within = limit;
        self
    }

    /// Says that another program on this store has the [outbox](Self::outbox) by which commands and answers of this one
    /// leave. Without an outbox, and without this, a program that has something to send does not [run](Self::run).
    pub const fn outbox_elsewhere(mut self) -> Self {
        self.is_outbox_elsewhere = true;
        self
    }

    /// Runs everything, until a handle stops it. A consumer that fails for good does not end the others;
    /// its status says so at once. When the future is dropped, so are the consumers, where they are: it is as if the process were
    /// killed, and their status says that they were dropped.
    ///
    /// # Errors
    /// [`RunError`] at once when the names contradict each other, or something could never be answered or sent; at the end
    /// when a consumer had failed, or did not end [in time](Self::stop_within).
    pub fn run(self) -> impl Future<Output = Result<(), RunError>> + Send + use<S> {
        let missing = self.check_outbox();
        let Midgard {
            control,
            mut consumers,
            spawner,
            stop_within,
            ..
        } = self;
        // From here on, who waits for a consumer is told when this future is dropped.
        for added in &mut consumers {
            added.course.is_to_run = true;
        }
        async move {
            let all: Vec<_> = consumers
                .iter()
                .map(|added| added.consumer.progress.clone())
                .collect();
            let mut courses = Vec::new();
            let mut refused = None;
            for Added {
                course, running, ..
            } in consumers
            {
                match running {
                    Ok(running) => courses.push((course, running)),
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
            let ends = join_all(courses.into_iter().map(|(course, running)| match &spawner {
                Some(spawner) => Either::Left(spawned(spawner, course, running)),
                None => Either::Right(async move {
                    let ended = running.await;
                    drop(course);
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

    /// Whether what is to leave has a way out.
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

/// Waits until consumers were told to stop, and have taken longer for it than they may.
async fn overdue(control: &Control, limit: Duration) {
    loop {
        let asked = control.asked();
        if control.mode() == Mode::Stop {
            break;
        }
        control.pause(asked, Duration::from_secs(3600)).await;
    }
    Delay::new(limit).await;
}

/// Ends a task when it is dropped.
struct EndTask(AbortHandle);

impl Drop for EndTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Hands a consumer to the spawner, and waits for its end.
async fn spawned(spawner: &Spawner, course: Course, running: Running) -> Result<(), RunError> {
    let progress = course.progress.clone();
    let end = Arc::new(Mutex::new(None));
    let (task, abort) = abortable({
        let end = end.clone();
        async move {
            let ended = running.await;
            *end.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
            drop(course);
        }
    });
    let _end_task = EndTask(abort);
    let task = Box::pin(async move {
        // Whoever aborts it waits for nothing more.
        let _ = task.await;
    });
    let panic = guarded_call(|| spawner(task)).err();
    progress.until(|| progress.is_over()).await;
    let ended = end.lock().unwrap_or_else(PoisonError::into_inner).take();
    ended.unwrap_or_else(|| {
        let status = progress.status();
        let reason = panic.map_or_else(
            || "its task was dropped before it had ended".to_owned(),
            |panic| format!("its spawner {panic}"),
        );
        Err(RunError::Dropped {
            kind: status.kind,
            name: status.name,
            reason,
        })
    })
}
