//! A bus within the process that remembers what was published, each when it came first.

use crate::oracle::Numbers;
use crate::releases::new::Orders;
use midgard::bus::{BusError, InProcessBus, Message, Published, Publisher, Queue, Subscriber};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub(crate) struct Recorded {
    bus: InProcessBus,
    published: Arc<Mutex<Numbers>>,
}

impl Recorded {
    /// The numbers of the events of each order.
    pub(crate) fn published(&self) -> Numbers {
        self.published.lock().unwrap().clone()
    }
}

impl Publisher for Recorded {
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        for message in messages {
            // Commands and answers are none of them.
            let Ok(event) = message.decode::<Orders>() else {
                continue;
            };
            let (order, number) = event.of();
            let mut published = self.published.lock().unwrap();
            let of = published.entry(order).or_default();
            if !of.contains(&number) {
                of.push(number);
            }
        }
        self.bus.publish(messages).await
    }
}

impl Subscriber for Recorded {
    type Deliveries = <InProcessBus as Subscriber>::Deliveries;

    async fn declare(&self, queue: &Queue) -> Result<(), BusError> {
        self.bus.declare(queue).await
    }

    async fn subscribe(&self, queue: &Queue) -> Result<Self::Deliveries, BusError> {
        self.bus.subscribe(queue).await
    }
}
