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
//! It needs a tokio runtime, and a server of version 2.12 or newer.

mod binding;
mod deliveries;
mod hand;
mod interest;
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
use tokio::sync::Mutex;

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
        let mut current = self.session.lock().await;
        if let Some(session) = current.as_ref().filter(|session| !session.is_lost()) {
            return Ok(Arc::clone(session));
        }
        *current = None;
        let session = Session::open(&self.options).await?;
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
        tokio::spawn(receiving::receive(
            Arc::clone(&self.shared),
            queue.clone(),
            hand,
        ));
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
