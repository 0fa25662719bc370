//! Publishers: how messages are sent.

use super::{BusError, Message};
use std::sync::Arc;

/// Sends messages. Cheap to share: an `Arc` of a publisher is a publisher.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a publisher",
    label = "this type does not implement `Publisher`",
    note = "open a bus, such as `RabbitMqBus` or `NatsBus`, or create an `InProcessBus`; buses are cheap to clone: pass `bus.clone()` to keep one"
)]
pub trait Publisher: Send + Sync + 'static {
    /// Publishes messages, in order, and waits until the bus has stored them safely: in every queue that subscribes to
    /// their topic, on disk where queues are durable.
    ///
    /// # Errors
    /// [`BusError`]: some of the messages may have been published. Publish all of them again; receivers recognise those
    /// that they have seen. [`BusError::Refused`] names a message that would be refused again, and [`BusError::Full`] reports
    /// how many of the first need not be published again.
    fn publish(
        &self,
        messages: &[Message],
    ) -> impl Future<Output = Result<Published, BusError>> + Send;
}

/// The outcome of publishing messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The indexes of those that no queue wants: they are gone.
    pub unheard: Vec<usize>,
}

impl Published {
    /// Returns the outcome when every message is in at least one queue.
    #[must_use]
    pub const fn all() -> Self {
        Published {
            unheard: Vec::new(),
        }
    }

    /// Returns the outcome when every message except those at these indexes is in at least one queue.
    #[must_use]
    pub const fn but(unheard: Vec<usize>) -> Self {
        Published { unheard }
    }
}

impl<P: Publisher> Publisher for Arc<P> {
    fn publish(
        &self,
        messages: &[Message],
    ) -> impl Future<Output = Result<Published, BusError>> + Send {
        P::publish(self, messages)
    }
}
