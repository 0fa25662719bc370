//! Errors of servers.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

/// The reason why a server did not start, or did not stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The program of the server is not on this machine.
    #[error("{what} is not installed (run scripts/setup); it was expected at {looked_at}")]
    Missing {
        /// The missing program, such as `rabbitmq-server`.
        what: &'static str,
        /// The place where it was expected.
        looked_at: String,
    },

    /// Something that must be done before the server can run failed.
    #[error("{what} cannot run: {action} failed: {cause}")]
    Prepare {
        /// The server.
        what: &'static str,
        /// What failed.
        action: &'static str,
        /// The reason.
        cause: io::Error,
    },

    /// The certificates of a server with TLS could not be made.
    #[error("no certificate could be made for {what}: {cause}")]
    Certificate {
        /// The server.
        what: &'static str,
        /// The reason.
        cause: rcgen::Error,
    },

    /// The server ended while it started.
    #[error("{what} ended while it started, with {status}; its log ends with:\n{log}")]
    Ended {
        /// The server.
        what: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },

    /// The server runs but does not answer.
    #[error("{what} did not answer within {} s; its log ends with:\n{log}", .waited.as_secs())]
    Silent {
        /// The server.
        what: &'static str,
        /// How long the server had.
        waited: Duration,
        /// The last lines of its log.
        log: String,
    },

    /// The server was asked to stop and did not, so it was killed.
    #[error("{what} did not stop within {} s and was killed; its log ends with:\n{log}", .waited.as_secs())]
    Unstoppable {
        /// The server.
        what: &'static str,
        /// How long the server had.
        waited: Duration,
        /// The last lines of its log.
        log: String,
    },
}

impl ServerError {
    /// A failure of `action`, before `what` can run.
    pub(crate) fn prepare(what: &'static str, action: &'static str) -> impl Fn(io::Error) -> Self {
        move |cause| Self::Prepare {
            what,
            action,
            cause,
        }
    }
}
