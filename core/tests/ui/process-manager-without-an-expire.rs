use midgard::{Event, Expire, ProcessManager, React, Reactions};
use midgard::event::RecordedEventRef;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "payment.overdue")]
struct PaymentOverdue {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "delivery.overdue")]
struct DeliveryOverdue {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "placement", id = u64, events(OrderPlaced), deadlines(PaymentOverdue, DeliveryOverdue))]
struct Placement {}

impl React<OrderPlaced> for Placement {
    fn process(_: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> {
        None
    }

    fn react(&mut self, _: OrderPlaced, _: &mut Reactions<Self>) {}
}

impl Expire<PaymentOverdue> for Placement {
    fn expired(&mut self, _: PaymentOverdue, _: &mut Reactions<Self>) {}
}

fn main() {}
