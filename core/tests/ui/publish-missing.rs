// Where an event is to leave the service that is not marked.

use midgard::Event;
use midgard::outbox::Publish;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

fn publish<E: Publish>(_: E) {}

fn all() {
    publish(OrderPlaced {});
}

fn main() {}
