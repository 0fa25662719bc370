use midgard::{Done, Event, Expire, ProcessManager, React, Reactions, Resolve};
use midgard::event::RecordedEventRef;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

struct OrderCancelled {}

struct ReserveCredit {}

struct PaymentOverdue {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "placement", id = u64, events(OrderPlaced, OrderCancelled), commands(ReserveCredit), deadlines(PaymentOverdue))]
struct Placement {}

impl React<OrderPlaced> for Placement {
    fn process(_: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> {
        None
    }

    fn react(&mut self, _: OrderPlaced, _: &mut Reactions<Self>) {}
}

impl React<OrderCancelled> for Placement {
    fn process(_: &OrderCancelled, _: &RecordedEventRef<'_>) -> Option<u64> {
        None
    }

    fn react(&mut self, _: OrderCancelled, _: &mut Reactions<Self>) {}
}

impl Resolve<ReserveCredit> for Placement {
    fn replied(&mut self, _: ReserveCredit, _: Done, _: &mut Reactions<Self>) {}

    fn refused(&mut self, _: ReserveCredit, _: &str, _: &mut Reactions<Self>) {}
}

impl Expire<PaymentOverdue> for Placement {
    fn expired(&mut self, _: PaymentOverdue, _: &mut Reactions<Self>) {}
}

fn main() {}
