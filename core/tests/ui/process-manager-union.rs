use midgard::{Event, ProcessManager};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Clone, Copy, ProcessManager)]
#[process_manager(name = "placement", id = u64, events(OrderPlaced))]
union Placement {
    order: u64,
}

fn main() {}
