//! Logs that are longer than what is read at once: the next events are read while those before them are
//! committed.

use super::kit::Paid;
use super::kit::{Balances, Running, append_all, balances, pay, quick, start};
use midgard::consumer::ConsumerOptions;
use midgard::event::NewEvent;
use midgard::{EventId, MemoryStore, Midgard, Position, Views};

/// More than twice as many as are read at once.
const MANY: u64 = 9_000;

/// Pays a cent to ann so often, in a stream of its own for each few.
fn pay_often(store: &MemoryStore, times: u64) -> Position {
    let paid = Paid {
        account: "ann".to_owned(),
        cents: 1,
    };
    let pay = |first| {
        let events = (first..times.min(first + 100)).map(|_| NewEvent::encode(&paid).unwrap());
        let stream = format!("payment-{}", EventId::new());
        append_all(store, &stream, events)
    };
    (0..times).step_by(100).map(pay).last().unwrap()
}

fn project(store: &MemoryStore, views: &Views, projection: &Balances<1>) -> Running {
    let options = ConsumerOptions::new().on_failure(quick());
    let midgard = Midgard::new(store.clone());
    start(midgard.project_with(projection.clone(), views.clone(), options))
}

fn balance(views: &Views) -> Vec<u64> {
    balances(views)
        .into_iter()
        .map(|(_, cents)| cents)
        .collect()
}

#[test]
fn every_event_of_a_long_log_has_its_effect_once_while_more_are_appended() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    pay_often(&store, MANY);
    let projection = Balances::<1>::default();
    let running = project(&store, &views, &projection);
    let mut last = Position::ZERO;
    for _ in 0..50 {
        last = pay_often(&store, 100);
    }
    running.wait("balances", last);
    running.stop().unwrap();
    assert_eq!(balance(&views), [MANY + 5_000]);
    assert_eq!(projection.effects(), MANY + 5_000);
}

#[test]
fn an_event_that_fails_in_the_middle_of_a_long_log_neither_hides_nor_repeats_others() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    pay_often(&store, 4_000);
    pay(&store, "ann", 13);
    pay_often(&store, 5_000);
    pay(&store, "ann", 13);
    let last = pay_often(&store, 4_000);
    // The first of them fails twice, the second once.
    let projection = Balances::<1>::refusing(3);
    let running = project(&store, &views, &projection);
    running.wait("balances", last);
    running.stop().unwrap();
    assert_eq!(balance(&views), [13_026]);
    assert_eq!(projection.effects(), 13_002);
}
