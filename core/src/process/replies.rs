//! The answers to the commands of a process manager, as they come over a bus.

use super::ProcessManager;
use super::record::Kind;
use super::step::{Input, Steps};
use crate::bus::{Message, Purpose, Topic};
use crate::command::Refused;
use crate::event::Event as _;
use crate::inbox::{Dispatch, InboxError};
use crate::record::NewEvent;
use crate::unit_of_work::UnitOfWork;
use std::sync::Arc;

/// The id in the name of the stream of a process.
pub(super) fn id_of<P: ProcessManager>(stream: &str) -> Option<&str> {
    stream.strip_prefix(P::NAME)?.strip_prefix('-')
}

/// Hands answers to the processes that wait for them.
pub(crate) struct Replies<P>(pub(crate) Arc<Steps<P>>);

impl<P: ProcessManager> Dispatch for Replies<P> {
    fn queue(&self) -> &str {
        P::NAME
    }

    fn topics(&self) -> Vec<Topic> {
        vec![Topic::replies(P::NAME)]
    }

    async fn dispatch(
        &self,
        message: &Message,
        unit: &mut UnitOfWork,
    ) -> Result<Option<NewEvent>, InboxError> {
        let subject = message.subject.as_deref().unwrap_or_default();
        let id = id_of::<P>(subject);
        let (Purpose::Reply { .. }, Some(id), Some(command)) =
            (&message.purpose, id, message.causation_id)
        else {
            return Err(InboxError::unknown(P::NAME, message));
        };
        let to = if message.name == Refused::NAME {
            message.decode::<Refused>()?;
            Kind::Refusal
        } else {
            Kind::Reply
        };
        let input = Input {
            to,
            name: &message.name,
            version: message.schema_version,
            data: &message.data,
            command: Some(command.to_string()),
            correlation_id: message.correlation_id,
            cause: message.id.parse().ok(),
        };
        let taken = self.0.take(unit, id, input).await;
        taken.map(|()| None).map_err(InboxError::Handler)
    }
}
