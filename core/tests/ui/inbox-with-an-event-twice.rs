use midgard::{Event, EventSet, HandlerError, Inbox, MessageContext, Subscribe};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
struct OrderCancelled {}

#[derive(Debug, Clone, EventSet)]
enum OrderEvent {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

#[derive(Inbox)]
#[inbox(name = "customers", events(OrderPlaced, OrderEvent))]
struct Customers;

impl Subscribe<OrderPlaced> for Customers {
    async fn receive(&self, _: OrderPlaced, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl Subscribe<OrderEvent> for Customers {
    async fn receive(&self, _: OrderEvent, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn main() {}
