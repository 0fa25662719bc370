//! A bus of [midgard] over [RabbitMQ](https://www.rabbitmq.com): messages survive killed receivers and brokers, and
//! those of one key stay in order.
//!
//! ```no_run
//! use midgard::bus::{Deliveries, Message, Publisher, Queue, Subscriber, Topic};
//! use midgard_bus_rabbitmq::RabbitMqBus;
//!
//! # async fn example() -> Result<(), midgard::bus::BusError> {
//! // Connects at first use, so that a service starts while the broker is down.
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
//! # What it creates on the broker
//!
//! For `Queue::new("customers", ..)`:
//!
//! | name | what | |
//! |---|---|---|
//! | `midgard` | topic exchange | Messages are published to it; the routing key is the [topic](midgard::bus::Topic). |
//! | `customers` | quorum queue | Bound to the topics that it wants; one receiver at a time (`x-single-active-consumer`). |
//! | `customers.dead` | quorum queue | Messages that were set aside: with their own headers, and `midgard-reason`, `midgard-exchange` and `midgard-routing-key`. |
//! | `customers.declared` | quorum queue | The topics that the queue was declared with. AMQP cannot list bindings, and topics that are no longer wanted are unbound. |
//!
//! All are durable. A temporary queue is a single classic queue; it is deleted when its
//! [deliveries](RabbitMqDeliveries) are dropped, or a minute after the last connection of its receiver was lost. Its
//! `.dead` is created when it is needed.
//!
//! Messages are [CloudEvents](https://cloudevents.io) in the binary mode of the AMQP binding: attributes are headers
//! `cloudEvents:id` and so on, the payload is the body. Messages of other programs are read in that mode
//! (`cloudEvents_id` too) or in the structured one (`application/cloudevents+json`). Anything else, whatever its
//! bytes, is handed over as [foreign](midgard::bus::ForeignMessage).
//!
//! # What is promised
//!
//! The promises of [`midgard::bus`], kept as follows:
//!
//! - A whole batch is sent at once, persistent and `mandatory`; [`publish`](midgard::bus::Publisher::publish) returns
//!   when the broker has confirmed all of it, which means that a majority of its nodes has the messages on disk.
//! - A message leaves its queue when it is acknowledged. AMQP does not confirm acknowledgements: those that the
//!   broker had not processed when it was killed are lost, and their messages come again.
//! - The unsettled messages of a dead receiver come to the next one first, and in order, even if the two have a
//!   different [`in_flight`](midgard::bus::Queue::in_flight): the new one prefetches as many as any before it, and
//!   hands over no more than `in_flight`.
//! - A lost connection is replaced, with waits between 50 ms and 5 s, by the next call of `publish` or `next`; each
//!   failed attempt is a [`BusError::Unavailable`](midgard::bus::BusError::Unavailable). Missing declarations are
//!   made again; no topic is removed at that time, so that a reconnecting old version of a service takes nothing from
//!   a new one.
//! - Publishing and receiving have separate connections, since a broker that runs out of memory stops those that
//!   publish. Publishing then waits, and reports that in the log. If a call of `publish` is given up meanwhile, none of its
//!   messages are published later, except the few that were on their way when the broker stopped.
//! - A command whose sender waits a limited time for the answer expires at the broker after that time (`expiration`);
//!   the broker then moves it to the dead letters.
//! - When a message cannot be set aside, its receiver reconnects, with growing waits, and gets the message again.
//! - Declaring a queue for the first time takes 3.5 s: a broker of RabbitMQ 3 may take that long until the new queue
//!   would survive a crash. A broker that is killed earlier may keep a queue without a leader, which neither accepts
//!   nor delivers messages any more (its log says "leader not known"): delete it with `rabbitmqctl delete_queue`, and
//!   its receiver creates it again.
//!
//! Not promised: order around the first message that the broker refuses to accept (`nack`, as with a policy of
//! `max-length` and `reject-publish`; from then on messages are sent one by one for a while), and *one at work* while
//! nodes of a cluster cannot see each other.

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
