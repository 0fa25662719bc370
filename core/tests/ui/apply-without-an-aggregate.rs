use midgard::{Apply, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Default)]
struct Order {}

impl Apply<OrderPlaced> for Order {
    fn apply(&mut self, _: OrderPlaced) {}
}

fn main() {}
