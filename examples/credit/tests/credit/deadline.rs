//! Orders that nobody decides in time.

use crate::services::LIMIT;
use futures_util::TryStreamExt as _;
use futures_util::future::join;
use midgard::bus::InProcessBus;
use midgard::store::{Query, QueryItem, ReadLog};
use midgard::{Event as _, Store as _};
use midgard::{MemoryStore, Repository, block_on};
use midgard_example_credit::books::Books;
use midgard_example_credit::customers::{self, Credit, Released, Reserved};
use midgard_example_credit::import::import;
use midgard_example_credit::orders;
use midgard_examples::shop::Cents;
use midgard_examples::shop::customer::CustomerId;
use midgard_examples::shop::listing::Rows;
use std::time::Duration;

const LISTING: &str = "00004 19970101 2 29.33\n00004 19970118 2 29.73\n00021 19970101 3 63.34\n";

/// The names of the credit's events, in order.
async fn credit_events(store: &MemoryStore) -> Vec<String> {
    let names = QueryItem::new().name(Reserved::NAME).name(Released::NAME);
    let read = ReadLog::forward().matching(Query::from(names));
    let events: Vec<_> = store.events(read).try_collect().await.unwrap();
    events.into_iter().map(|event| event.name).collect()
}

#[test]
fn an_order_that_nobody_decides_is_cancelled_and_its_credit_is_released() {
    let (orders_store, customers_store) = (MemoryStore::new(), MemoryStore::new());
    let bus = InProcessBus::new();
    block_on(async {
        // The customers are there, as far as the bus knows, but they do not answer.
        let silent = customers::service(customers_store.clone(), bus.clone(), "outbox", LIMIT);
        silent.declare().await.unwrap();
        drop(silent);
        let orders = orders::service(orders_store.clone(), bus.clone(), "outbox");
        let handle = orders.handle();
        let driver = async {
            let rows = Rows::new(LISTING.as_bytes(), "listing");
            let placed = import(&orders_store, rows, Duration::ZERO).await.unwrap();
            let mut books = Books::default();
            let decided = books.follow_until_decided(&orders_store, placed);
            decided.await.unwrap();
            handle.stop();
            books.to_string()
        };
        let (lines, ended) = join(driver, orders.run()).await;
        ended.unwrap();
        assert_eq!(
            lines,
            "customers 2\norders 0\napproved 0 0.00\nrejected 0 0.00\ncds 7\ncancelled 3 122.40"
        );

        // Now they are: first they are asked for credit, and then told that it is no longer needed.
        let orders = orders::service(orders_store.clone(), bus.clone(), "outbox");
        let customers = customers::service(customers_store.clone(), bus, "outbox", LIMIT);
        let (stop_orders, stop_customers) = (orders.handle(), customers.handle());
        let driver = async {
            let released = customers_store
                .events(ReadLog::forward().matching(Query::events::<Released>()))
                .follow();
            let mut released = Box::pin(released);
            for _ in 0..3 {
                released.try_next().await.unwrap();
            }
            stop_orders.stop();
            stop_customers.stop();
        };
        let services = join(orders.run(), customers.run());
        let ((), (orders, customers)) = join(driver, services).await;
        orders.unwrap();
        customers.unwrap();

        let mut events = credit_events(&customers_store).await;
        events.sort_unstable();
        assert_eq!(events[..3], ["credit.released"; 3]);
        assert_eq!(events[3..], ["credit.reserved"; 3]);
        let credits = Repository::<Credit, _>::new(customers_store);
        for customer in [4, 21] {
            let credit = credits.load(&CustomerId(customer)).await.unwrap();
            let month = "19970101".parse::<midgard_examples::shop::Date>().unwrap();
            assert_eq!(credit.state().owed(month.month()), Cents::ZERO);
        }
    });
}
