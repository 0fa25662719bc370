use midgard::event::RecordedEventRef;
use midgard::testing::given_process;
use midgard::{Event, ProcessManager, Processes, React, Reactions, StartFrom};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: u64,
}

struct Terms {
    fee: u64,
}

#[derive(Default, ProcessManager)]
#[process_manager(name = "placement", id = u64, config = Terms, events(OrderPlaced))]
struct Placement {}

impl React<OrderPlaced> for Placement {
    fn process(event: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(event.order)
    }

    fn react(&mut self, _: OrderPlaced, reactions: &mut Reactions<Self>) {
        let _ = reactions.config().fee;
    }
}

fn main() {
    let _ = Processes::<Placement>::new(StartFrom::Start);
    let _ = given_process::<Placement>();
    let _ = Processes::<Placement>::with_config(StartFrom::Start, Terms { fee: 3 });
}
