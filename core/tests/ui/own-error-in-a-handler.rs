use midgard::{Context, Event, HandlerError, Project, Projection};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.paid")]
struct OrderPaid {
    order: u64,
}

#[derive(Debug)]
struct NoSuchOrder;

fn look_up(_: u64) -> Result<(), NoSuchOrder> {
    Err(NoSuchOrder)
}

#[derive(Projection)]
#[projection(name = "orders", events(OrderPlaced, OrderPaid))]
struct Orders;

impl Project<OrderPlaced> for Orders {
    async fn project(&self, event: OrderPlaced, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        look_up(event.order)?;
        Ok(())
    }
}

impl Project<OrderPaid> for Orders {
    async fn project(&self, event: OrderPaid, _: &mut Context<'_, Self>) -> Result<(), NoSuchOrder> {
        look_up(event.order)
    }
}

fn main() {}
