use midgard::{HandlerError, Inbox, MessageContext, Subscribe};

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
