use midgard::{Context, Event, HandlerError, Project, Projection, View};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
struct OrderCancelled {}

#[derive(Serialize, Deserialize, View)]
#[view(key = id)]
struct Order {
    id: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id)]
struct Customer {
    id: u64,
}

#[derive(Projection)]
#[projection(name = "orders", events(OrderPlaced), views(Order))]
struct Orders;

impl Project<OrderPlaced> for Orders {
    async fn project(&self, _: OrderPlaced, context: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        context.put(Order { id: 7 })?;
        Ok(context.put(Customer { id: 7 })?)
    }
}

fn main() {}
