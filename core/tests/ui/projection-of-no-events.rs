use midgard::{Context, Event, HandlerError, Project, Projection, View};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
struct OrderCancelled {}

struct NoEvent {}

struct NoView {}

#[derive(Serialize, Deserialize, View)]
#[view(key = id)]
struct Orders {
    id: u64,
}

#[derive(Projection)]
#[projection(name = "a", events(OrderPlaced, NoEvent))]
struct A;

impl Project<OrderPlaced> for A {
    async fn project(&self, _: OrderPlaced, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl Project<NoEvent> for A {
    async fn project(&self, _: NoEvent, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[derive(Projection)]
#[projection(name = "b", events(OrderPlaced), ignore(NoEvent))]
struct B;

impl Project<OrderPlaced> for B {
    async fn project(&self, _: OrderPlaced, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[derive(Projection)]
#[projection(name = "c", events(OrderPlaced), covers(NoEvent))]
struct C;

impl Project<OrderPlaced> for C {
    async fn project(&self, _: OrderPlaced, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[derive(Projection)]
#[projection(name = "d", events(OrderPlaced), views(Orders, NoView))]
struct D;

impl Project<OrderPlaced> for D {
    async fn project(&self, _: OrderPlaced, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn main() {}
