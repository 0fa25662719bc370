//! The services in one process, over a bus that may be unruly.

use crate::support::expected_report;
use crate::unruly::Unruly;
use futures_util::future::join3;
use midgard::bus::{InProcessBus, Publisher, Subscriber};
use midgard::{MemoryStore, block_on};
use midgard_examples::credit::books::Books;
use midgard_examples::credit::import::import;
use midgard_examples::credit::{customers, orders};
use midgard_examples::shop::listing::Rows;
use midgard_examples::shop::{Cents, generate};
use std::time::Duration;

pub(crate) const LIMIT: Cents = Cents(10_000);

/// A listing of a few hundred orders.
pub(crate) fn listing() -> String {
    let mut listing = Vec::new();
    generate::listing(150, &mut listing).unwrap();
    String::from_utf8(listing).unwrap()
}

/// Runs both services until all orders are decided; gives the lines.
fn lines<B: Publisher + Subscriber + Clone>(listing: &str, bus: B) -> String {
    let (orders_store, customers_store) = (MemoryStore::new(), MemoryStore::new());
    let orders = orders::service(orders_store.clone(), bus.clone(), "outbox");
    let customers = customers::service(customers_store, bus, "outbox", LIMIT);
    let (orders_handle, customers_handle) = (orders.handle(), customers.handle());
    let driver = async {
        let rows = Rows::new(listing.as_bytes(), "listing");
        let placed = import(&orders_store, rows, Duration::from_secs(3600));
        let placed = placed.await.unwrap();
        let mut books = Books::default();
        let decided = books.follow_until_decided(&orders_store, placed);
        decided.await.unwrap();
        orders_handle.stop();
        customers_handle.stop();
        format!("{books}\n")
    };
    block_on(async {
        customers.declare().await.unwrap();
        let (lines, orders, customers) = join3(driver, orders.run(), customers.run()).await;
        orders.unwrap();
        customers.unwrap();
        lines
    })
}

#[test]
fn the_lines_are_those_of_one_database() {
    let listing = listing();
    let lines = lines(&listing, InProcessBus::new());
    assert_eq!(lines, expected_report(&listing, LIMIT.0));
}

#[test]
fn messages_that_come_twice_and_late_change_nothing() {
    let listing = listing();
    for seed in 0..5 {
        let bus = Unruly::new(InProcessBus::new(), seed);
        let lines = lines(&listing, bus.clone());
        assert_eq!(lines, expected_report(&listing, LIMIT.0), "seed {seed}");
        assert!(bus.repeated() > 100, "only {} repeated", bus.repeated());
    }
}
