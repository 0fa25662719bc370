//! Messages of other services, each handled once in effect.

use super::context::MessageContext;
use crate::bus::{Message, MessageError, Topic};
use crate::cause::Whole;
use crate::command::RemoteCommand;
use crate::consumer::HandlerError;

/// Handles messages of other services: their events, and the commands that they send.
///
/// Implement it with the derive of the same name. Each event that it lists needs a [`Subscribe`], and each command
/// a [`Handle`]; a forgotten one does not compile. The events are structs of this program: services share names and shapes, but
/// need not share code.
///
/// The changes that a handler makes through its [context](MessageContext), and the note that the message was handled, are
/// committed in one step: so a message that is delivered again has no effect.
///
/// ```
/// use midgard::{Aggregate, Apply, Command, Event, Events, HandlerResult, Inbox, MessageContext, Subscribe, events};
/// use serde::{Deserialize, Serialize};
///
/// // An event of the orders service.
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "order.placed")]
/// struct OrderPlaced { customer: u32, cents: u64 }
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "customer.charged")]
/// # struct Charged { cents: u64 }
/// # #[derive(Debug, Default, Aggregate)]
/// # #[aggregate(name = "customer", id = u32, events(Charged))]
/// # struct Customer { owes: u64 }
/// # impl Apply<Charged> for Customer { fn apply(&mut self, event: Charged) { self.owes += event.cents; } }
/// # struct Charge(u64);
/// # impl Command<Customer> for Charge {
/// #     type Error = std::convert::Infallible;
/// #     fn decide(&self, _: &Customer) -> Result<Events<Customer>, Self::Error> {
/// #         Ok(events![Charged { cents: self.0 }])
/// #     }
/// # }
///
/// #[derive(Inbox)]
/// #[inbox(name = "customers", events(OrderPlaced))]
/// struct Customers;
///
/// impl Subscribe<OrderPlaced> for Customers {
///     async fn receive(&self, event: OrderPlaced, context: &mut MessageContext<'_>) -> HandlerResult {
///         context.execute::<Customer, _>(&event.customer, &Charge(event.cents)).await?;
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an inbox",
    label = "this type does not implement `Inbox`",
    note = "an inbox is a type of your own, not a closure: write `#[derive(Inbox)] #[inbox(name = \"..\", events(..), commands(..))] struct Orders;`, with `impl Subscribe<E> for Orders` for each event `E` and `impl Handle<C> for Orders` for each command `C`"
)]
pub trait Inbox: Send + Sync + Sized + 'static {
    /// The name of its queue: that of the service, to which commands are sent. It must be unique on the bus.
    const NAME: &'static str;

    /// Returns the topics that it subscribes to.
    fn topics() -> Vec<Topic>;

    /// Passes a message to its handler.
    fn handle_message(
        &self,
        message: &Message,
        context: &mut MessageContext<'_>,
    ) -> impl Future<Output = Result<(), InboxError>> + Send;
}

/// Handles one event of another service, or any event of a set. [`Inbox`] has an example.
#[diagnostic::on_unimplemented(
    message = "inbox `{Self}` has no handler for event `{E}`",
    label = "`{E}` is listed here, but never received",
    note = "write `impl Subscribe<{E}> for {Self} {{ async fn receive(&self, event: {E}, context: &mut MessageContext<'_>) -> Result<(), HandlerError> {{ .. }} }}`"
)]
pub trait Subscribe<E>: Receives<E> {
    /// Handles an event of another service. It may run again, after a conflict or a failure: only changes made through the
    /// context are undone then.
    fn receive(
        &self,
        event: E,
        context: &mut MessageContext<'_>,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// Handles one command.
///
/// The reply, or a [`Refused`](crate::Refused), goes to the sender of the command: it leaves through the
/// [outbox](crate::Outbox) of this service, which needs no entry for it. Any other error is a failure: the command is
/// retried, and finally parked.
#[diagnostic::on_unimplemented(
    message = "inbox `{Self}` has no handler for command `{C}`",
    label = "`{C}` is listed here, but never handled",
    note = "write `impl Handle<{C}> for {Self} {{ async fn handle(&self, command: {C}, context: &mut MessageContext<'_>) -> Result<<{C} as RemoteCommand>::Reply, HandlerError> {{ .. }} }}`"
)]
pub trait Handle<C: RemoteCommand>: Handles<C> {
    /// Executes the command and returns the reply. It may run again, like [`Subscribe::receive`].
    fn handle(
        &self,
        command: C,
        context: &mut MessageContext<'_>,
    ) -> impl Future<Output = Result<C::Reply, HandlerError>> + Send;
}

/// An event of another service, or a set of them, that an inbox lists, and so receives. The derive implements it.
#[diagnostic::on_unimplemented(
    message = "inbox `{Self}` does not list the event `{E}`",
    label = "`{E}` is not in `events(..)` of `{Self}`: this handler would never be called",
    note = "add `{E}` to the list: `#[inbox(.., events({E}))]` above `{Self}`"
)]
pub trait Receives<E>: Inbox {}

/// A command that an inbox lists, and so handles. The derive implements it.
#[diagnostic::on_unimplemented(
    message = "inbox `{Self}` does not list the command `{C}`",
    label = "`{C}` is not in `commands(..)` of `{Self}`: this handler would never be called",
    note = "add `{C}` to the list: `#[inbox(.., commands({C}))]` above `{Self}`"
)]
pub trait Handles<C>: Inbox {}

/// Why a message was not handled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InboxError {
    /// The message could not be read.
    #[error(transparent)]
    Unreadable(#[from] MessageError),
    /// The inbox has no handler for the message.
    #[error(
        "inbox \"{inbox}\" has no handler for message {id} of \"{source_name}\", \"{name}\"; list it in the inbox, or evict the message; if another service on the bus has an inbox \"{inbox}\", give one of the two another name"
    )]
    Unknown {
        /// The inbox.
        inbox: &'static str,
        /// The id of the message.
        id: String,
        /// The service that it comes from.
        source_name: String,
        /// Its name.
        name: String,
    },
    /// The handler failed.
    #[error("{}", Whole(&**.0))]
    Handler(HandlerError),
}

impl InboxError {
    /// Creates the error for a message without a handler.
    #[must_use]
    pub fn unknown(inbox: &'static str, message: &Message) -> Self {
        InboxError::Unknown {
            inbox,
            id: message.id.clone(),
            source_name: message.source.clone(),
            name: message.name.clone(),
        }
    }
}
