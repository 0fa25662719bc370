//! Why a request to a handle failed.

use crate::consumer::notes::NoteError;
use crate::consumer::progress::Progress;
use crate::consumer::status::{ConsumerState, Status};
use crate::store::StoreError;
use std::error::Error;
use std::time::Duration;

/// Why a request to a handle failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// The program has no consumer of this name.
    #[error("this program runs nothing called \"{name}\"; look at the names that `status()` lists")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The wait took too long.
    #[error("waited {timeout:?} for \"{name}\" to {wanted}; its status: {status}")]
    TimedOut {
        /// The name.
        name: String,
        /// The awaited condition.
        wanted: String,
        /// How long the wait lasted.
        timeout: Duration,
        /// How it is doing.
        status: Box<Status>,
    },
    /// The consumer has failed, was stopped or dropped, or was never run.
    #[error("\"{name}\" {what}: {status}; {next}")]
    Ended {
        /// The name.
        name: String,
        /// How it is doing.
        status: Box<Status>,
        /// What happened to it.
        what: &'static str,
        /// What to do about it.
        next: &'static str,
    },
    /// The named sequence, event or message is not parked.
    #[error("\"{name}\" has nothing parked {which}")]
    NotParked {
        /// The name of the consumer.
        name: String,
        /// The sequence, event or message that was named, and which method lists those that are parked.
        which: String,
    },
    /// Only projections have views that can be rebuilt.
    #[error(
        "\"{name}\" is not a projection, and has no views to rebuild; to handle everything again, start a consumer of another name"
    )]
    NotAProjection {
        /// The name.
        name: String,
    },
    /// An inbox follows a queue, not the log of this service: no position of the log describes its progress.
    #[error(
        "\"{name}\" is an inbox, which does not follow the log of this service and reaches no position of it; wait for what its messages lead to, or for its status with `wait_until`"
    )]
    NotOfTheLog {
        /// The name.
        name: String,
    },
    /// The notes of a consumer could not be read or changed.
    #[error("the notes of \"{name}\" could not be used: {cause}")]
    Notes {
        /// The name.
        name: String,
        /// Why.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(crate) fn notes(name: &str, error: NoteError) -> HandleError {
    HandleError::Notes {
        name: name.to_owned(),
        cause: Box::new(error),
    }
}

/// Returns the error that a consumer has ended, and what to do about it.
pub(crate) fn ended(progress: &Progress) -> HandleError {
    let status = progress.status();
    let (what, next) = match status.state {
        ConsumerState::Failed if progress.is_over() => (
            "has failed, and its program does not run it any more",
            "mend it and run the program again",
        ),
        ConsumerState::Failed => (
            "has failed and does not go on",
            "mend it and call `restart`",
        ),
        ConsumerState::Stopped => ("was stopped", "run it again"),
        ConsumerState::Dropped => (
            "does not run any more, as the future of `run` was dropped or its task aborted",
            "run it again, and stop it with a handle",
        ),
        _ => (
            "was never run",
            "await `Midgard::run`, and see what it returns",
        ),
    };
    HandleError::Ended {
        name: status.name.clone(),
        status: Box::new(status),
        what,
        next,
    }
}

pub(crate) fn timed_out(
    name: &str,
    wanted: String,
    timeout: Duration,
    progress: &Progress,
) -> HandleError {
    HandleError::TimedOut {
        name: name.to_owned(),
        wanted,
        timeout,
        status: Box::new(progress.status()),
    }
}
