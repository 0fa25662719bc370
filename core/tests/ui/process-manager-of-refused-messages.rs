// One error for each mistake, and none where they are listed or sent.

use midgard::{Done, Event, Expire, ProcessManager, React, Reactions, RemoteCommand, Resolve};
use midgard::event::RecordedEventRef;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "Order Placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve")]
struct ReserveCredit {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event()]
struct PaymentOverdue {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "placement", id = u64, events(OrderPlaced), commands(ReserveCredit), deadlines(PaymentOverdue))]
struct Placement {}

impl React<OrderPlaced> for Placement {
    fn process(_: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> {
        None
    }

    fn react(&mut self, _: OrderPlaced, reactions: &mut Reactions<Self>) {
        reactions.send(&ReserveCredit {});
    }
}

impl Resolve<ReserveCredit> for Placement {
    fn replied(&mut self, _: ReserveCredit, _: Done, _: &mut Reactions<Self>) {}

    fn refused(&mut self, _: ReserveCredit, _: &str, _: &mut Reactions<Self>) {}
}

impl Expire<PaymentOverdue> for Placement {
    fn expired(&mut self, _: PaymentOverdue, _: &mut Reactions<Self>) {}
}

fn main() {}
