use midgard::{Context, Event, HandlerError, Project, Projection};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
struct OrderCancelled {}

#[derive(Projection)]
#[projection(name = "orders", events(OrderPlaced))]
struct Orders;

impl Project<OrderPlaced> for Orders {
    async fn project(&self, _: OrderPlaced, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl Project<OrderCancelled> for Orders {
    async fn project(&self, _: OrderCancelled, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn main() {}
