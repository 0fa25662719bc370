use midgard::event::RecordedEventRef;
use midgard::{Event, ProcessManager, Processes, React, Reactions, Subscription};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: u64,
}

#[derive(Debug, Default, ProcessManager)]
#[process_manager(name = "picking", id = u64, events(OrderPlaced))]
struct Picking {}

impl React<OrderPlaced> for Picking {
    fn process(event: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(event.order)
    }

    fn react(&mut self, _: OrderPlaced, _: &mut Reactions<Self>) {}
}

fn main() {
    let _ = Subscription::<OrderPlaced>::events("mailer");
    let _ = Processes::<Picking>::new();
}
