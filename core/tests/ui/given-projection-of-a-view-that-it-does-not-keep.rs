use midgard::testing::given_projection;
use midgard::{Context, Event, HandlerError, Project, Projection, View};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = order)]
struct OpenOrder {
    order: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = order)]
struct PaidOrder {
    order: u64,
}

#[derive(Default, Projection)]
#[projection(name = "orders", events(OrderPlaced), views(OpenOrder))]
struct Orders;

impl Project<OrderPlaced> for Orders {
    async fn project(
        &self,
        event: OrderPlaced,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        Ok(context.put(OpenOrder { order: event.order })?)
    }
}

fn main() {
    let orders = given_projection::<Orders>().event(OrderPlaced { order: 7 });
    let orders = orders.then_row(7, OpenOrder { order: 7 });
    let _ = orders.then_row(7, PaidOrder { order: 7 });
}
