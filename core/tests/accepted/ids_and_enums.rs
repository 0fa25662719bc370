//! Ids that are newtypes, asked for in each way that they can be, and an aggregate that applies its whole enum.

use midgard::{Aggregate, AggregateId, Apply, Event, MemoryStore, Repository, View, ViewKey};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, AggregateId)]
struct OrderId(u64);

#[derive(Debug, Clone, PartialEq, AggregateId)]
struct CustomerId {
    text: String,
}

/// No key of views: that is no mistake where it is none.
#[derive(Debug, Clone, PartialEq, AggregateId)]
struct Weight(f64);

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: OrderId,
    customer: CustomerId,
    weight: Weight,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.paid")]
struct OrderPaid {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "order", id = OrderId, events(OrderPlaced, OrderPaid), apply = enum)]
struct Order {
    is_paid: bool,
}

impl Apply<OrderEvent> for Order {
    fn apply(&mut self, event: OrderEvent) {
        match event {
            OrderEvent::OrderPlaced(_) => {}
            OrderEvent::OrderPaid(_) => self.is_paid = true,
        }
    }
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "note", id = String, events(OrderPaid), event_enum = NoteEvent, apply = enum)]
struct Note {}

impl Apply<NoteEvent> for Note {
    fn apply(&mut self, NoteEvent::OrderPaid(_): NoteEvent) {}
}

#[derive(Serialize, Deserialize, View)]
#[view(key = order, index(customer))]
struct Row {
    order: OrderId,
    customer: CustomerId,
}

fn is_key<K: ViewKey>() {}

pub(crate) fn main() {
    is_key::<OrderId>();
    let _ = Row::by_customer(&CustomerId {
        text: "c".to_owned(),
    });
    let orders = Repository::<Order, _>::new(MemoryStore::new());
    let notes = Repository::<Note, _>::new(MemoryStore::new());
    midgard::block_on(async {
        let _ = orders.load(&OrderId(7)).await;
        let _ = notes.load("n-1").await;
        let _ = notes.load(&String::from("n-1")).await;
        let _ = notes.exists("n-1").await;
    });
    let json = serde_json::to_string(&OrderId(7)).unwrap();
    assert_eq!(json, "7");
    assert_eq!("7".parse::<OrderId>().unwrap(), OrderId(7));
}
