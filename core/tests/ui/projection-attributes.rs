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

#[derive(Projection)]
struct NoAttribute;

#[derive(Projection)]
#[projection(events(OrderPlaced))]
struct NoName;

#[derive(Projection)]
#[projection(name = "no events")]
struct NoEvents;

#[derive(Projection)]
#[projection(name = "empty", events())]
struct EmptyEvents;

#[derive(Projection)]
#[projection(name = "shop/orders", events(OrderPlaced))]
struct Slash;

#[derive(Projection)]
#[projection(name = "", events(OrderPlaced))]
struct Empty;

#[derive(Projection)]
#[projection(name = orders, events(OrderPlaced))]
struct Unquoted;

#[derive(Projection)]
#[projection(name = "v", version = 0, events(OrderPlaced))]
struct Version;

#[derive(Projection)]
#[projection(name = "v", version = "2", events(OrderPlaced))]
struct VersionText;

#[derive(Projection)]
#[projection(name = "m", evnets(OrderPlaced))]
struct Misspelt;

#[derive(Projection)]
#[projection(name = "e", events = OrderPlaced)]
struct EqualsEvents;

#[derive(Projection)]
#[projection(name = "t", events(OrderPlaced, OrderPlaced))]
struct EventTwice;

#[derive(Projection)]
#[projection(name = "h", events(OrderPlaced), ignore(OrderPlaced))]
struct HandledAndIgnored;

#[derive(Projection)]
#[projection(name = "w", events(OrderPlaced), views(Order, Order))]
struct ViewTwice;

#[derive(Projection)]
#[projection(name = "q", events(OrderPlaced), views("Order"))]
struct QuotedView;

#[derive(Projection)]
#[projection(name = "s", events(OrderPlaced), store = "Views")]
struct QuotedStore;

#[derive(Projection)]
#[projection(name = "tables", events(OrderPlaced), views(Order), tables = order_tables)]
struct ViewsAndTables;

#[derive(Projection)]
#[projection(name = "tables", events(OrderPlaced), tables("orders"))]
struct QuotedTables;

#[derive(Projection)]
#[projection(name = "inner", events(OrderPlaced))]
struct Inner {
    #[projection(ignore)]
    field: u64,
}

macro_rules! handlers {
    ($($projection:ident)*) => {$(
        impl Project<OrderPlaced> for $projection {
            async fn project(
                &self,
                _: OrderPlaced,
                context: &mut Context<'_, Self>,
            ) -> Result<(), HandlerError> {
                Ok(context.put(Order { id: 7 })?)
            }
        }
    )*};
}

handlers! { NoAttribute NoName NoEvents EmptyEvents Unquoted VersionText Misspelt EqualsEvents HandledAndIgnored ViewTwice QuotedView QuotedStore ViewsAndTables QuotedTables }
handlers! { Slash Empty Version EventTwice }

fn main() {}
