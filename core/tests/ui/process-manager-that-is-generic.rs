use midgard::{Event, ProcessManager, React, Reactions};
use midgard::event::RecordedEventRef;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "placement", id = u64, events(OrderPlaced))]
struct Placement<T>(T);

impl<T: Default + Send + Sync + 'static> React<OrderPlaced> for Placement<T> {
    fn process(_: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> {
        None
    }

    fn react(&mut self, _: OrderPlaced, _: &mut Reactions<Self>) {}
}

fn main() {}
