use midgard::{Event, ProcessManager, React, Reactions};
use midgard::event::RecordedEventRef;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

struct OrderId(u64);

#[derive(Default, ProcessManager)]
#[process_manager(name = "placement", id = OrderId, events(OrderPlaced))]
struct Placement {}

impl React<OrderPlaced> for Placement {
    fn process(_: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<OrderId> {
        None
    }

    fn react(&mut self, _: OrderPlaced, _: &mut Reactions<Self>) {}
}

fn main() {}
