use midgard::Event;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Customer(u64);

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
#[publish(key = customer)]
struct OrderPlaced {
    order: u64,
    customer: Customer,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
#[publish(key = customer)]
struct OrderCancelled {
    customer: Option<Customer>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.viewed")]
#[publish(key = customers)]
struct OrderViewed {
    customers: Vec<u64>,
}

fn main() {}
