use midgard::{Event, ProcessManager, React, Reactions, RemoteCommand};
use midgard::event::RecordedEventRef;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers")]
struct ReserveCredit {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "placement", id = u64, events(OrderPlaced))]
struct Placement {}

impl React<OrderPlaced> for Placement {
    fn process(_: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> {
        None
    }

    fn react(&mut self, _: OrderPlaced, reactions: &mut Reactions<Self>) {
        reactions.send(&ReserveCredit {});
    }
}

fn main() {}
