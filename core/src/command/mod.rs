//! Commands to other services, as messages.

pub(crate) mod client;
pub(crate) mod definition;
mod recorded;

pub(crate) use client::is_client;
pub use client::{AskError, SendError};
pub(crate) use definition::{Refused, RemoteCommand};
pub(crate) use recorded::{CommandAnswered, CommandSent, raw};
