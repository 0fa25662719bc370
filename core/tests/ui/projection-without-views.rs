// A projection that lists no view, and writes one all the same.

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

#[derive(Projection)]
#[projection(name = "orders", events(OrderPlaced))]
struct Orders;

impl Project<OrderPlaced> for Orders {
    async fn project(
        &self,
        _: OrderPlaced,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        Ok(context.put(Order { id: 7 })?)
    }
}

fn main() {}
