//! A bus within one process.

mod receiver;
mod settled;
mod state;

pub use receiver::InProcessDeliveries;

use super::{BusError, ForeignMessage, Message, Published, Publisher, Queue, Subscriber, Topic};
use state::{Content, State};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The location of this bus in errors.
const LOCATION: &str = "this process";

/// A bus for services that run in one process: nothing to install, nothing to connect to. Cheap to clone; every
/// clone is the same bus.
///
/// # What survives
///
/// The bus itself keeps nothing beyond the process: queues, their messages, and the messages set aside are in memory. So it
/// confirms a message only when every queue that subscribes to it has settled it, acknowledged or set aside. A publisher
/// that notes only then that the message was published, as an outbox does, publishes again everything that was not handled
/// when the process was killed. So every message is handled at least once across kills, as with a broker. A message that
/// was set aside counts as settled, and is forgotten with the process.
///
/// - [`publish`](Publisher::publish) puts all its messages into their queues at once when its future is first polled,
///   in order, and then waits. When the future is dropped, they stay there, and are delivered.
/// - It waits for the slowest queue. A queue that is declared and has no receiver blocks everyone who publishes to it until
///   it has one. The receivers of other queues are not blocked.
/// - A handler must not wait for the confirmation of a message that it must handle itself: it would wait forever.
/// - A queue exists from its first declaration or subscription for as long as the bus. A temporary one goes with the last
///   of its receivers, and publishers no longer wait for its messages.
/// - When a receiver is dropped, its unsettled messages return to their places at once, for the next receiver. A
///   [`Received`](super::Received) that is dropped without a verdict is delivered again at once. Settling a message after
///   its receiver was dropped fails with [`Closed`](BusError::Closed): the message was already given back.
/// - Queues have no size limit: publishers that wait for their messages limit them. No message is too large.
///
/// ```
/// use futures_util::future::join;
/// use midgard::bus::{Deliveries, InProcessBus, Message, Publisher, Queue, Subscriber, Topic};
///
/// # midgard::block_on(async {
/// let bus = InProcessBus::new();
/// let mut deliveries = bus.subscribe(&Queue::new("mailer", [Topic::event("order.placed")])).await?;
/// let order = Message::event("orders", "order.placed", 1, br#"{"order":7}"#.to_vec());
///
/// let handle = async {
///     let received = deliveries.next().await?;
///     received.acknowledge().await
/// };
/// let (published, handled) = join(bus.publish(std::slice::from_ref(&order)), handle).await;
/// handled?;
/// assert!(published?.unheard.is_empty());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct InProcessBus(Arc<Shared>);

#[derive(Default)]
struct Shared(Mutex<State>);

impl Shared {
    /// No change to the state is left half done, even by a panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetAsideMessage {
    /// Why.
    pub reason: String,
    /// The message, or the foreign input in its place.
    pub content: Result<Message, ForeignMessage>,
}

impl InProcessBus {
    /// Creates a bus without queues.
    #[must_use]
    pub fn new() -> Self {
        InProcessBus::default()
    }

    /// Returns the messages set aside from the queue of this name, the oldest first. They are kept as long as the bus, or
    /// as the queue if it is temporary.
    #[must_use]
    pub fn set_aside(&self, queue: &str) -> Vec<SetAsideMessage> {
        let aside = self.0.lock().set_aside(queue);
        let aside = aside.into_iter();
        aside
            .map(|(reason, content)| SetAsideMessage {
                reason,
                content: Content::clone(&content),
            })
            .collect()
    }

    /// Puts foreign input into the queues that subscribe to a topic, as a broker does with a stranger's: for tests of how
    /// receivers deal with it.
    pub fn send_foreign(&self, topic: &Topic, foreign: ForeignMessage) {
        let woken = {
            let mut state = self.0.lock();
            state.put(topic, &Arc::new(Err(foreign)), None);
            state.take_woken()
        };
        woken.wake();
    }
}

impl Publisher for InProcessBus {
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        let (settled, unsettled) = settled::batch();
        let (unheard, woken) = {
            let mut state = self.0.lock();
            let mut unheard = Vec::new();
            for (index, message) in messages.iter().enumerate() {
                let topic = message.topic();
                if state.is_heard(&topic) {
                    state.put(&topic, &Arc::new(Ok(message.clone())), Some(&unsettled));
                } else {
                    unheard.push(index);
                }
            }
            (unheard, state.take_woken())
        };
        woken.wake();
        drop(unsettled);
        settled.wait().await;
        Ok(Published::but(unheard))
    }
}

impl Subscriber for InProcessBus {
    type Deliveries = InProcessDeliveries;

    async fn declare(&self, queue: &Queue) -> Result<(), BusError> {
        self.0.lock().declare(queue)
    }

    async fn subscribe(&self, queue: &Queue) -> Result<InProcessDeliveries, BusError> {
        let receiver = self.0.lock().subscribe(queue)?;
        Ok(InProcessDeliveries::new(
            self.0.clone(),
            queue.name(),
            receiver,
        ))
    }
}

impl fmt::Debug for InProcessBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessBus").finish_non_exhaustive()
    }
}
