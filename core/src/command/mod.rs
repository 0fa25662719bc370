//! Commands to other services, as messages.

pub(crate) mod client;
pub(crate) mod definition;
pub(crate) mod payload;
mod recorded;
mod replies;

pub use client::{AskError, SendError};
pub(crate) use definition::{Refused, RemoteCommand};
pub use payload::read_command;
pub(crate) use recorded::{CommandAnswered, CommandSent, raw};
pub(crate) use replies::is_client;
