//! What subscriptions and projections have in common: reading and handling events, and keeping checkpoints.

pub(crate) mod about;
pub(crate) mod batch;
pub(crate) mod control;
pub(crate) mod coverage;
mod dead_letter;
pub(crate) mod ended;
mod execute_and_wait_error;
pub(crate) mod failure;
pub(crate) mod guard;
pub(crate) mod handle_error;
pub(crate) mod handler;
mod handling;
mod lease;
pub(crate) mod notebook;
mod noted;
pub(crate) mod notes;
mod options;
pub(crate) mod progress;
pub(crate) mod setbacks;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod supervise;
pub(crate) mod track;
pub(crate) mod tracks;

pub use dead_letter::DeadLetter;
pub use ended::RunError;
pub use execute_and_wait_error::ExecuteAndWaitError;
pub use failure::FailurePolicy;
pub use handle_error::HandleError;
pub(crate) use handler::{Effect, HandlerError, ProjectError};
pub(crate) use handling::{AtWork, Slot};
pub use handling::{Handling, HandlingStage};
pub use noted::ConsumerNotes;
pub use options::ConsumerOptions;
pub use status::{ConsumerKind, ConsumerState, LastError, LogStatus, Rebuild, Status};
