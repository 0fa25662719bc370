//! Process managers: long-running processes over several aggregates and services.

mod cause;
mod deadlines;
pub(crate) mod definition;
mod handler;
mod noted;
mod notes;
pub(crate) mod options;
pub(crate) mod reactions;
mod record;
mod replies;
mod step;

pub(crate) use cause::Cause;
pub use cause::ReactedEvent;
pub(crate) use deadlines::watch;
pub use definition::{Concerned, ProcessInput, ReactsTo, Schedules, Sends, Unconfigured};
pub(crate) use definition::{Expire, ProcessManager, Resolve};
pub(crate) use handler::{ProcessBook, Reacting};
pub use noted::ProcessNotes;
pub use notes::Process;
pub(crate) use options::Processes;
pub use reactions::LocalStep;
pub(crate) use reactions::{Due, Identity, Outgoing, Reactions, Step};
pub(crate) use record::{Instance, Kind, ProcessReacted};
pub(crate) use replies::Replies;
pub(crate) use step::{Steps, sent_by};
