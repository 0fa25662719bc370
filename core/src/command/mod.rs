//! Commands to other services, as messages.

pub(crate) mod client;
pub(crate) mod definition;
pub(crate) mod payload;
mod recorded;

pub(crate) use client::is_client;
pub use client::{AskError, SendError};
pub(crate) use definition::{Refused, RemoteCommand};
pub use payload::read_command;
pub(crate) use recorded::{CommandAnswered, CommandSent, raw};
