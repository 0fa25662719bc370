use midgard::{Context, Event, HandlerError, Project, Projection, View};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Serialize, Deserialize, View)]
#[view(key = id)]
struct Order {
    id: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(name = "order", key = id)]
struct Other {
    id: u64,
}

#[derive(Projection)]
#[projection(name = "orders", events(OrderPlaced), views(Order, Other))]
struct Orders;

impl Project<OrderPlaced> for Orders {
    async fn project(&self, _: OrderPlaced, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn main() {}
