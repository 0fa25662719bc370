use midgard::{Event, HandlerError, Inbox, MessageContext, Subscribe};

#[derive(Debug, Clone, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Inbox)]
#[inbox(name = "customers", events(OrderPlaced))]
struct Customers;

impl Subscribe<OrderPlaced> for Customers {
    async fn receive(&self, _: OrderPlaced, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn main() {}
