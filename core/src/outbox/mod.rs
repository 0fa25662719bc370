//! The outbox: events of the log, and the commands and replies in it, leave the service.
//!
//! Nothing is published when events are appended: the log is the outbox. A relay reads it from its checkpoint and publishes
//! messages, so a bus that is down neither fails an append nor slows it, and there is never a message without its event, or
//! an event without its message.

mod aside;
mod carrier;
pub(crate) mod definition;
mod leaving;
mod publishing;
mod relay;
mod unsettled;

pub(crate) use aside::come_back;
pub(crate) use carrier::Outboxes;
pub(crate) use definition::Outbox;
pub use definition::{Publish, Unheard};
pub(crate) use relay::Relay;
