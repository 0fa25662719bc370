//! Between services: what a message is, and what carries it from one to another.
//!
//! Services that share nothing tell each other what happened with messages. A [`Publisher`] sends them, a
//! [`Subscriber`] receives them from its own [`Queue`]; a bus is both. `midgard-bus-rabbitmq` and `midgard-bus-nats`
//! are buses over a broker; [`InProcessBus`] is one for services of one process. [`DynBus`] is any of them behind one
//! type.
//!
//! Programs seldom call these: an [outbox](crate::Outbox) publishes what the log says, and an [inbox](crate::Inbox)
//! hands over what is received. The [guide](crate#between-services) shows both.
//!
//! # What every bus promises
//!
//! `midgard_contract::bus_contract!` runs all of this against a bus.
//!
//! 1. **At least once.** A message that was published, and confirmed, is delivered to every queue that asks for its
//!    [topic](Message::topic), again and again until it is acknowledged or set aside: also when the receiver is
//!    killed, and when the broker is.
//! 2. **In order.** The messages of one [key](Message::key) come in the order in which they were published,
//!    also where they are delivered again: who has not acknowledged one is given it before a later one of its key
//!    that it has not seen. A message that is published again may come again, after later ones.
//! 3. **One at work.** Of all who subscribe to one queue, in one process or several, one is given messages; another
//!    takes over when it is gone.
//! 4. **Bounded.** A receiver is given no more than [`Queue::in_flight`] messages that it has not settled. What is
//!    slow slows nobody else.
//! 5. **Nothing is dropped.** What nobody has a queue for is [said so](Published::unheard). What is no message of
//!    Midgard's is handed over as [foreign](ForeignMessage), for the receiver to set aside.

mod attributes;
mod erased;
mod error;
mod in_process;
mod message;
mod publisher;
mod queue;
mod received;
mod structured;

pub use erased::{DynBus, DynDeliveries};
pub use error::BusError;
pub use in_process::{InProcessBus, InProcessDeliveries, SetAsideMessage};
pub use message::{Message, MessageError, Purpose};
pub use publisher::{Published, Publisher};
pub use queue::{Queue, Topic};
pub use received::{Deliveries, ForeignMessage, Received, Settle, Subscriber, Verdict};
