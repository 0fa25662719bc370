//! The process manager of the orders service: it gets the credit of an order decided, or cancels the order.

use crate::messages::{CreditReserved, OrderId, ReserveCredit};
use crate::orders::{Decide, Order, OrderPlaced};
use midgard::event::RecordedEventRef;
use midgard::{Event, Expire, ProcessManager, React, Reactions, Resolve};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The customers service has not answered in time.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.unanswered")]
pub struct Unanswered {}

/// The placement of one order, until it is decided.
#[derive(Debug, Default, ProcessManager)]
#[process_manager(
    name = "placement",
    id = OrderId,
    events(OrderPlaced),
    commands(ReserveCredit),
    deadlines(Unanswered)
)]
pub struct Placement {
    is_cancelled: bool,
}

impl React<OrderPlaced> for Placement {
    fn process(event: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<OrderId> {
        Some(event.order)
    }

    fn react(&mut self, event: OrderPlaced, reactions: &mut Reactions<Self>) {
        let OrderPlaced {
            order,
            purchase,
            answer_within,
        } = event;
        reactions.send(&ReserveCredit {
            customer: order.customer,
            order,
            purchase,
        });
        // From when the order was placed: nobody waits longer because this service was down.
        reactions.remind(Duration::from_secs(answer_within), &Unanswered {});
    }
}

impl Resolve<ReserveCredit> for Placement {
    fn replied(
        &mut self,
        command: ReserveCredit,
        _: CreditReserved,
        reactions: &mut Reactions<Self>,
    ) {
        // Too late for a cancelled order: the customers are told of that by its event, and release the credit.
        if !self.is_cancelled {
            reactions.execute::<Order, _>(command.order, Decide::Approve);
            reactions.complete();
        }
    }

    fn refused(&mut self, command: ReserveCredit, reason: &str, reactions: &mut Reactions<Self>) {
        if !self.is_cancelled {
            let reason = reason.to_owned();
            reactions.execute::<Order, _>(command.order, Decide::Reject { reason });
            reactions.complete();
        }
    }
}

impl Expire<Unanswered> for Placement {
    fn expired(&mut self, _: Unanswered, reactions: &mut Reactions<Self>) {
        self.is_cancelled = true;
        let order = *reactions.id();
        reactions.execute::<Order, _>(order, Decide::Cancel(order));
        reactions.complete();
    }
}
