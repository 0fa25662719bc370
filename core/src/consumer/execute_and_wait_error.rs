//! The error of a command that is executed and then waited for.

use super::HandleError;
use crate::error::{Classify, ErrorKind};
use crate::place::Place;
use crate::repository::ExecuteError;
use std::error::Error;
use std::fmt::{self, Display};

/// Why a command was not executed, or why its changes do not show yet. `E` is the command's own error.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExecuteAndWaitError<E> {
    /// The command had no effect.
    Execute(ExecuteError<E>),
    /// The command was not executed: the program does not run the projection.
    NotExecuted(HandleError),
    /// The command was executed, but the projection does not show it yet. Do not execute it again: it would take effect
    /// twice.
    NotShown {
        /// The place of its last event, to wait for it again with [`MidgardHandle::wait_for`](crate::MidgardHandle::wait_for).
        place: Place,
        /// What the command did: the version of the aggregate's stream, or, of a decision model, where the last event is.
        effect: String,
        /// Why the wait for the projection ended.
        error: HandleError,
    },
}

impl<E: Display> Classify for ExecuteAndWaitError<E> {
    fn kind(&self) -> ErrorKind<'_> {
        match self {
            ExecuteAndWaitError::Execute(error) => error.kind(),
            ExecuteAndWaitError::NotExecuted(_) => ErrorKind::Internal,
            ExecuteAndWaitError::NotShown { .. } => ErrorKind::NotShown,
        }
    }
}

impl<E: Display> Display for ExecuteAndWaitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecuteAndWaitError::Execute(error) => Display::fmt(error, f),
            ExecuteAndWaitError::NotExecuted(error) => {
                write!(f, "the command was not executed: {error}")
            }
            ExecuteAndWaitError::NotShown { effect, error, .. } => write!(
                f,
                "the command was executed, and {effect}, but the projection does not show it yet: {error}"
            ),
        }
    }
}

// What a message already says is not its source again.
impl<E: Error + 'static> Error for ExecuteAndWaitError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ExecuteAndWaitError::Execute(error) => error.source(),
            ExecuteAndWaitError::NotExecuted(error)
            | ExecuteAndWaitError::NotShown { error, .. } => error.source(),
        }
    }
}
