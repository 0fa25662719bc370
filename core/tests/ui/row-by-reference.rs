use midgard::{Context, Event, HandlerError, Project, Projection, View};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id)]
struct Order {
    id: u64,
}

#[derive(Projection)]
#[projection(name = "orders", events(OrderPlaced), views(Order))]
struct Orders;

impl Project<OrderPlaced> for Orders {
    async fn project(&self, event: OrderPlaced, context: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        let row = Order { id: event.order };
        context.put(&row)?;
        Ok(())
    }
}

fn main() {}
