//! A bus of [midgard] over [RabbitMQ](https://www.rabbitmq.com): messages survive receivers and brokers that are killed,
//! and those of one key stay in order.
//!
//! ```no_run
//! use midgard::bus::{Deliveries, Message, Publisher, Queue, Subscriber, Topic};
//! use midgard_bus_rabbitmq::RabbitMqBus;
//!
//! # async fn example() -> Result<(), midgard::bus::BusError> {
//! // Connects when it is used first, so that a service starts while the broker is down.
//! let bus = RabbitMqBus::new(RabbitMqBus::options("amqp://user:password@localhost:5672/%2f"))?;
//!
//! let queue = Queue::new("customers", [Topic::event("order.placed")]);
//! let mut deliveries = bus.subscribe(&queue).await?;
//!
//! bus.publish(&[Message::event("orders", "order.placed", 1, br#"{"order":7}"#.to_vec())]).await?;
//!
//! let received = deliveries.next().await?;
//! received.acknowledge().await?;
//! # Ok(())
//! # }
//! ```
//!
//! It needs a tokio runtime, and RabbitMQ 3.10 or newer.
//!
//! # What it makes at the broker
//!
//! For `Queue::new("customers", ..)`:
//!
//! | name | what | |
//! |---|---|---|
//! | `midgard` | topic exchange | Messages are published to it; the routing key is the [topic](midgard::bus::Topic). |
//! | `customers` | quorum queue | Bound by the topics that it asks for; one receiver at a time (`x-single-active-consumer`). |
//! | `customers.dead` | quorum queue | What was set aside: with its own headers, and `midgard-reason`, `midgard-exchange` and `midgard-routing-key`. |
//! | `customers.declared` | quorum queue | Which topics the queue was declared with. AMQP cannot say what is bound, and topics that are no longer asked for are unbound. |
//!
//! All are durable. A temporary queue is a classic queue alone; it is removed when its [deliveries](RabbitMqDeliveries) are
//! dropped, and a minute after the last connection of its receiver was lost. Its `.dead` is made when it is needed.
//!
//! Messages are [CloudEvents](https://cloudevents.io) in the binary mode of the AMQP binding: attributes are headers
//! `cloudEvents:id` and so on, the payload is the body. What others send is read in that mode (`cloudEvents_id` too)
//! or in the structured one (`application/cloudevents+json`). Anything else, whatever its bytes, is
//! handed over as [foreign](midgard::bus::ForeignMessage).
//!
//! # What is promised
//!
//! What [`midgard::bus`] promises, and this is how:
//!
//! - All of a batch is sent at once, persistent and `mandatory`; [`publish`](midgard::bus::Publisher::publish) returns
//!   when the broker has confirmed all of it, which it does when a majority of its nodes has the messages on disk.
//! - A message leaves its queue when it is acknowledged. AMQP does not confirm that: what the broker had not taken in when it
//!   was killed comes again.
//! - Messages of a receiver that is gone come to the next one first, and in order, also when it has
//!   another [`in_flight`](midgard::bus::Queue::in_flight): it prefetches as many as any before it, and hands over no
//!   more than `in_flight`.
//! - A lost connection is made anew, with waits between 50 ms and 5 s, by whoever calls `publish` or `next`; each attempt that
//!   fails is a [`BusError::Unavailable`](midgard::bus::BusError::Unavailable). What was declared is made again, should it be gone; no
//!   topic is removed then, so that an old version of a service that connects anew takes nothing from a new one.
//! - Publishing and receiving have a connection each, since a broker that runs out of memory stops those that publish.
//!   Publishing waits then, and says so in the log. Who gives up meanwhile publishes nothing later, but for the few messages
//!   that were on their way when the broker stopped.
//! - A command whose sender waits for the answer only so long expires at the broker (`expiration`), which puts it with the dead
//!   letters then.
//! - When a message cannot be set aside, its receiver begins anew, with growing waits, and is given it again.
//! - When a queue is declared for the first time, that takes 3.5 s: as long as a broker of RabbitMQ 3 may take until the new
//!   queue would survive a crash. A broker that is killed before may keep a queue without a leader, which takes and gives nothing
//!   any more (its log says "leader not known"): delete it with `rabbitmqctl delete_queue`, and its receiver makes it again.
//!
//! Not promised: order around the first message that the broker refuses to take (`nack`, as a policy with `max-length`
//! and `reject-publish` makes it do; from then on messages are sent one by one for a while), and *one at work* while nodes of a cluster cannot see each other.

mod bus;
mod declared;
mod envelope;
mod link;
mod options;
mod publishing;
mod readable;
mod receiving;
mod settling;
mod topology;
mod transport;
mod trouble;

pub use bus::RabbitMqBus;
pub use options::RabbitMqOptions;
pub use receiving::RabbitMqDeliveries;
