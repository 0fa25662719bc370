//! Who receives messages.

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
    note = "open a bus, such as `RabbitMqBus` or `NatsBus`, or make an `InProcessBus`; buses are cheap to clone"
)]
pub trait Subscriber: Send + Sync + 'static {
    /// What comes out of a queue.
    type Deliveries: Deliveries;

    /// Makes the queue, if it is not there yet, and lets it ask for its topics: from here on, what is published
    /// waits in it.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] when it is to be tried again, [`BusError::Unusable`] when that does not help.
    fn declare(&self, queue: &Queue) -> impl Future<Output = Result<(), BusError>> + Send;

    /// [Declares](Self::declare) the queue, and begins to receive from it.
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

/// What comes out of a queue. Dropped, it receives no more, and what was not settled is delivered again.
pub trait Deliveries: Send + 'static {
    /// Waits for the next message. May be dropped at any moment without losing one.
    ///
    /// # Errors
    /// [`BusError::Unavailable`]: call it again; a lost connection is made anew, with growing waits in between, and what
    /// was not settled comes again. After any other error it is of no use to call it again.
    fn next(&mut self) -> impl Future<Output = Result<Received, BusError>> + Send;
}

/// A message that was received, and is to be settled. Dropped without that, it is delivered again, when
/// the [`Deliveries`] that it came from are dropped at the latest.
pub struct Received {
    /// The message; or what came instead of one.
    pub content: Result<Message, ForeignMessage>,
    /// Whether it was delivered before, to this receiver or another, as far as the bus knows.
    pub is_redelivered: bool,
    settle: Box<dyn Settle>,
}

impl Received {
    /// What a bus hands over.
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

    /// Says that it was handled: it is not delivered again.
    ///
    /// # Errors
    /// [`BusError`]: it may be delivered again.
    pub async fn acknowledge(self) -> Result<(), BusError> {
        self.settle.settle(Verdict::Acknowledge).await
    }

    /// Takes it out of the queue, and keeps it aside at the bus, where someone can look at it: in a dead-letter
    /// queue.
    ///
    /// # Errors
    /// [`BusError`]: it may be delivered again.
    pub async fn set_aside(self, reason: &str) -> Result<(), BusError> {
        let reason = reason.to_owned();
        self.settle.settle(Verdict::SetAside { reason }).await
    }

    /// The message, and how to settle it.
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

/// What becomes of a message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Verdict {
    /// It was handled.
    Acknowledge,
    /// It is kept aside, for someone to look at.
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

/// What came out of a queue and is no message of Midgard's: from a stranger.
///
/// Serde writes its payload in base64, as `data_base64`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("it is no message: {reason}")]
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
    /// What came instead of a message.
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
    /// Reads it anew: what an earlier release could not read, this one may.
    pub(crate) fn read_again(self) -> Result<Message, Self> {
        let read = if self.attributes.is_empty() {
            Message::from_json(&self.payload)
        } else {
            // What a bus knows besides attributes follows those.
            let pairs = self.attributes.iter().rev();
            let pairs = pairs.map(|(name, value)| (&**name, &**value));
            Message::from_attributes(pairs, self.payload.clone())
        };
        read.map_err(|_| self)
    }
}
