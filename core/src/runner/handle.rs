//! The handle: status and control of consumers while they run.

mod execution;
mod parked;

use crate::consumer::HandleError;

use crate::consumer::control::{Control, Mode};
use crate::consumer::handle_error::{ended, notes, timed_out};
use crate::consumer::notes::NoteError;
use crate::consumer::progress::Progress;
use crate::consumer::status::{ConsumerKind, ConsumerState, Status};
use crate::place::{LogId, Place, Position};
use crate::process::Process;
use crate::runner::notebook::Notebook;
use crate::store::Store;
use crate::store::StoreError;
use futures_timer::Delay;
use futures_util::future::{Either, pending, select};
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

/// How often the notes are read for the progress of workers elsewhere.
const POLL: Duration = Duration::from_millis(5);
/// How often the status is checked without a notification of a change.
const LOOK: Duration = Duration::from_millis(50);
/// How often a request is tried when others change what it depends on.
const TRIES: u32 = 5;

/// Shows how the consumers of a [`Midgard`](crate::Midgard) are doing, waits for them, and stops them. Cheap
/// to clone.
///
/// Dead letters, rebuilds and waits also work for consumers that run in another process, and before
/// [`run`](crate::Midgard::run): requests are left in the consumer's notes, for the worker that runs it.
#[derive(Clone)]
pub struct MidgardHandle {
    log: Arc<dyn Log>,
    control: Arc<Control>,
    consumers: Arc<[Consumer]>,
}

/// A store that is read for the end of its log only.
pub(super) trait Log: Send + Sync {
    fn end(
        &self,
        log: LogId,
    ) -> Pin<Box<dyn Future<Output = Result<Position, StoreError>> + Send + '_>>;
}

impl<S: Store> Log for S {
    fn end(
        &self,
        log: LogId,
    ) -> Pin<Box<dyn Future<Output = Result<Position, StoreError>> + Send + '_>> {
        Box::pin(self.last_position(log))
    }
}

/// A consumer, as seen from outside.
#[derive(Clone)]
pub(super) struct Consumer {
    pub(super) progress: Arc<Progress>,
    pub(super) notebook: Arc<dyn Notebook>,
}

impl MidgardHandle {
    pub(super) fn new(log: Arc<dyn Log>, control: Arc<Control>, consumers: Vec<Consumer>) -> Self {
        MidgardHandle {
            log,
            control,
            consumers: consumers.into(),
        }
    }

    /// Returns the status of every consumer.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        let all = self.consumers.iter();
        all.map(|one| one.progress.status()).collect()
    }

    /// Returns the status of one consumer.
    ///
    /// # Errors
    /// [`HandleError::Unknown`] when there is none of this name.
    pub fn status_of(&self, name: &str) -> Result<Status, HandleError> {
        Ok(self.find(name)?.progress.status())
    }

    /// Lets every consumer handle the events that are in the log now; then [`Midgard::run`](crate::Midgard::run) returns. An
    /// inbox receives as long as other consumers of this program read the log. Then it handles the messages that it holds, and
    /// ends; the other messages stay in its queue. Deadlines of processes that have passed by now are fired.
    pub fn drain(&self) {
        self.control.set(Mode::Drain);
    }

    /// Lets every consumer end after its current event, and an inbox after the messages that its handlers are working on;
    /// then [`Midgard::run`](crate::Midgard::run) returns. Nothing is lost: they continue from there when they are run
    /// again. Consumers that have not ended [in time](crate::Midgard::stop_within) are dropped.
    pub fn stop(&self) {
        self.control.set(Mode::Stop);
    }

    /// Restarts a consumer that has failed.
    ///
    /// # Errors
    /// [`HandleError::Unknown`] when there is none of this name, and [`HandleError::Ended`] when nothing runs it any more.
    pub fn restart(&self, name: &str) -> Result<(), HandleError> {
        let progress = &self.find(name)?.progress;
        if !progress.ask_restart() {
            return Err(ended(progress));
        }
        self.control.wake();
        Ok(())
    }

    /// Waits until every consumer of this program is at work: an inbox has its queue, and all others have found out what
    /// they own, and handle it or stand by.
    ///
    /// # Errors
    /// [`HandleError::Ended`] when one of them has failed, or does not run any more.
    pub async fn ready(&self) -> Result<(), HandleError> {
        for Consumer { progress, .. } in &*self.consumers {
            let is_lost = || progress.state() == ConsumerState::Failed || progress.is_over();
            progress.until(|| progress.is_ready() || is_lost()).await;
            if progress.state() == ConsumerState::Failed || !progress.is_ready() {
                return Err(ended(progress));
            }
        }
        Ok(())
    }

    /// Waits until no consumer of this program runs any more, for whatever reason: [`status`](Self::status) shows how each
    /// one has ended. A consumer that has failed and may be [restarted](Self::restart) has not ended.
    pub async fn ended(&self) {
        all_ended(self.consumers.iter().map(|one| &one.progress)).await;
    }

    /// Returns a future that completes once the program is told to [stop](Self::stop) or to [drain](Self::drain), or no
    /// consumer of it runs any more. The future keeps no store open, and may outlive the handle. Use it to end other parts
    /// of the program, such as an [`EventStream`](crate::store::EventStream) that follows the log.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let control = self.control.clone();
        let consumers = self.consumers.iter();
        // Not their notebooks, which hold the store.
        let consumers: Vec<_> = consumers.map(|one| one.progress.clone()).collect();
        async move {
            let told = pin!(control.told_to_end());
            let ended = pin!(all_ended(consumers.iter()));
            select(told, ended).await;
        }
    }

    /// Rebuilds the views of a projection, from the first event on, alongside those that readers see, which stay up to
    /// date meanwhile. Readers switch once the new ones have caught up. Effects
    /// [after commits](crate::Context::after_commit) do not happen again.
    ///
    /// A new version of a projection, or of the definition of its views, is rebuilt without a call.
    ///
    /// # Errors
    /// [`HandleError::NotAProjection`], or when the request cannot be stored.
    pub async fn rebuild(&self, name: &str) -> Result<(), HandleError> {
        let consumer = self.find(name)?;
        let is_projection = self
            .tried(name, async || consumer.notebook.rebuild().await)
            .await?;
        if !is_projection {
            let name = name.to_owned();
            return Err(HandleError::NotAProjection { name });
        }
        self.control.wake();
        Ok(())
    }

    /// Returns the processes of a process manager that have not ended, in the order of their ids.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn processes(&self, name: &str) -> Result<Vec<Process>, HandleError> {
        let processes = self.find(name)?.notebook.processes().await;
        processes.map_err(|error| notes(name, error))
    }

    /// Returns the processes that are stuck: see [`Process::is_stuck`].
    ///
    /// # Errors
    /// As [`processes`](Self::processes).
    pub async fn stuck_processes(
        &self,
        name: &str,
        silence: Duration,
    ) -> Result<Vec<Process>, HandleError> {
        let mut processes = self.processes(name).await?;
        let now = self.control.now();
        processes.retain(|process| process.is_stuck(now, silence));
        Ok(processes)
    }

    /// Repeats a request while others change what it depends on.
    async fn tried<T>(
        &self,
        name: &str,
        ask: impl AsyncFn() -> Result<T, NoteError>,
    ) -> Result<T, HandleError> {
        let mut tries = 1;
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) if tries == TRIES => return Err(notes(name, error)),
                Err(_) => tries += 1,
            }
        }
    }

    /// Waits until a consumer has handled everything up to a place: its views then include what was appended there.
    /// Workers in other processes count too. Returns at once without a place, as after a command that changed nothing.
    /// Does not wait for a consumer of this program that has failed or ended.
    ///
    /// # Errors
    /// [`HandleError`] says why the wait ended.
    pub async fn wait_for(
        &self,
        name: &str,
        place: impl Into<Option<Place>> + Send,
        timeout: Duration,
    ) -> Result<(), HandleError> {
        let consumer = self.find(name)?;
        if consumer.progress.kind() == ConsumerKind::Inbox {
            let name = name.to_owned();
            return Err(HandleError::NotOfTheLog { name });
        }
        let Some(place) = place.into() else {
            return Ok(());
        };
        if consumer.progress.status_in(place.log).is_none() {
            // A log that does not exist is not waited for.
            self.log.end(place.log).await?;
        }
        let mut alarm = Delay::new(timeout);
        loop {
            let changed = consumer.progress.listen();
            let is_ended = consumer.progress.state().is_end();
            let status = consumer.progress.status_in(place.log);
            let here =
                status.filter(|log| log.all_partitions > 0 && log.partitions == log.all_partitions);
            let is_all_here = here.is_some();
            if here.is_some_and(|log| log.place >= place) {
                return Ok(());
            }
            if !is_all_here {
                let written = consumer.notebook.checkpoint(place.log).await;
                let written = written.map_err(|error| notes(name, error))?;
                // A checkpoint ahead of the log belongs to another log.
                if let Some(written) = written.filter(|written| *written >= place.position)
                    && written <= self.log.end(place.log).await?
                {
                    return Ok(());
                }
            }
            if is_ended {
                return Err(ended(&consumer.progress));
            }
            let poll = async {
                if is_all_here {
                    pending::<()>().await;
                }
                Delay::new(POLL).await;
            };
            let poll = std::pin::pin!(poll);
            if let Either::Right(_) = select(select(changed, poll), &mut alarm).await {
                let wanted = format!("reach position {place}");
                return Err(timed_out(name, wanted, timeout, &consumer.progress));
            }
        }
    }

    /// Waits until the status of a consumer in this program meets a condition.
    ///
    /// # Errors
    /// [`HandleError::Unknown`], [`HandleError::TimedOut`], and [`HandleError::Ended`] when its status does not change any more.
    pub async fn wait_until(
        &self,
        name: &str,
        timeout: Duration,
        is_wanted: impl Fn(&Status) -> bool + Send,
    ) -> Result<Status, HandleError> {
        let progress = &self.find(name)?.progress;
        let mut alarm = Delay::new(timeout);
        loop {
            let changed = progress.listen();
            let status = progress.status();
            if is_wanted(&status) {
                return Ok(status);
            }
            if progress.is_over() && !is_wanted(&progress.status()) {
                return Err(ended(progress));
            }
            // `handling` changes with each event, without a notification.
            let again = select(changed, Delay::new(LOOK));
            if let Either::Right(_) = select(again, &mut alarm).await {
                let wanted = "be in the wanted state".to_owned();
                return Err(timed_out(name, wanted, timeout, progress));
            }
        }
    }

    fn find(&self, name: &str) -> Result<&Consumer, HandleError> {
        let mut all = self.consumers.iter();
        all.find(|one| one.progress.name() == name)
            .ok_or_else(|| HandleError::Unknown {
                name: name.to_owned(),
            })
    }
}

async fn all_ended(consumers: impl Iterator<Item = &Arc<Progress>>) {
    for progress in consumers {
        progress.until(|| progress.is_over()).await;
    }
}

impl fmt::Debug for MidgardHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MidgardHandle")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
