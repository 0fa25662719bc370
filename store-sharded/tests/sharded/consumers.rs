//! Consumers on a store with several shards.

use midgard::bus::InProcessBus;
use midgard::event::RecordedEventRef;
use midgard::repository::{ExecuteError, Repositories};
use midgard::{
    Aggregate, Apply, Command, Context, Event, Events, HandlerResult, MemoryStore, Midgard,
    ProcessManager, Processes, Project, Projection, React, Reactions, Repository, StartFrom, View,
    Views, block_on, events,
};
use midgard_store_sharded::{Routing, ShardedStore};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

const ORDERS: u64 = 40;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct Placed {
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.confirmed")]
struct Confirmed {
    order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "payment.made")]
struct Paid {
    order: u64,
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "order", id = u64, events(Placed, Confirmed))]
struct Order;

impl Apply<Placed> for Order {
    fn apply(&mut self, _: Placed) {}
}

impl Apply<Confirmed> for Order {
    fn apply(&mut self, _: Confirmed) {}
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "payment", id = u64, events(Paid))]
struct Payment;

impl Apply<Paid> for Payment {
    fn apply(&mut self, _: Paid) {}
}

struct Place(u64);

impl Command<Order> for Place {
    type Error = Infallible;

    fn decide(&self, _: &Order) -> Result<Events<Order>, Self::Error> {
        Ok(events![Placed { order: self.0 }])
    }
}

#[derive(Debug)]
struct Confirm(u64);

impl Command<Order> for Confirm {
    type Error = Infallible;

    fn decide(&self, _: &Order) -> Result<Events<Order>, Self::Error> {
        Ok(events![Confirmed { order: self.0 }])
    }
}

#[derive(Debug)]
struct Pay(u64);

impl Command<Payment> for Pay {
    type Error = Infallible;

    fn decide(&self, _: &Payment) -> Result<Events<Payment>, Self::Error> {
        Ok(events![Paid { order: self.0 }])
    }
}

/// Pays each order, and confirms what is paid.
#[derive(Debug, Default, ProcessManager)]
#[process_manager(name = "checkout", id = u64, events(Placed, Paid))]
struct Checkout;

impl React<Placed> for Checkout {
    fn process(event: &Placed, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(event.order)
    }

    fn react(&mut self, event: Placed, reactions: &mut Reactions<Self>) {
        reactions.execute::<Payment, _>(event.order, Pay(event.order));
    }
}

impl React<Paid> for Checkout {
    fn process(event: &Paid, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(event.order)
    }

    fn react(&mut self, event: Paid, reactions: &mut Reactions<Self>) {
        reactions.execute::<Order, _>(event.order, Confirm(event.order));
    }
}

#[derive(Debug, Default, Serialize, Deserialize, View)]
#[view(key = order)]
struct Row {
    order: u64,
    events: u32,
}

#[derive(Projection)]
#[projection(name = "rows", events(Placed, Confirmed, Paid), views(Row))]
struct Rows;

fn count(order: u64, context: &mut Context<'_, Rows>) -> HandlerResult {
    let new = || Row { order, events: 0 };
    context.upsert(order, new, |row: &mut Row| row.events += 1)?;
    Ok(())
}

macro_rules! counts {
    ($($event:ident)*) => {
        $(impl Project<$event> for Rows {
            async fn project(&self, event: $event, context: &mut Context<'_, Self>) -> HandlerResult {
                count(event.order, context)
            }
        })*
    };
}
counts!(Placed Confirmed Paid);

#[test]
fn a_unit_of_work_names_the_place_of_its_events_in_their_log() {
    let shards: [MemoryStore; 3] = Default::default();
    let store = block_on(ShardedStore::open_routed(shards, Routing::Id)).unwrap();
    let shop = Repositories::new(store.clone());
    for order in 0..20 {
        let place = || {
            let key = order.to_string();
            let placed = shop.execute_together_once(&key, async |unit| {
                unit.execute::<Order, _>(&order, &Place(order)).await?;
                unit.execute::<Payment, _>(&order, &Pay(order)).await?;
                Ok::<_, ExecuteError<Infallible>>(order)
            });
            block_on(placed).unwrap().place.unwrap()
        };
        let first = place();
        let payment = block_on(shop.of::<Payment>().load(&order)).unwrap();
        assert_eq!(Some(first), payment.place());
        assert_eq!(first.log, store.log_of(payment.stream()));
        assert_eq!(place(), first, "the same key");
    }
}

#[test]
fn a_process_manager_and_a_projection_handle_each_event_of_each_shard_once() {
    let shards: [MemoryStore; 3] = Default::default();
    let store = block_on(ShardedStore::open_routed(shards, Routing::Id)).unwrap();
    let orders = Repository::<Order, _>::new(store.clone());
    let views = Views::new(MemoryStore::new());
    let catch_up = || {
        let checkout =
            Processes::<Checkout>::new(StartFrom::Start).replies_from(InProcessBus::new());
        let midgard = Midgard::new(store.clone())
            .outbox_elsewhere()
            .process_manager(checkout)
            .project(Rows, views.clone());
        block_on(midgard.catch_up()).unwrap();
    };
    for order in 0..ORDERS {
        block_on(orders.execute(&order, &Place(order))).unwrap();
        if order % 7 == 0 {
            catch_up();
        }
    }
    // Once for the payments of the last orders, and once for their confirmations.
    (0..4).for_each(|_| catch_up());
    for order in 0..ORDERS {
        let row = views.get::<Row>(&order).unwrap().unwrap();
        assert_eq!(row.events, 3, "order {order}");
    }
}
