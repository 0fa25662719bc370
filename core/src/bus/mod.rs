//! Between services: what a message is, and what carries it from one to another.
//!
//! Services that share nothing use messages to tell each other what happened. A [`Publisher`] sends messages, a
//! [`Subscriber`] receives them from its own [`Queue`]; a bus is both. `midgard-bus-rabbitmq` and `midgard-bus-nats` are
//! buses over a broker; [`InProcessBus`] connects services of one process. [`DynBus`] is any of them behind one type.
//!
//! Programs seldom call these: an [outbox](crate::Outbox) publishes from the log, and an [inbox](crate::Inbox) hands
//! received messages to its handlers. The [guide](crate::guide::services) shows both.
//!
//! # What every bus promises
//!
//! `midgard_contract::bus_contract!` runs all of this against a bus.
//!
//! 1. **At least once.** A message that was published and confirmed is delivered to every queue that subscribes to its
//!    [topic](Message::topic), again and again until it is acknowledged or set aside, even when the receiver or the broker
//!    is killed.
//! 2. **In order.** The messages of one [key](Message::key) arrive in the order in which they were published, also on
//!    redelivery: a receiver gets an unacknowledged message before any later one of its key that it has not seen. A message
//!    that is published again may arrive again, after later ones.
//! 3. **One active consumer.** Of all subscribers of one queue, in one process or several, only one gets messages; another
//!    takes over when it is gone.
//! 4. **Bounded.** A receiver holds at most [`Queue::in_flight`] unsettled messages. A slow receiver slows down nobody
//!    else.
//! 5. **Nothing is dropped.** Messages that no queue wants are reported as [unheard](Published::unheard). Input that is not
//!    a message of Midgard is handed over as [foreign](ForeignMessage), for the receiver to set aside.

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
