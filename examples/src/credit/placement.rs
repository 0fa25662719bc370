//! The process manager of the orders service: it gets the credit of an order decided, or cancels the order.

use super::messages::{CreditReserved, OrderId, ReserveCredit};
use super::orders::{Decide, Order, OrderPlaced};
use midgard::event::RecordedEventRef;
use midgard::{Event, Expire, ProcessManager, React, Reactions, Resolve};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The customers have not answered within the time.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.unanswered")]
pub struct Unanswered {
    /// For which order.
    pub order: OrderId,
}

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
        reactions.remind(Duration::from_secs(answer_within), &Unanswered { order });
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
    fn expired(&mut self, deadline: Unanswered, reactions: &mut Reactions<Self>) {
        self.is_cancelled = true;
        reactions.execute::<Order, _>(deadline.order, Decide::Cancel(deadline.order));
        reactions.complete();
    }
}
