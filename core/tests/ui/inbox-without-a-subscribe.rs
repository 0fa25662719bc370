use midgard::{Event, HandlerError, Inbox, MessageContext, Subscribe};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
struct OrderCancelled {}

#[derive(Inbox)]
#[inbox(name = "customers", events(OrderPlaced, OrderCancelled))]
struct Customers;

impl Subscribe<OrderPlaced> for Customers {
    async fn receive(&self, _: OrderPlaced, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn main() {}
