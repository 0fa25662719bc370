//! Events that reach several rows.

use super::kit::append_event;
use midgard::consumer::ConsumerOptions;
use midgard::view::Select;
use midgard::{
    Context, Event, HandlerError, MemoryStore, Midgard, Project, Projection, View, Views, block_on,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "shelf.stocked")]
struct Stocked {
    shelf: String,
    product: String,
    count: u64,
}

/// An event with parts, each of which has a row of its own.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "shelf.sold")]
struct Sold {
    shelf: String,
    lines: Vec<(String, u64)>,
}

/// An event that names two shelves.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "shelf.moved")]
struct Moved {
    from: String,
    to: String,
    product: String,
    count: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = (shelf, product))]
struct Stock {
    shelf: String,
    product: String,
    count: u64,
    changes: u64,
}

#[derive(Projection)]
#[projection(name = "stock", events(Stocked, Sold, Moved), views(Stock))]
struct Stocks;

fn change(
    shelf: &str,
    product: &str,
    by: i64,
    context: &mut Context<'_, Stocks>,
) -> Result<(), HandlerError> {
    let key = (shelf.to_owned(), product.to_owned());
    let none = || Stock {
        shelf: shelf.to_owned(),
        product: product.to_owned(),
        count: 0,
        changes: 0,
    };
    context.upsert(&key, none, |stock: &mut Stock| {
        stock.count = stock.count.saturating_add_signed(by);
        stock.changes += 1;
    })?;
    Ok(())
}

impl Project<Stocked> for Stocks {
    async fn project(
        &self,
        event: Stocked,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        change(
            &event.shelf,
            &event.product,
            event.count.cast_signed(),
            context,
        )
    }
}

impl Project<Sold> for Stocks {
    async fn project(
        &self,
        event: Sold,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        for (product, count) in &event.lines {
            if *count == 13 {
                return Err("13 brings bad luck".into());
            }
            change(&event.shelf, product, -count.cast_signed(), context)?;
        }
        Ok(())
    }
}

impl Project<Moved> for Stocks {
    async fn project(
        &self,
        event: Moved,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let count = event.count.cast_signed();
        change(&event.from, &event.product, -count, context)?;
        change(&event.to, &event.product, count, context)
    }
}

fn stocked(store: &MemoryStore, shelf: &str, product: &str, count: u64) {
    let [shelf, product] = [shelf, product].map(str::to_owned);
    let event = Stocked {
        shelf,
        product,
        count,
    };
    append_event(store, "stocking", &event);
}

fn sold(store: &MemoryStore, shelf: &str, lines: &[(&str, u64)]) {
    let lines = lines
        .iter()
        .map(|(product, count)| ((*product).to_owned(), *count));
    let shelf = shelf.to_owned();
    let lines = lines.collect();
    append_event(store, "selling", &Sold { shelf, lines });
}

fn project(store: &MemoryStore, views: &Views, options: ConsumerOptions) {
    let midgard = Midgard::new(store.clone()).project_with(Stocks, views.clone(), options);
    block_on(midgard.catch_up()).unwrap();
}

/// Shelf, product, how many there are, and how often that has changed.
fn stocks(views: &Views) -> Vec<(String, String, u64, u64)> {
    let rows = views.select(Select::<Stock>::all()).unwrap().into_iter();
    rows.map(|row| (row.shelf, row.product, row.count, row.changes))
        .collect()
}

fn row(shelf: &str, product: &str, count: u64, changes: u64) -> (String, String, u64, u64) {
    (shelf.to_owned(), product.to_owned(), count, changes)
}

#[test]
fn one_event_reaches_every_identity_it_names() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    stocked(&store, "a", "tea", 10);
    let [from, to, product] = ["a", "b", "tea"].map(str::to_owned);
    let moved = Moved {
        from,
        to,
        product,
        count: 4,
    };
    append_event(&store, "moving", &moved);
    project(&store, &views, ConsumerOptions::new());
    assert_eq!(
        stocks(&views),
        [row("a", "tea", 6, 2), row("b", "tea", 4, 1)]
    );
}

#[test]
fn a_fanned_out_event_applies_each_child_inside_its_parents_identity() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    for shelf in ["a", "b"] {
        for product in ["rice", "tea"] {
            stocked(&store, shelf, product, 10);
        }
    }
    // A fanned out child composes with ordinary events on the same row, and with other children of its event.
    sold(&store, "a", &[("tea", 1), ("rice", 2), ("tea", 3)]);
    stocked(&store, "a", "tea", 5);
    project(&store, &views, ConsumerOptions::new());
    let expected = [
        row("a", "rice", 8, 2),
        row("a", "tea", 11, 4),
        row("b", "rice", 10, 1),
        row("b", "tea", 10, 1),
    ];
    assert_eq!(stocks(&views), expected);
}

#[test]
fn an_event_that_fails_at_one_of_its_rows_reaches_none() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    stocked(&store, "a", "tea", 10);
    sold(&store, "a", &[("tea", 1), ("rice", 13)]);
    sold(&store, "a", &[("tea", 2)]);
    let skipping = midgard::consumer::FailurePolicy::retry(0).then_skip();
    project(&store, &views, ConsumerOptions::new().on_failure(skipping));
    assert_eq!(stocks(&views), [row("a", "tea", 8, 2)]);
}
