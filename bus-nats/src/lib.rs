//! A bus of [midgard] over [NATS JetStream](https://docs.nats.io/nats-concepts/jetstream).
//!
//! ```no_run
//! # async fn example() -> Result<(), midgard::bus::BusError> {
//! use midgard::bus::{Deliveries, Message, Publisher, Queue, Subscriber, Topic};
//! use midgard_bus_nats::NatsBus;
//!
//! let bus = NatsBus::connect("nats://localhost:4222").await?;
//! let queue = Queue::new("customers", [Topic::event("order.placed")]);
//! let mut deliveries = bus.subscribe(&queue).await?;
//!
//! bus.publish(&[Message::event("orders", "order.placed", 1, b"{}".to_vec())]).await?;
//! let received = deliveries.next().await?;
//! received.acknowledge().await?;
//! # Ok(())
//! # }
//! ```
//!
//! It needs a tokio runtime, and a server of version 2.12 or newer, whose version is looked at for every connection.
//!
//! # What lies at the server
//!
//! One stream, `MIDGARD`, with the subjects `midgard.>`: the subject of a message is its topic. It keeps each
//! message until every queue that asks for it has handled it (the retention `interest`), on disk, without limits.
//! A queue is a durable consumer of its name. What is set aside lies in the stream `MIDGARD_DEAD`, as
//! `midgard_dead.customers`, with its own headers and the reason in `Midgard-Reason`, until someone removes it. What is too
//! large to have room for the reason lies there in parts, numbered in `Midgard-Part` (`1/2`), and headers that have no room are
//! left out. The bus makes all of these; streams that exist may have other limits and replicas, but not ones that drop messages.
//!
//! Messages are [CloudEvents](https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/nats-protocol-binding.md)
//! in binary mode: each attribute is a header `ce-..`, percent-encoded. The structured mode is read, too.
//!
//! # How it keeps the promises
//!
//! **Order of what is published.** A batch is sent without a wait between its messages, over a connection that is
//! never made anew: what had not been sent when it broke is gone, and cannot come before what is sent again. A stream
//! of several replicas that gets another leader in the middle of a batch may still take the end of it without the
//! beginning, and the beginning later. So may one with a limit, the first time that it is full; from then on messages are sent
//! one by one for a while, none before the one before it is confirmed. The bus sets no limit.
//!
//! **Nothing is dropped.** The server confirms also what nobody asks for. So the bus looks which queue asks for a
//! topic before it sends, and after the confirmation whether that queue is still there, at the cost of one more
//! question for each call of `publish`. Messages that are published again within two minutes are recognised by the
//! server, by source and id and the queue that asked.
//!
//! **One at work.** The server pins one of the clients that ask for messages (the priority policy `pinned_client`),
//! until it is silent for [`takeover_after`](NatsOptions::with_takeover_after), or leaves. A receiver that was silent
//! for so long hands out nothing more, and what it was given cannot be settled by it.
//!
//! **Order across takeovers.** What a receiver had not acknowledged, the server delivers again only after a while,
//! and newer messages at once. So a receiver that begins keeps back what it is given until it has as many
//! messages as the server says are not acknowledged, and hands them out in the order of the stream. It does the same
//! whenever a delivery may have been lost. While it works on messages it says so; handlers may take as long as they
//! like. A new consumer from the first message that is not acknowledged would do without waiting, but would deliver again what was
//! acknowledged or set aside behind it.
//!
//! **Strangers.** What is no message is handed over as foreign. Headers that not even the client can read, at which it ends
//! the connection, are found when connections break one after the other, and set aside.

mod addresses;
mod binding;
mod deliveries;
mod hand;
mod interest;
mod letters;
mod login;
mod options;
mod publishing;
mod queues;
mod receiving;
mod session;
mod settling;
mod streams;
mod subjects;
mod topics;
mod unreadable;

pub use deliveries::NatsDeliveries;
pub use options::NatsOptions;

use hand::Hand;
use interest::Interest;
use midgard::bus::{BusError, Message, Published, Publisher, Queue, Subscriber};
use session::Session;
use std::fmt;
use std::sync::Arc;
use tokio::sync::{Mutex, oneshot};

/// A bus over NATS JetStream. Clones share its connection.
#[derive(Clone)]
pub struct NatsBus {
    shared: Arc<Shared>,
}

struct Shared {
    options: Arc<NatsOptions>,
    session: Mutex<Option<Arc<Session>>>,
    interest: Interest,
}

impl NatsBus {
    /// A bus that connects when it is used first, and anew whenever the connection was lost.
    #[must_use]
    pub fn new(options: NatsOptions) -> Self {
        let shared = Shared {
            options: Arc::new(options),
            session: Mutex::default(),
            interest: Interest::default(),
        };
        NatsBus {
            shared: Arc::new(shared),
        }
    }

    /// A bus at this [address](NatsOptions::new), which is connected.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] when it cannot be reached, [`BusError::Unusable`] when it cannot be used.
    pub async fn connect(addresses: &str) -> Result<Self, BusError> {
        let bus = NatsBus::new(NatsOptions::new(addresses));
        bus.shared.session().await?;
        Ok(bus)
    }
}

impl Shared {
    /// The connection, made anew when it was lost.
    async fn session(&self) -> Result<Arc<Session>, BusError> {
        session::check_runtime(|| self.options.location())?;
        let mut current = self.session.lock().await;
        if let Some(session) = current.as_ref().filter(|session| !session.is_lost()) {
            return Ok(Arc::clone(session));
        }
        *current = None;
        let session = Session::open(&self.options).await?;
        let sizes = streams::make(&session, &self.options).await?;
        let session = Arc::new(session.with_sizes(sizes));
        *current = Some(Arc::clone(&session));
        Ok(session)
    }
}

impl Publisher for NatsBus {
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        if messages.is_empty() {
            return Ok(Published::all());
        }
        let session = self.shared.session().await?;
        let (interest, options) = (&self.shared.interest, &self.shared.options);
        publishing::publish(
            &session,
            interest,
            &options.stream,
            &options.prefix,
            messages,
        )
        .await
    }
}

impl Subscriber for NatsBus {
    type Deliveries = NatsDeliveries;

    async fn declare(&self, queue: &Queue) -> Result<(), BusError> {
        let session = self.shared.session().await?;
        queues::declare(&session, &self.shared.options, queue).await
    }

    async fn subscribe(&self, queue: &Queue) -> Result<NatsDeliveries, BusError> {
        self.declare(queue).await?;
        let options = &self.shared.options;
        let hand = Arc::new(Hand::new(queue.in_flight(), options.takeover_after));
        let deliveries = NatsDeliveries {
            hand: Arc::clone(&hand),
            options: Arc::clone(options),
            queue: queue.name().into(),
        };
        let (begun, has_begun) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        tokio::spawn(receiving::receive(shared, queue.clone(), hand, begun));
        // An error means that the connection was lost; it is made anew.
        let _ = has_begun.await;
        Ok(deliveries)
    }
}

impl fmt::Debug for NatsBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsBus")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}
