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
struct Orders<T>(T);

impl<T: Send + Sync + 'static> Project<OrderPlaced> for Orders<T> {
    async fn project(&self, _: OrderPlaced, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn main() {}
