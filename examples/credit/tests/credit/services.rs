//! The services in one process, over a bus that may be unruly.

use crate::expected::expected_report;
use crate::unruly::Unruly;
use futures_util::future::{join, join3, ready};
use midgard::bus::{ForeignMessage, InProcessBus, Message, Publisher, Purpose, Subscriber, Topic};
use midgard::event::Encoded;
use midgard::inbox::ParkedMessage;
use midgard::{MemoryStore, block_on};
use midgard_example_credit::books::Books;
use midgard_example_credit::import::import;
use midgard_example_credit::{customers, orders};
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

/// Runs both services until all orders are decided; gives the lines, and what the customers have parked.
fn lines<B: Publisher + Subscriber + Clone>(
    listing: &str,
    bus: B,
    meanwhile: impl Future<Output = ()>,
) -> (String, Vec<ParkedMessage>) {
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
        join(decided, meanwhile).await.0.unwrap();
        let parked = customers_handle.parked_messages("customers");
        let parked = parked.await.unwrap();
        orders_handle.stop();
        customers_handle.stop();
        (format!("{books}\n"), parked)
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
    let (lines, parked) = lines(&listing, InProcessBus::new(), ready(()));
    assert_eq!(lines, expected_report(&listing, LIMIT.0));
    assert_eq!(parked, []);
}

#[test]
fn messages_that_come_twice_and_late_change_nothing() {
    let listing = listing();
    for seed in 0..5 {
        let bus = Unruly::new(InProcessBus::new(), seed);
        let (lines, parked) = lines(&listing, bus.clone(), ready(()));
        assert_eq!(lines, expected_report(&listing, LIMIT.0), "seed {seed}");
        assert_eq!(parked, []);
        assert!(bus.repeated() > 100, "only {} repeated", bus.repeated());
    }
}

#[test]
fn what_strangers_send_is_parked_and_changes_nothing() {
    let listing = listing();
    let bus = InProcessBus::new();
    let command = |name: &'static str, version, data: &str| {
        let service = "customers".to_owned();
        let data = data.as_bytes().to_vec();
        // The key of a customer whose commands must not wait behind it.
        Message::new(
            Purpose::Command { service },
            "a stranger",
            Encoded::json(name, version, data),
        )
        .with_key("00001")
    };
    let garbage = [
        command("credit.reserve", 1, "no JSON"),
        command("credit.reserve", 1, r#"{"customer":"x"}"#),
        command("credit.reserve", 2, r#"{"customer":1}"#),
        Message::event("a stranger", "order.cancelled", 1, Vec::new()).with_key("00001"),
    ];
    let stranger = async {
        let no_envelope = ForeignMessage::new("it has no attributes", Vec::new(), vec![0xff; 100]);
        let topic = Topic::command("customers", "credit.reserve");
        bus.send_foreign(&topic, no_envelope);
        for message in garbage {
            bus.publish(&[message]).await.unwrap();
        }
    };
    let (lines, parked) = lines(&listing, bus.clone(), stranger);
    assert_eq!(lines, expected_report(&listing, LIMIT.0));
    assert_eq!(parked.len(), 5, "{parked:?}");
    assert!(parked.iter().all(|parked| !parked.error.is_empty()));
}
