//! A bus within one process.

mod receiver;
mod settled;
mod state;

pub use receiver::InProcessDeliveries;

use super::{BusError, ForeignMessage, Message, Published, Publisher, Queue, Subscriber, Topic};
use state::{Content, State};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where this bus is, as errors say it.
const LOCATION: &str = "this process";

/// A bus for services that run in one process: nothing to install, nothing to connect to. Cheap to clone; every
/// clone is the same bus.
///
/// # What survives
///
/// The bus itself keeps nothing beyond the process: queues, what waits in them, and what was set aside are in
/// memory. So it confirms a message only when every queue that asks for it has it settled, acknowledged or set aside.
/// Whoever publishes, and notes only then that it was published, as an outbox does, publishes again whatever was
/// not handled when the process was killed. So every message is handled at least once across kills, as with a
/// broker. What was set aside counts as settled, and is forgotten with the process.
///
/// - [`publish`](Publisher::publish) puts all its messages into their queues at once when its future is first polled,
///   in order, and then waits. When the future is dropped, they stay there, and are delivered.
/// - It waits for the slowest queue. A queue that is declared and has no receiver holds up whoever publishes
///   what it asks for until it has one. The receivers of other queues are not held up by that.
/// - A handler must not wait for the confirmation of what it has to handle itself. It would wait for ever.
/// - A queue is there from when it is first declared or subscribed to. It stays as long as the bus; a temporary one
///   goes with the last of its receivers, and nobody waits any longer for what was in it.
/// - What a receiver had not settled when it was dropped is back in its place at once, for the next one. A
///   [`Received`](super::Received) that is dropped without a verdict comes again at once. What is settled after its
///   receiver was dropped is [`Closed`](BusError::Closed): it was given back already.
/// - Queues have no bound: publishers that wait for what they sent are the bound. No message is too large.
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
    /// No step on the state is left half done, even by a panic.
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
    /// The message; or what came instead of one.
    pub content: Result<Message, ForeignMessage>,
}

impl InProcessBus {
    /// A bus without queues.
    #[must_use]
    pub fn new() -> Self {
        InProcessBus::default()
    }

    /// What was set aside from the queue of this name, the oldest first. It stays until the bus is gone, or the
    /// queue if it is temporary.
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

    /// Puts what is no message into the queues that ask for a topic, as a broker does with what a stranger sends
    /// it: for tests of what receivers make of that.
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
