//! Handlers that fail: nothing of a failed event stays, and nothing of others is lost.

use super::kit::{
    Balances, Database, accounts, ann_and_bob, at_once, block_on, catch_up, midgard, pay, start,
};
use midgard::{MemoryStore, Position};
use std::sync::atomic::Ordering;

fn refusing(times: u64) -> Balances<1> {
    let balances = Balances::default();
    balances.refusals.store(times, Ordering::SeqCst);
    balances
}

#[test]
fn a_second_run_adds_nothing_and_events_that_came_meanwhile_are_added() {
    let (store, database) = (MemoryStore::new(), Database::new());
    accounts(&store);
    for _ in 0..3 {
        catch_up(&store, &database, &Balances::<1>::default()).unwrap();
        assert_eq!(database.balances(), ann_and_bob(20, 8));
        assert_eq!(database.payments().len(), 5);
    }
    pay(&store, "bob", 100);
    catch_up(&store, &database, &Balances::<1>::default()).unwrap();
    assert_eq!(database.balances(), ann_and_bob(20, 108));
}

#[test]
fn a_handler_that_fails_on_the_first_event_leaves_neither_rows_nor_a_checkpoint() {
    let (store, database) = (MemoryStore::new(), Database::new());
    pay(&store, "ann", 13);
    let error = catch_up(&store, &database, &refusing(9)).unwrap_err();
    assert!(error.to_string().contains("13 brings bad luck"), "{error}");
    assert_eq!(database.balances(), []);
    assert_eq!(database.payments(), []);
    assert_eq!(database.checkpoint(), None);
}

#[test]
fn a_handler_that_fails_in_the_middle_leaves_what_was_before_and_is_gone_on_from_there() {
    let (store, database) = (MemoryStore::new(), Database::new());
    accounts(&store);
    let error = catch_up(&store, &database, &refusing(9)).unwrap_err();
    assert!(error.to_string().contains("before position 3"), "{error}");
    assert_eq!(database.balances(), ann_and_bob(5, 7));
    assert_eq!(database.checkpoint(), Some(2));
    catch_up(&store, &database, &Balances::<1>::default()).unwrap();
    assert_eq!(database.balances(), ann_and_bob(20, 8));
    assert_eq!(database.checkpoint(), Some(5));
}

#[test]
fn a_skipped_event_leaves_no_row() {
    let (store, database) = (MemoryStore::new(), Database::new());
    accounts(&store);
    let midgard = midgard(&store, &database, &refusing(9), at_once().then_skip());
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(database.balances(), ann_and_bob(7, 8));
    assert_eq!(database.payments().len(), 4);
    assert_eq!(database.checkpoint(), Some(5));
}

#[test]
fn a_parked_sequence_is_retried_in_order_and_counted_once() {
    let (store, database) = (MemoryStore::new(), Database::new());
    accounts(&store);
    let projection = refusing(9);
    let running = start(midgard(
        &store,
        &database,
        &projection,
        at_once().then_park(),
    ));
    running.wait(Position(5));
    assert_eq!(database.balances(), ann_and_bob(5, 8));
    let letters = block_on(running.handle.dead_letters("balances")).unwrap();
    let positions: Vec<_> = letters
        .iter()
        .map(|letter| letter.place.position.get())
        .collect();
    assert_eq!(positions, [3, 5], "the later payment of its account waits");
    assert_eq!(letters[0].error, "13 brings bad luck");

    // Of a retry that fails, nothing stays either.
    block_on(running.handle.retry("balances", "account-ann")).unwrap();
    let retried = || async {
        let letters = running.handle.dead_letters("balances").await.unwrap();
        letters[0].failures == 2
    };
    while !block_on(retried()) {
        std::thread::yield_now();
    }
    assert_eq!(database.balances(), ann_and_bob(5, 8));

    projection.refusals.store(0, Ordering::SeqCst);
    block_on(running.handle.retry("balances", "account-ann")).unwrap();
    running.wait_until(|status| status.parked == 0);
    assert_eq!(database.balances(), ann_and_bob(20, 8));
    running.stop().unwrap();
    assert_eq!(database.payments().len(), 5);
}

#[test]
fn events_are_not_lost_when_the_database_undoes_them_and_the_handler_says_nothing() {
    let (store, database) = (MemoryStore::new(), Database::new());
    pay(&store, "bob", 7);
    pay(&store, "ann", 13);
    let projection = Balances::<1>::default();
    projection.undone.store(1, Ordering::SeqCst);
    let running = start(midgard(&store, &database, &projection, at_once()));
    running.wait(Position(2));
    let last = pay(&store, "ann", 1);
    running.wait(last);
    running.stop().unwrap();
    assert_eq!(database.balances(), ann_and_bob(14, 7));
}
