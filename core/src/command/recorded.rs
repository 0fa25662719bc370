//! Commands and replies in the log, until the outbox has published them.

use crate::bus::{Message, Purpose};
use crate::event::codec::{Codec, JsonError, from_json};
use crate::event::record::RecordedEventRef;
use crate::event::{Encoded, EncodedRef};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::marker::PhantomData;

/// A command that was sent.
#[derive(Debug, Clone, Serialize, Deserialize, crate::Event)]
#[event(name = "midgard.command_sent", crate = crate)]
pub(crate) struct CommandSent {
    pub(crate) name: String,
    #[serde(rename = "version")]
    pub(crate) schema_version: u32,
    pub(crate) service: String,
    /// The stream of the sender, when the command has no key of its own.
    pub(crate) key: Option<String>,
    pub(crate) reply_to: String,
    #[serde(rename = "data")]
    pub(crate) payload: Box<RawValue>,
}

/// A command that was answered.
#[derive(Debug, Clone, Serialize, Deserialize, crate::Event)]
#[event(name = "midgard.command_answered", crate = crate)]
pub(crate) struct CommandAnswered {
    /// The id of the command.
    pub(crate) command: String,
    /// The subject of the command: the process that has sent it.
    pub(crate) subject: Option<String>,
    /// Who waits for the reply.
    pub(crate) to: String,
    pub(crate) name: String,
    #[serde(rename = "version")]
    pub(crate) schema_version: u32,
    #[serde(rename = "data")]
    pub(crate) payload: Box<RawValue>,
}

impl CommandSent {
    /// Returns the command as it was sent.
    pub(crate) fn encoded(&self) -> EncodedRef<'_> {
        EncodedRef {
            name: &self.name,
            schema_version: self.schema_version,
            codec: Codec::JSON,
            payload: self.payload.get().as_bytes(),
        }
    }

    /// Returns the message that the recorded event becomes.
    pub(crate) fn message(self, source: &str, event: &RecordedEventRef<'_>) -> Message {
        let purpose = Purpose::Command {
            service: self.service,
        };
        let key = self.key.unwrap_or_else(|| event.stream.to_owned());
        let encoded = encoded(self.name, self.schema_version, self.payload);
        Message {
            reply_to: Some(self.reply_to),
            ..Message::of_recorded(purpose, event, key, source, encoded)
        }
    }
}

impl CommandAnswered {
    /// Returns the reply to a command, if anyone waits for one.
    pub(crate) fn to(command: &Message, reply: Encoded) -> Result<Option<Self>, JsonError> {
        let Some(to) = command.reply_to.clone() else {
            return Ok(None);
        };
        Ok(Some(CommandAnswered {
            command: command.id.clone(),
            subject: command.subject.clone(),
            to,
            name: reply.name.into_owned(),
            schema_version: reply.schema_version,
            payload: raw(&reply.payload)?,
        }))
    }

    /// Returns the message that the recorded event becomes.
    pub(crate) fn message(self, source: &str, event: &RecordedEventRef<'_>) -> Message {
        let purpose = Purpose::Reply { to: self.to };
        let causation_id = self.command.parse().ok();
        let key = self.subject.clone().unwrap_or(self.command);
        let encoded = encoded(self.name, self.schema_version, self.payload);
        let message = Message::of_recorded(purpose, event, key, source, encoded);
        Message {
            causation_id: causation_id.or(message.causation_id),
            subject: self.subject.or(message.subject),
            ..message
        }
    }
}

fn encoded(name: String, schema_version: u32, payload: Box<RawValue>) -> Encoded {
    let payload = Box::<str>::from(payload).into_string().into_bytes();
    Encoded::json(name, schema_version, payload)
}

/// Returns a JSON payload for embedding in another one as it is.
pub(crate) fn raw(payload: &[u8]) -> Result<Box<RawValue>, JsonError> {
    from_json(payload, PhantomData)
}
