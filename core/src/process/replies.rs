//! The answers to the commands of a process manager, as they arrive over a bus.

use super::ProcessManager;
use super::cause::Cause;
use super::record::Kind;
use super::step::{Input, Steps};
use crate::bus::{Message, Purpose, Topic};
use crate::command::{Refused, raw};
use crate::event::codec::{Codec, DecodeReason};
use crate::event::{Encoded, Event as _};
use crate::inbox::{Dispatch, InboxError, Line};
use crate::limits::{Limited, PROCESS_ID_BYTES, check_text};
use crate::stream_name::StreamName;
use crate::unit_of_work::NotedUnitOfWork;
use std::sync::Arc;

/// Returns the id in the name of the stream of a process.
pub(super) fn id_of<'s>(process_manager: &str, stream: &'s str) -> Option<&'s str> {
    stream.strip_prefix(process_manager)?.strip_prefix('-')
}

/// Passes answers to the processes that wait for them.
pub(crate) struct Replies<P: ProcessManager>(pub(crate) Arc<Steps<P>>);

impl<P: ProcessManager> Dispatch for Replies<P> {
    fn queue(&self) -> &str {
        P::NAME
    }

    fn topics(&self) -> Vec<Topic> {
        vec![Topic::replies(P::NAME)]
    }

    /// Returns the line of its process, whatever key it came with: answers to other processes do not wait for it.
    fn line<'m>(&self, message: &'m Message) -> Line<'m> {
        let process = message.subject.as_deref();
        Line::new(&message.source, process.unwrap_or(&message.key))
    }

    async fn dispatch(
        &self,
        message: &Message,
        unit: &mut NotedUnitOfWork,
    ) -> Result<Option<Encoded>, InboxError> {
        let subject = message.subject.as_deref().unwrap_or_default();
        let id = id_of(P::NAME, subject);
        let (Purpose::Reply { .. }, Some(id), Some(command)) =
            (&message.purpose, id, message.causation_id)
        else {
            return Err(InboxError::unknown(P::NAME, message));
        };
        let command = command.to_string();
        // Before anything can fail: a stranger's answers must not block a process that begins later.
        if !self.0.waits_for(unit, id, &command).await? {
            tracing::debug!(
                process = id,
                message_id = command,
                "an answer that no process waits for was discarded"
            );
            return Ok(None);
        }
        if message.codec != Codec::JSON {
            let reason = DecodeReason::UnknownCodec(message.codec);
            return Err(message.unreadable(reason).into());
        }
        raw(&message.payload).map_err(|error| message.unreadable(DecodeReason::Payload(error)))?;
        let to = if message.name == Refused::NAME {
            message.decode::<Refused>()?;
            Kind::Refusal
        } else {
            Kind::Reply
        };
        let input = Input {
            to,
            encoded: message.encoded(),
            command: Some(command),
            correlation_id: message.correlation_id,
            cause: Cause::answer(message, self.0.control.now()),
            causation_id: message.id.parse().ok(),
        };
        match self.0.take(unit, id, input).await {
            Ok(()) => Ok(None),
            // An answer from a newer release of its sender is kept for a newer release of this service.
            Err(error) => Err(match error.downcast::<DecodeReason>() {
                Ok(reason) => message.unreadable(reason).into(),
                Err(error) => InboxError::Handler(error),
            }),
        }
    }
}

impl<P: ProcessManager> Steps<P> {
    /// Returns whether there is a process of this id that waits for the answer to a command.
    async fn waits_for(
        &self,
        unit: &mut NotedUnitOfWork,
        id: &str,
        command: &str,
    ) -> Result<bool, InboxError> {
        let stream = StreamName::new(format!("{}-{id}", P::NAME));
        let checked = check_text(Limited::ProcessId, PROCESS_ID_BYTES, id).and(stream);
        let Ok(stream) = checked else {
            // No process can have this id.
            return Ok(false);
        };
        let loaded = self.load(&stream, id).await;
        let instance = loaded.map_err(InboxError::Handler)?;
        let waits = instance.waiting.contains_key(command);
        unit.cache(stream, instance);
        Ok(waits)
    }
}
