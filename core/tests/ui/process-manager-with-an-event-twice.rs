use midgard::{Event, EventSet, ProcessManager, React, Reactions};
use midgard::event::RecordedEventRef;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
struct OrderCancelled {}

#[derive(Debug, Clone, EventSet)]
enum OrderEvent {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

#[derive(Default, ProcessManager)]
#[process_manager(name = "placement", id = u64, events(OrderPlaced, OrderEvent))]
struct Placement {}

impl React<OrderPlaced> for Placement {
    fn process(_: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> {
        None
    }

    fn react(&mut self, _: OrderPlaced, _: &mut Reactions<Self>) {}
}

impl React<OrderEvent> for Placement {
    fn process(_: &OrderEvent, _: &RecordedEventRef<'_>) -> Option<u64> {
        None
    }

    fn react(&mut self, _: OrderEvent, _: &mut Reactions<Self>) {}
}

fn main() {}
