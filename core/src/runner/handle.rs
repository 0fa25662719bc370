//! What a program can ask of its consumers while they run.

use crate::consumer::control::{Control, Mode};
use crate::consumer::status::{ConsumerState, Progress, Status};
use crate::place::Position;
use futures_timer::Delay;
use futures_util::future::{Either, select};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Tells how the consumers of a [`Midgard`](crate::Midgard) are doing, waits for them, and stops them. Cheap
/// to clone.
#[derive(Clone)]
pub struct MidgardHandle {
    control: Arc<Control>,
    consumers: Arc<[Arc<Progress>]>,
}

/// Why a consumer was not waited for to the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The program runs no consumer of this name.
    #[error("this program runs nothing called \"{name}\"; look at the names that `status()` lists")]
    Unknown {
        /// The name.
        name: String,
    },
    /// It took too long.
    #[error("\"{name}\" has not reached position {wanted} in {timeout:?}: {status}")]
    TimedOut {
        /// The name.
        name: String,
        /// The position that was waited for.
        wanted: Position,
        /// For how long.
        timeout: Duration,
        /// How it is doing.
        status: Box<Status>,
    },
    /// It has failed, or was stopped.
    #[error("\"{name}\" does not go on: {status}")]
    Ended {
        /// The name.
        name: String,
        /// How it is doing.
        status: Box<Status>,
    },
}

impl MidgardHandle {
    pub(super) fn new(control: Arc<Control>, consumers: Vec<Arc<Progress>>) -> Self {
        MidgardHandle {
            control,
            consumers: consumers.into(),
        }
    }

    /// How every consumer is doing.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        self.consumers.iter().map(|one| one.status()).collect()
    }

    /// Lets every consumer handle what the log has now; then [`Midgard::run`](crate::Midgard::run) returns.
    pub fn drain(&self) {
        self.control.set(Mode::Drain);
    }

    /// Lets every consumer end with the event that it is at; then [`Midgard::run`](crate::Midgard::run)
    /// returns. Nothing is lost: they go on from there when they are run again.
    pub fn stop(&self) {
        self.control.set(Mode::Stop);
    }

    /// Starts a consumer again that has failed.
    ///
    /// # Errors
    /// [`WaitError::Unknown`] when there is none of this name.
    pub fn restart(&self, name: &str) -> Result<(), WaitError> {
        self.find(name)?.ask_restart();
        self.control.wake();
        Ok(())
    }

    /// Waits until a consumer has handled everything up to a position: what was appended there shows in
    /// what it keeps.
    ///
    /// # Errors
    /// [`WaitError`] says why it was not waited for any longer.
    pub async fn wait_for(
        &self,
        name: &str,
        position: Position,
        timeout: Duration,
    ) -> Result<(), WaitError> {
        let progress = self.find(name)?;
        let mut alarm = Delay::new(timeout);
        loop {
            let changed = progress.listen();
            let status = progress.status();
            if status.position >= position {
                return Ok(());
            }
            let name = name.to_owned();
            if matches!(status.state, ConsumerState::Failed | ConsumerState::Stopped) {
                let status = Box::new(status);
                return Err(WaitError::Ended { name, status });
            }
            if let Either::Right(_) = select(changed, &mut alarm).await {
                return Err(WaitError::TimedOut {
                    name,
                    wanted: position,
                    timeout,
                    status: Box::new(progress.status()),
                });
            }
        }
    }

    fn find(&self, name: &str) -> Result<&Progress, WaitError> {
        let mut all = self.consumers.iter();
        all.find(|one| one.status().name == name)
            .map(AsRef::as_ref)
            .ok_or_else(|| WaitError::Unknown {
                name: name.to_owned(),
            })
    }
}

impl fmt::Debug for MidgardHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MidgardHandle")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
