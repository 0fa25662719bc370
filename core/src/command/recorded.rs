//! Commands and replies as the log has them, until the outbox has published them.

use crate::bus::{Message, Purpose};
use crate::event::codec::{JsonError, from_json};
use crate::event::record::NewEvent;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::marker::PhantomData;

/// A command that was sent.
#[derive(Debug, Clone, Serialize, Deserialize, crate::Event)]
#[event(name = "midgard.command_sent", crate = crate)]
pub(crate) struct CommandSent {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) service: String,
    /// The stream of who sends it, when it has none of its own.
    pub(crate) key: Option<String>,
    pub(crate) reply_to: String,
    pub(crate) data: Box<RawValue>,
}

/// A command that was answered.
#[derive(Debug, Clone, Serialize, Deserialize, crate::Event)]
#[event(name = "midgard.command_answered", crate = crate)]
pub(crate) struct CommandAnswered {
    /// The id of the command.
    pub(crate) command: String,
    /// What the command was about: the process that has sent it.
    pub(crate) subject: Option<String>,
    /// Who waits for the reply.
    pub(crate) to: String,
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) data: Box<RawValue>,
}

impl CommandSent {
    /// The message, but for what every message of an event has.
    pub(crate) fn message(self, source: &str) -> Message {
        let purpose = Purpose::Command {
            service: self.service,
        };
        let data = Box::<str>::from(self.data).into_string().into_bytes();
        let message = Message::new(purpose, source, self.name, self.version, data);
        Message {
            key: self.key.unwrap_or_default(),
            reply_to: Some(self.reply_to),
            ..message
        }
    }
}

impl CommandAnswered {
    /// The reply to a command, if someone waits for one.
    pub(crate) fn to(command: &Message, reply: NewEvent) -> Result<Option<Self>, JsonError> {
        let Some(to) = command.reply_to.clone() else {
            return Ok(None);
        };
        Ok(Some(CommandAnswered {
            command: command.id.clone(),
            subject: command.subject.clone(),
            to,
            name: reply.name.into_owned(),
            version: reply.schema_version,
            data: raw(&reply.payload)?,
        }))
    }

    /// The message, but for what every message of an event has.
    pub(crate) fn message(self, source: &str) -> Message {
        let purpose = Purpose::Reply { to: self.to };
        let data = Box::<str>::from(self.data).into_string().into_bytes();
        let message = Message::new(purpose, source, self.name, self.version, data);
        Message {
            key: self.subject.clone().unwrap_or(self.command),
            subject: self.subject,
            ..message
        }
    }
}

/// A JSON payload, to stand in another one as it is.
pub(crate) fn raw(payload: &[u8]) -> Result<Box<RawValue>, JsonError> {
    from_json(payload, PhantomData)
}
