//! The error of a command that is executed and then waited for.

use super::HandleError;
use crate::place::Version;
use crate::repository::ExecuteError;
use crate::stream_name::StreamName;
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
        /// The stream of the aggregate.
        stream: StreamName,
        /// Its version after the command.
        version: Version,
        /// Why the wait for the projection ended.
        error: HandleError,
    },
}

impl<E: Display> Display for ExecuteAndWaitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecuteAndWaitError::Execute(error) => Display::fmt(error, f),
            ExecuteAndWaitError::NotExecuted(error) => {
                write!(f, "the command was not executed: {error}")
            }
            ExecuteAndWaitError::NotShown {
                stream,
                version,
                error,
            } => write!(
                f,
                "the command was executed, and stream \"{stream}\" is at version {version}, but the projection does not show it yet: {error}"
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
