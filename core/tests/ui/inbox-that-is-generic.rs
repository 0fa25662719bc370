use midgard::{Event, HandlerError, Inbox, MessageContext, Subscribe};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Inbox)]
#[inbox(name = "customers", events(OrderPlaced))]
struct Customers<T>(T);

impl<T: Send + Sync + 'static> Subscribe<OrderPlaced> for Customers<T> {
    async fn receive(&self, _: OrderPlaced, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn main() {}
