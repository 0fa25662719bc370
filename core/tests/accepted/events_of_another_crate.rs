//! An aggregate, and a set, of events that another crate defines.
#![deny(warnings)]

use midgard::aggregate::Fold as _;
use midgard::{Aggregate, Apply, EventSet};
use midgard_test_events::OrderPlaced;

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "order", id = String, events(OrderPlaced))]
struct Order {
    article: String,
}

impl Apply<OrderPlaced> for Order {
    fn apply(&mut self, event: OrderPlaced) {
        self.article = event.article;
    }
}

#[derive(EventSet)]
enum All {
    Placed(midgard_test_events::OrderPlaced),
}

pub(crate) fn main() {
    let mut order = Order::default();
    let event = OrderPlaced {
        article: "pen".into(),
    };
    order.apply_event(event.clone().into());
    assert_eq!(order.article, "pen");
    assert_eq!(All::from(event).name(), "order.placed");
}
