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
//! It needs a tokio runtime, and a server of version 2.12 or newer; the version is checked for every connection.
//!
//! # What it creates on the server
//!
//! One stream, `MIDGARD`, with the subjects `midgard.>`: the subject of a message is its topic. It keeps each message
//! until every queue that wants it has handled it (the retention `interest`), on disk, without limits. A queue is a
//! durable consumer with the queue's name. Messages that were set aside are kept in the stream `MIDGARD_DEAD`, as
//! `midgard_dead.customers`, with their own headers and the reason in `Midgard-Reason`, until someone removes them. A
//! message that is too large to have room for the reason is kept there in parts, numbered in `Midgard-Part` (`1/2`),
//! and headers without room are left out. The bus creates all of these; existing streams may have other limits and
//! replicas, but not limits that drop messages.
//!
//! Messages are
//! [CloudEvents](https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/nats-protocol-binding.md) in
//! binary mode: each attribute is a header `ce-..`, percent-encoded. Messages in structured mode are read, too.
//!
//! # How it keeps its promises
//!
//! **Order of published messages.** A batch is sent without a wait between its messages, over a connection that never
//! reconnects: whatever had not been sent when it broke is gone, and cannot arrive before the retry. A stream of
//! several replicas that changes its leader in the middle of a batch may still take the end of the batch without the
//! beginning, and the beginning later. So may one with a limit, the first time that it is full; from then on messages
//! are sent one by one for a while, each only after the previous one is confirmed. The bus sets no limit.
//!
//! **Nothing is dropped.** The server also confirms messages that no queue wants. So the bus looks up which queue
//! wants a topic before it sends, and checks after the confirmation that the queue is still there, at the cost of one
//! more request for each call of `publish`. The server recognises messages that are published again within two
//! minutes, by source, id and the queue that wants them.
//!
//! **One at work.** The server pins one of the clients that request messages (the priority policy `pinned_client`),
//! until it leaves, or is silent for [`takeover_after`](NatsOptions::with_takeover_after). A receiver that was silent for that
//! long no longer hands out messages, and can no longer settle the ones it has.
//!
//! **Order across takeovers.** The server redelivers the messages that a receiver had not acknowledged only after a
//! while, and newer messages at once. So a new receiver keeps messages back until it has as many as the server
//! reports as unacknowledged, and hands them out in the order of the stream. It does the same whenever a delivery may
//! have been lost. It reports messages as in progress while they are handled, so handlers may take as long as they
//! like. Creating a new consumer from the first unacknowledged message would avoid the wait, but would redeliver
//! later messages that were already acknowledged or set aside.
//!
//! **Strangers.** Anything that is not a message is handed over as foreign. Headers that even the client cannot read
//! make it end the connection; they are found when connections break one after the other, and set aside.

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
mod settled;
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
    /// Returns a bus that connects at first use, and reconnects whenever the connection was lost.
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

    /// Connects to the servers at an [address](NatsOptions::new).
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
    /// Returns the connection, replacing a lost one.
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
        // An error means that the connection was lost; it will be replaced.
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
