// One error for each, and none where they are published.

use midgard::Event;
use midgard::outbox::Publish;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "Order Placed")]
#[publish(key = customer)]
struct OrderPlaced {
    customer: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
#[publish]
struct OrderCancelled<T>(T);

fn publish<E: Publish>(event: E) -> Option<String> {
    event.key().map(Into::into)
}

fn all(cancelled: OrderCancelled<u64>) {
    publish(OrderPlaced { customer: 4 });
    publish(cancelled);
}

fn main() {}
