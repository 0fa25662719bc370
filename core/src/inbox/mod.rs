//! Messages of other services, each handled once in effect.

mod attempts;
pub(crate) mod context;
pub(crate) mod definition;
mod dispatch;
mod faults;
mod handling;
mod held;
mod jobs;
mod memory;
mod noted;
mod notes;
mod options;
mod parked;
mod parking;
mod receiver;
mod requests;
mod unread;

pub(crate) use context::MessageContext;
pub(crate) use definition::Inbox;
pub use definition::{Handles, InboxError, Receives};
pub(crate) use dispatch::{Dispatch, InboxDispatch};
pub(crate) use handling::InboxWorker;
pub use noted::InboxNotes;
pub(crate) use noted::parked_messages;
pub(crate) use notes::{InboxKeys, Line};
pub use options::InboxOptions;
pub use parked::{ParkedCause, ParkedMessage};
pub(crate) use receiver::{Declaration, declaration, queue_of, receive};
pub(crate) use requests::ask_messages;
