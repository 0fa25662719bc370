use midgard::{Context, Event, EventSet, HandlerError, Project, Projection};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlacedV1 {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed", version = 2, upcast_from = OrderPlacedV1)]
struct OrderPlaced {}

impl From<OrderPlacedV1> for OrderPlaced {
    fn from(_: OrderPlacedV1) -> Self {
        OrderPlaced {}
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
struct OrderCancelled {}

#[derive(Debug, Clone, EventSet)]
enum OrderEvent {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

#[derive(Projection)]
#[projection(name = "orders", events(OrderPlacedV1), ignore(OrderCancelled), covers(OrderEvent))]
struct Orders;

impl Project<OrderPlacedV1> for Orders {
    async fn project(&self, _: OrderPlacedV1, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[derive(Projection)]
#[projection(name = "cancelled orders", events(OrderPlacedV1), covers(OrderEvent))]
struct CancelledOrders;

impl Project<OrderPlacedV1> for CancelledOrders {
    async fn project(&self, _: OrderPlacedV1, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// What is not handled may be of any version.
#[derive(Projection)]
#[projection(name = "fine", events(OrderCancelled), ignore(OrderPlacedV1), covers(OrderEvent))]
struct Fine;

impl Project<OrderCancelled> for Fine {
    async fn project(&self, _: OrderCancelled, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn main() {}
