//! What a handler of an inbox gets with the message.

use crate::aggregate::{Aggregate, AsId, Command};
use crate::bus::Message;
use crate::consumer::HandlerError;
use crate::decision_model::DecisionModel;
use crate::event::metadata::Metadata;
use crate::event::record::NewEvent;
use crate::event::{EncodeError, Encoded, Event, EventSet};
use crate::store::ExpectedVersion;
use crate::stream_name::StreamName;
use crate::unit_of_work::NotedUnitOfWork;
use std::fmt::{self, Display};

/// What a handler gets alongside the event or the command: its message, and the means to commit changes together with it.
///
/// Nothing is stored before the handler has returned, and nothing at all if it fails. Side effects elsewhere, such as
/// sending a mail, belong in a [subscription](crate::Subscription) to the stored events.
pub struct MessageContext<'a> {
    message: &'a Message,
    metadata: Metadata,
    unit: &'a mut NotedUnitOfWork,
    reply: Option<Encoded>,
}

impl<'a> MessageContext<'a> {
    pub(crate) fn new(message: &'a Message, unit: &'a mut NotedUnitOfWork) -> Self {
        MessageContext {
            message,
            metadata: message.metadata_of_what_follows(),
            unit,
            reply: None,
        }
    }

    /// Returns the message: its source, its key, its headers.
    #[must_use]
    pub const fn message(&self) -> &'a Message {
        self.message
    }

    /// Returns the state of an aggregate, including the decisions made for this message.
    ///
    /// An aggregate that is only loaded is not checked at the commit: others may have appended to it by then. Where that matters,
    /// decide on it, with [`execute`](Self::execute). But when the handler also reads a [decision model](crate::DecisionModel),
    /// the handler runs again if an aggregate that it loaded has changed.
    ///
    /// # Errors
    /// When the aggregate cannot be loaded.
    pub async fn load<A: Aggregate>(
        &mut self,
        id: &(impl AsId<A::Id> + ?Sized),
    ) -> Result<&A, HandlerError> {
        self.unit.load::<A>(id).await
    }

    /// Executes a command on an aggregate. Its events are appended together with the note that the message was handled;
    /// they carry the message's correlation id. Returns the resulting state.
    ///
    /// In a store with several logs, all events appended for one message must be in one log; otherwise the message is parked.
    /// This includes the answer, whose stream has the name of the inbox, followed by `.replies`.
    ///
    /// # Errors
    /// A command that is rejected is [`Refused`](crate::Refused), with the text of its error; any other error when the
    /// aggregate cannot be loaded.
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

    /// Reads a [decision model](crate::DecisionModel), including the decisions made for this message.
    ///
    /// What the handler decides may rely on it: when others append an event that the model is folded from before the commit,
    /// nothing is stored, and the handler runs again.
    /// [`UnitOfWork::load_model`](crate::repository::UnitOfWork::load_model) has more on models that are read together.
    ///
    /// In a store with several logs, a model reads the main log: all that is appended for the message, and all aggregates that the
    /// handler loads, must be in that log too, or the message is parked. With models of aggregates alone, all aggregates that the
    /// handler loads, and all that is appended, must be in one log, whichever it is.
    ///
    /// # Errors
    /// When the model cannot be read.
    pub async fn load_model<M: DecisionModel>(&mut self, model: M) -> Result<M, HandlerError> {
        self.unit.load_model(model).await
    }

    /// Executes a command on a [decision model](crate::DecisionModel), like [`execute`](Self::execute) on an aggregate. Its events
    /// are appended only if no other has come meanwhile that the model would have seen; otherwise the handler runs again.
    /// Returns the resulting model. In a store with several logs, it binds the message to the main log as
    /// [`load_model`](Self::load_model) does.
    ///
    /// ```
    /// # use midgard::{Apply, Command, DecisionModel, Event, Events, HandlerResult, Inbox, MessageContext, Subscribe, events};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    /// # #[event(name = "ticket.ordered")]
    /// # struct TicketOrdered { show: String }
    /// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    /// # #[event(name = "seat.taken")]
    /// # struct SeatTaken { #[event(tag = "show")] show: String }
    /// # #[derive(Debug, DecisionModel)]
    /// # #[decision(events(SeatTaken))]
    /// # struct Seats { #[decision(tag)] show: String, taken: u32 }
    /// # impl Apply<SeatTaken> for Seats { fn apply(&mut self, _: SeatTaken) { self.taken += 1; } }
    /// # struct TakeSeat;
    /// # impl Command<Seats> for TakeSeat {
    /// #     type Error = &'static str;
    /// #     fn decide(&self, seats: &Seats) -> Result<Events<Seats>, &'static str> {
    /// #         if seats.taken == 100 { return Err("the show is sold out") }
    /// #         Ok(events![SeatTaken { show: seats.show.clone() }])
    /// #     }
    /// # }
    /// # #[derive(Inbox)]
    /// # #[inbox(name = "seats", events(TicketOrdered))]
    /// # struct SeatsInbox;
    /// impl Subscribe<TicketOrdered> for SeatsInbox {
    ///     async fn receive(&self, event: TicketOrdered, context: &mut MessageContext<'_>) -> HandlerResult {
    ///         context.execute_on_model(Seats::of(event.show), &TakeSeat).await?;
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub async fn execute_on_model<M, C>(&mut self, model: M, command: &C) -> Result<M, HandlerError>
    where
        M: DecisionModel,
        C: Command<M>,
        C::Error: Display,
    {
        self.unit
            .execute_on_model(model, command, &self.metadata)
            .await
    }

    /// Records an event in a stream of this service: an event from elsewhere, in this service's terms.
    ///
    /// # Errors
    /// When the event cannot be written.
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

    /// Returns the reply to the command.
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
