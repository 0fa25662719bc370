//! The shop as decision models says the same as the shop of aggregates.

use midgard::repository::Repositories;
use midgard::{MemoryStore, Repository, block_on};
use midgard_example_courses::shop;
use midgard_examples::shop::import::import;
use midgard_examples::shop::listing::{ListingError, Row, Rows};
use midgard_examples::shop::report::Report;
use midgard_examples::shop::{Cents, SAMPLE};
use std::fs;

const LIMIT: Cents = Cents(10_000);
/// As many rows as are decided in a moment, as the store in memory looks through all events for each.
const ROWS: usize = 600;

fn rows(text: &str) -> impl Iterator<Item = Result<Row, ListingError>> {
    Rows::new(text.as_bytes(), "sample").take(ROWS)
}

#[test]
fn both_forms_of_the_shop_print_the_same_five_lines() {
    let text = fs::read_to_string(SAMPLE).unwrap();
    block_on(async {
        let customers = Repository::new(MemoryStore::new());
        import(&customers, rows(&text), LIMIT, || {}).await.unwrap();
        let expected = Report::of(customers.store()).await.unwrap();
        assert!(expected.rejected.orders > 0, "some are over the limit");

        let store = MemoryStore::new();
        let repositories = Repositories::new(store.clone());
        for _ in 0..2 {
            // The second run recognises all orders.
            shop::import(&repositories, rows(&text), LIMIT)
                .await
                .unwrap();
            let report = shop::report(&store).await.unwrap();
            assert_eq!(report.to_string(), expected.to_string());
        }
    });
}
