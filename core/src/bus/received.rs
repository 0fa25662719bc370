//! Subscribers: how messages are received.

use super::structured::base64_text;
use super::{BusError, Message, Queue};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// Receives messages from queues.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a subscriber",
    label = "this type does not implement `Subscriber`",
    note = "open a bus, such as `RabbitMqBus` or `NatsBus`, or create an `InProcessBus`; buses are cheap to clone: pass `bus.clone()` to keep one"
)]
pub trait Subscriber: Send + Sync + 'static {
    /// The messages of a queue.
    type Deliveries: Deliveries;

    /// Creates the queue, unless it exists, and subscribes it to its topics: from then on, published messages wait in it.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] when the call should be retried, [`BusError::Unusable`] when a retry does not help.
    fn declare(&self, queue: &Queue) -> impl Future<Output = Result<(), BusError>> + Send;

    /// [Declares](Self::declare) the queue, and starts to receive from it.
    ///
    /// # Errors
    /// As [`declare`](Self::declare).
    fn subscribe(
        &self,
        queue: &Queue,
    ) -> impl Future<Output = Result<Self::Deliveries, BusError>> + Send;
}

impl<S: Subscriber> Subscriber for Arc<S> {
    type Deliveries = S::Deliveries;

    fn declare(&self, queue: &Queue) -> impl Future<Output = Result<(), BusError>> + Send {
        S::declare(self, queue)
    }

    fn subscribe(
        &self,
        queue: &Queue,
    ) -> impl Future<Output = Result<S::Deliveries, BusError>> + Send {
        S::subscribe(self, queue)
    }
}

/// The messages of a queue. Once this is dropped, nothing more is received, and unsettled messages are delivered again.
pub trait Deliveries: Send + 'static {
    /// Waits for the next message. The future may be dropped at any moment without losing one.
    ///
    /// # Errors
    /// [`BusError::Unavailable`]: call it again; a lost connection is restored, with growing waits in between, and
    /// unsettled messages are delivered again. After any other error, another call does not help.
    fn next(&mut self) -> impl Future<Output = Result<Received, BusError>> + Send;
}

/// A received message that has yet to be settled. If it is dropped unsettled, it is delivered again, at the latest once its
/// [`Deliveries`] are dropped.
pub struct Received {
    /// The message, or the foreign input in its place.
    pub content: Result<Message, ForeignMessage>,
    /// Whether the message was delivered before, to this receiver or another, as far as the bus knows.
    pub is_redelivered: bool,
    settle: Box<dyn Settle>,
}

impl Received {
    /// Creates a received message, for a bus to hand over.
    #[must_use]
    pub fn new(
        content: Result<Message, ForeignMessage>,
        is_redelivered: bool,
        settle: impl Settle + 'static,
    ) -> Self {
        Received {
            content,
            is_redelivered,
            settle: Box::new(settle),
        }
    }

    /// Acknowledges that the message was handled: it is not delivered again.
    ///
    /// # Errors
    /// [`BusError`]: it may be delivered again.
    pub async fn acknowledge(self) -> Result<(), BusError> {
        self.settle.settle(Verdict::Acknowledge).await
    }

    /// Moves the message out of the queue and sets it aside at the bus, in a dead-letter queue where someone can inspect
    /// it.
    ///
    /// # Errors
    /// [`BusError`]: it may be delivered again.
    pub async fn set_aside(self, reason: &str) -> Result<(), BusError> {
        let reason = reason.to_owned();
        self.settle.settle(Verdict::SetAside { reason }).await
    }

    /// Splits it into the message and the means to settle it.
    pub fn into_parts(self) -> (Result<Message, ForeignMessage>, Box<dyn Settle>) {
        (self.content, self.settle)
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("content", &self.content)
            .field("is_redelivered", &self.is_redelivered)
            .finish_non_exhaustive()
    }
}

/// The verdict on a received message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Verdict {
    /// It was handled.
    Acknowledge,
    /// The message is set aside for inspection.
    SetAside {
        /// Why.
        reason: String,
    },
}

/// How a bus settles a message.
pub trait Settle: Send {
    /// Settles it.
    fn settle(
        self: Box<Self>,
        verdict: Verdict,
    ) -> Pin<Box<dyn Future<Output = Result<(), BusError>> + Send>>;
}

/// Input from a queue that is not a message of Midgard, such as a stranger's.
///
/// Serde writes its payload in base64, as `data_base64`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("it is not a message: {reason}")]
#[non_exhaustive]
pub struct ForeignMessage {
    /// What is wrong with it.
    pub reason: String,
    /// Its attributes, as far as there are any.
    pub attributes: Vec<(String, String)>,
    /// Its payload.
    #[serde(rename = "data_base64", with = "base64_text")]
    pub payload: Vec<u8>,
}

impl ForeignMessage {
    /// Describes input that is not a message.
    #[must_use]
    pub fn new(
        reason: impl Into<String>,
        attributes: Vec<(String, String)>,
        payload: Vec<u8>,
    ) -> Self {
        ForeignMessage {
            reason: reason.into(),
            attributes,
            payload,
        }
    }
    /// Reads it again: this release may read what an earlier one could not.
    pub(crate) fn read_again(self) -> Result<Message, Self> {
        let read = if self.attributes.is_empty() {
            Message::from_json(&self.payload)
        } else {
            // After the attributes come entries that only the bus adds.
            let pairs = self.attributes.iter().rev();
            let pairs = pairs.map(|(name, value)| (&**name, &**value));
            Message::from_attributes(pairs, self.payload.clone())
        };
        read.map_err(|_| self)
    }
}
