//! The orders service: orders that are pending until their credit is decided.

use crate::LEASE;
use crate::messages::{OrderCancelled, OrderId};
use crate::placement::Placement;
use midgard::bus::{Publisher, Subscriber};
use midgard::{
    Aggregate, Apply, Command, Events, Midgard, Outbox, Processes, StartFrom, Store, events,
};
use midgard_examples::shop::customer::Purchase;

/// An order was placed, and is pending.
#[midgard::event(name = "order.placed")]
#[derive(PartialEq, Eq)]
pub struct OrderPlaced {
    /// The order.
    pub order: OrderId,
    /// The purchase.
    pub purchase: Purchase,
    /// How many seconds it may stay undecided.
    pub answer_within: u64,
}

/// The order has its credit.
#[midgard::event(name = "order.credit_approved")]
pub struct OrderApproved {}

/// The order has no credit.
#[midgard::event(name = "order.credit_refused")]
pub struct OrderRejected {
    /// The reason.
    pub reason: String,
}

/// An order, and its outcome.
#[derive(Debug, Default, Aggregate)]
#[aggregate(
    name = "order",
    id = OrderId,
    events(OrderPlaced, OrderApproved, OrderRejected, OrderCancelled),
    apply = enum
)]
pub struct Order {
    state: State,
}

/// The state of an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Unknown,
    Pending,
    Decided,
}

impl Apply<OrderEvent> for Order {
    fn apply(&mut self, event: OrderEvent) {
        self.state = match event {
            OrderEvent::OrderPlaced(_) => State::Pending,
            OrderEvent::OrderApproved(_)
            | OrderEvent::OrderRejected(_)
            | OrderEvent::OrderCancelled(_) => State::Decided,
        };
    }
}

/// Decides a pending order, one way or another.
#[derive(Debug, Clone)]
pub enum Decide {
    /// The credit is reserved.
    Approve,
    /// The credit was refused.
    Reject {
        /// The reason.
        reason: String,
    },
    /// No answer came in time.
    Cancel(OrderId),
}

/// The reason why an order was not decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the order is not pending: it is not placed, or was decided before")]
pub struct NotPending;

impl Command<Order> for Decide {
    type Error = NotPending;

    fn decide(&self, order: &Order) -> Result<Events<Order>, NotPending> {
        if order.state != State::Pending {
            return Err(NotPending);
        }
        Ok(match self {
            Decide::Approve => events![OrderApproved {}],
            Decide::Reject { reason } => events![OrderRejected {
                reason: reason.clone()
            }],
            Decide::Cancel(order) => events![OrderCancelled {
                customer: order.customer,
                order: *order
            }],
        })
    }
}

/// Returns the service, to be run. To a bus with another id, everything is published again.
pub fn service<S, B>(store: S, bus: B, bus_id: &str) -> Midgard<S>
where
    S: Store + Clone,
    B: Publisher + Subscriber + Clone,
{
    let outbox = Outbox::new("orders")
        .bus_id(bus_id)
        .publish::<OrderCancelled>()
        .lease(LEASE);
    let placements = Processes::<Placement>::new(StartFrom::Start)
        .replies_from(bus.clone())
        .lease(LEASE);
    Midgard::new(store)
        .process_manager(placements)
        .outbox(outbox, bus)
}
