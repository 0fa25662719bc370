//! What a handler of an inbox has beside the message.

use crate::aggregate::{Aggregate, AsId, Command};
use crate::bus::Message;
use crate::consumer::HandlerError;
use crate::event::metadata::Metadata;
use crate::event::record::NewEvent;
use crate::event::{EncodeError, Encoded, Event, EventSet};
use crate::store::ExpectedVersion;
use crate::stream_name::StreamName;
use crate::unit_of_work::UnitOfWork;
use std::fmt::{self, Display};

/// What a handler has beside the event or the command: the message it came in, and what is committed together with
/// the message.
///
/// Nothing of it is stored before the handler has returned; if it fails, nothing is. Work elsewhere, such as a mail,
/// belongs in a [subscription](crate::Subscription) to what was stored.
pub struct MessageContext<'a> {
    message: &'a Message,
    metadata: Metadata,
    unit: &'a mut UnitOfWork,
    reply: Option<Encoded>,
}

impl<'a> MessageContext<'a> {
    pub(crate) fn new(message: &'a Message, unit: &'a mut UnitOfWork) -> Self {
        MessageContext {
            message,
            metadata: message.metadata_of_what_follows(),
            unit,
            reply: None,
        }
    }

    /// The message: where it comes from, its key, its headers.
    #[must_use]
    pub const fn message(&self) -> &'a Message {
        self.message
    }

    /// The state of an aggregate, with what was decided on it for this message.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub async fn load<A: Aggregate>(
        &mut self,
        id: &(impl AsId<A::Id> + ?Sized),
    ) -> Result<&A, HandlerError> {
        self.unit.load::<A>(id).await
    }

    /// Lets a command decide on an aggregate. Its events are appended together with the note that the message was
    /// handled; they carry its correlation on. Returns the state after it.
    ///
    /// # Errors
    /// A command that is rejected is [`Refused`](crate::Refused), with the text of its error; else, when the aggregate
    /// cannot be loaded.
    pub async fn execute<A, C>(
        &mut self,
        id: &(impl AsId<A::Id> + ?Sized),
        command: &C,
    ) -> Result<&A, HandlerError>
    where
        A: Aggregate,
        C: Command<A>,
        C::Error: Display,
    {
        self.unit.execute::<A, C>(id, command, &self.metadata).await
    }

    /// Records an event in a stream of this service: what happened elsewhere, as it is known here.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record<S: EventSet>(
        &mut self,
        stream: StreamName,
        expected: impl Into<ExpectedVersion>,
        event: &S,
    ) -> Result<(), HandlerError> {
        let event = NewEvent::encode(event).map_err(|error| error.for_stream(&stream))?;
        let event = event.with_metadata(self.metadata.clone());
        self.unit.append(stream, expected, [event]);
        Ok(())
    }

    #[doc(hidden)]
    pub fn __reply<R: Event>(&mut self, reply: &R) -> Result<(), EncodeError> {
        self.reply = Some(Encoded::of(reply)?);
        Ok(())
    }

    /// What was answered.
    pub(crate) fn take_reply(&mut self) -> Option<Encoded> {
        self.reply.take()
    }
}

impl fmt::Debug for MessageContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageContext")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}
