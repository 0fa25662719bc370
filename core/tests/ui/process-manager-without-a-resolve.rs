use midgard::{Done, Event, ProcessManager, React, Reactions, RemoteCommand, Resolve};
use midgard::event::RecordedEventRef;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers")]
struct ReserveCredit {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.release", service = "customers")]
struct ReleaseCredit {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "placement", id = u64, events(OrderPlaced), commands(ReserveCredit, ReleaseCredit))]
struct Placement {}

impl React<OrderPlaced> for Placement {
    fn process(_: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> {
        None
    }

    fn react(&mut self, _: OrderPlaced, _: &mut Reactions<Self>) {}
}

impl Resolve<ReserveCredit> for Placement {
    fn replied(&mut self, _: ReserveCredit, _: Done, _: &mut Reactions<Self>) {}

    fn refused(&mut self, _: ReserveCredit, _: &str, _: &mut Reactions<Self>) {}
}

fn main() {}
