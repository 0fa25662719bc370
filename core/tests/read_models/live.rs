//! Projections that are folded on demand.

use super::kit::{Balance, Balances, accounts, ann_and_bob, balances, count, pay};
use midgard::Views;
use midgard::view::Select;
use midgard::view::{Live, LiveError};
use midgard::{MemoryStore, Midgard, Place, Position, StreamName, block_on};

fn folded(live: &Live<Balances<1>, MemoryStore>) -> Vec<(String, u64)> {
    let views = block_on(live.views()).unwrap();
    let rows = views.select(Select::<Balance>::all()).unwrap();
    rows.into_iter()
        .map(|row| (row.account, row.cents))
        .collect()
}

#[test]
fn the_async_lifecycle_produces_the_same_rows_as_the_live_one() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let live = Live::new(Balances::<1>::default(), store.clone());
    assert!(folded(&live).is_empty());
    for _ in 0..3 {
        accounts(&store);
        count(&store, "other", [1]);
        let midgard = Midgard::new(store.clone());
        let projected = midgard.project(Balances::<1>::default(), views.clone());
        block_on(projected.catch_up()).unwrap();
        assert_eq!(folded(&live), balances(&views));
    }
    assert_eq!(folded(&live), ann_and_bob(60, 24));
}

#[test]
fn it_is_as_new_as_the_log_and_does_nothing_beside() {
    let store = MemoryStore::new();
    let projection = Balances::<1>::default();
    let live = Live::new(projection.clone(), store.clone());
    for cents in 1..=100 {
        let last = pay(&store, "ann", 1);
        assert_eq!(folded(&live), [("ann".to_owned(), cents)]);
        let place = block_on(live.views()).unwrap().place_of::<Balances<1>>();
        assert_eq!(place.unwrap(), Place::main(last));
    }
    assert_eq!(projection.replays(), 100, "every event is folded once");
    assert_eq!(projection.effects(), 0);
}

#[test]
fn it_may_be_of_one_stream() {
    let store = MemoryStore::new();
    accounts(&store);
    let stream = StreamName::new("account-ann").unwrap();
    let live = Live::of_stream(Balances::<1>::default(), store.clone(), stream);
    assert_eq!(folded(&live), [("ann".to_owned(), 20)]);
    pay(&store, "bob", 1);
    count(&store, "account-ann", [1]);
    pay(&store, "ann", 1);
    assert_eq!(folded(&live), [("ann".to_owned(), 21)]);
}

#[test]
fn an_event_that_fails_is_an_error_and_is_tried_again() {
    let store = MemoryStore::new();
    accounts(&store);
    let live = Live::new(Balances::<1>::refusing(1), store);
    let error = block_on(live.views()).unwrap_err();
    assert!(
        matches!(&error, LiveError::Project { place, .. } if *place == Place::main(Position(3))),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "live projection \"balances\" failed on event \"paid\" at position 3: 13 brings bad luck"
    );
    assert_eq!(folded(&live), ann_and_bob(20, 8));
}
