use midgard::{Done, Event, Expire, ProcessManager, React, Reactions, RemoteCommand, Resolve};
use midgard::event::RecordedEventRef;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
struct OrderCancelled {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "payment.overdue")]
struct PaymentOverdue {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers")]
struct ReserveCredit {}

#[derive(Debug, Default, ProcessManager)]
#[process_manager(name = "placement", id = u64, events(OrderPlaced))]
struct Placement {}

impl React<OrderPlaced> for Placement {
    fn process(_: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(7)
    }

    fn react(&mut self, _: OrderPlaced, _: &mut Reactions<Self>) {}
}

impl React<OrderCancelled> for Placement {
    fn process(_: &OrderCancelled, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(7)
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
