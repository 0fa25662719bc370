//! The two services in one process, over the in-process bus: the lines are those of the shop in one database.
#![allow(clippy::unwrap_used)]

mod support;

use futures_util::future::join3;
use midgard::bus::InProcessBus;
use midgard::{MemoryStore, block_on};
use midgard_examples::credit::books::Books;
use midgard_examples::credit::import::import;
use midgard_examples::credit::{customers, orders};
use midgard_examples::shop::Cents;
use midgard_examples::shop::listing::Rows;
use std::time::Duration;

const LIMIT: Cents = Cents(10_000);
const SAMPLE: &str = include_str!("../data/CDNOW_sample.txt");

#[test]
fn the_lines_are_those_of_one_database() {
    let (orders_store, customers_store) = (MemoryStore::new(), MemoryStore::new());
    let bus = InProcessBus::new();
    let orders = orders::service(orders_store.clone(), bus.clone());
    let customers = customers::service(customers_store, bus, LIMIT);
    let (orders_handle, customers_handle) = (orders.handle(), customers.handle());
    let (a, b) = (orders.handle(), customers.handle());
    std::thread::spawn(move || {
        for _ in 0..20 {
            std::thread::sleep(Duration::from_secs(1));
            for s in a.status().into_iter().chain(b.status()) {
                eprintln!("{s} handled {}", s.handled);
            }
        }
        std::process::exit(1);
    });
    let driver = async {
        let rows = Rows::new(SAMPLE.as_bytes(), "sample");
        let placed = import(&orders_store, rows, Duration::from_secs(3600))
            .await
            .unwrap();
        let mut books = Books::default();
        books
            .follow_until_decided(&orders_store, placed)
            .await
            .unwrap();
        orders_handle.stop();
        customers_handle.stop();
        books.to_string()
    };
    let (lines, _, _) = block_on(join3(
        driver,
        async { orders.run().await.unwrap() },
        async { customers.run().await.unwrap() },
    ));
    assert_eq!(
        lines,
        "customers 2357\norders 6919\napproved 6296 182538.57\nrejected 623 61553.37\ncds 16479"
    );
}
