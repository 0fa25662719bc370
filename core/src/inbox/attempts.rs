//! Failed attempts: why they failed, and when to retry.

use super::dispatch::Dispatch;
use super::handling::InboxWorker;
use super::notes::Parked;
use crate::consumer::HandlerError;
use crate::consumer::control::Mode;
use crate::consumer::notes::NoteError;
use crate::consumer::setbacks::Setbacks;
use crate::consumer::status::ConsumerState;
use crate::give_way::give_way;
use crate::unit_of_work::CommitError;
use std::time::{Duration, Instant};

/// Why an attempt to handle a message failed.
pub(super) enum AttemptError {
    /// Another worker was faster.
    Conflict(String),
    /// The store has failed.
    Store(String),
    /// Trying again does not help; but it may be for a newer release, which another worker of this service may run.
    Unreadable { error: String, is_newer: bool },
    /// The handler has failed.
    Handler(HandlerError),
    /// The message is to be parked behind another one, and is too large for that.
    TooLarge(Box<Parked>),
}

impl From<NoteError> for AttemptError {
    fn from(error: NoteError) -> Self {
        AttemptError::Store(error.to_string())
    }
}

impl From<CommitError> for AttemptError {
    fn from(error: CommitError) -> Self {
        if error.is_conflict() {
            AttemptError::Conflict(error.to_string())
        } else if error.is_refusal() {
            AttemptError::Handler(error.into())
        } else {
            AttemptError::Store(error.to_string())
        }
    }
}

/// The setbacks while one thing was tried.
pub(super) struct Tries {
    pub(super) setbacks: Setbacks,
    /// The last trouble.
    pub(super) last: String,
}

impl Default for Tries {
    fn default() -> Self {
        Tries {
            setbacks: Setbacks::quick(),
            last: String::new(),
        }
    }
}

impl<D: Dispatch> InboxWorker<D> {
    /// Returns whether the program is ending and the message must be left as it is: it is delivered again.
    pub(super) fn is_given_up(&self, tries: &Tries) -> bool {
        match self.control.mode() {
            Mode::Run => false,
            mode @ Mode::Drain => tries.setbacks.are_too_many(mode),
            Mode::Stop => true,
        }
    }

    /// Waits before another try; returns whether the program ends instead.
    pub(super) async fn wait(&self, wait: Duration) -> bool {
        let since = Instant::now();
        loop {
            let wake_count = self.control.wake_count();
            let left = wait.saturating_sub(since.elapsed());
            if self.control.mode() == Mode::Stop {
                return true;
            }
            if left.is_zero() {
                return false;
            }
            self.control.pause(wake_count, left).await;
        }
    }

    /// Waits for as long as the error demands; returns the error if it counts as a failure.
    pub(super) async fn meet(
        &self,
        error: AttemptError,
        tries: &mut Tries,
    ) -> Option<HandlerError> {
        let wake_count = self.control.wake_count();
        match error {
            AttemptError::Conflict(error) => {
                if tries.setbacks.conflict().is_none() {
                    tries.setbacks.end_conflicts();
                    return Some(error.into());
                }
                give_way().await;
                None
            }
            AttemptError::Store(error) => {
                let (state, troubles) = (ConsumerState::Retrying, tries.setbacks.trouble());
                tries.last.clone_from(&error);
                self.progress.failed(state, None, troubles, error);
                self.control.back_off(wake_count, troubles).await;
                None
            }
            AttemptError::Unreadable { error, .. } => Some(error.into()),
            AttemptError::Handler(error) => Some(error),
            AttemptError::TooLarge(parked) => Some(parked.error.into()),
        }
    }

    /// Sets the state to live again after failures.
    pub(super) fn recovered(&self, failures: u32) {
        if failures > 0 {
            self.progress.set_state(ConsumerState::Live);
        }
    }
}
