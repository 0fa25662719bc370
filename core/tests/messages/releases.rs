//! An old and a new release of an outbox on one store: at once, and one after the other.

use super::kit::{Outlet, Told, append, start, tell};
use midgard::bus::Message;
use midgard::consumer::{ConsumerOptions, ConsumerState, FailurePolicy};
use midgard::event::{NewEvent, Registry};
use midgard::{Event, MemoryStore, Midgard, Outbox, Position, block_on};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "voided")]
#[publish]
struct Voided {
    number: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "sealed")]
#[publish]
struct SealedV1 {
    number: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "sealed", version = 2, upcast_from = SealedV1)]
#[publish]
struct Sealed {
    number: u64,
    with: String,
}

impl From<SealedV1> for Sealed {
    fn from(old: SealedV1) -> Self {
        Sealed {
            number: old.number,
            with: "wax".to_owned(),
        }
    }
}

fn options() -> ConsumerOptions {
    ConsumerOptions::new()
        .lease(Duration::from_millis(90))
        .on_failure(FailurePolicy::retry(0).then_park())
}

fn old(store: &MemoryStore, bus: &Outlet) -> Midgard<MemoryStore> {
    let known = Registry::new().with::<Told>().unwrap();
    let known = known.with::<SealedV1>().unwrap();
    let outbox = Outbox::new("orders").options(options().knows(&known));
    let outbox = outbox.publish::<Told>().publish::<SealedV1>();
    Midgard::new(store.clone()).outbox(outbox, bus.clone())
}

fn new(store: &MemoryStore, bus: &Outlet) -> Midgard<MemoryStore> {
    let outbox = Outbox::new("orders").options(options());
    let outbox = outbox.publish::<Told>().publish::<Voided>();
    Midgard::new(store.clone()).outbox(outbox.publish::<Sealed>(), bus.clone())
}

fn void(store: &MemoryStore, number: u64) -> Position {
    append(
        store,
        "orders-1",
        NewEvent::encode(&Voided { number }).unwrap(),
    )
}

fn seal(store: &MemoryStore, number: u64) -> Position {
    let with = "lead".to_owned();
    append(
        store,
        "orders-1",
        NewEvent::encode(&Sealed { number, with }).unwrap(),
    )
}

fn numbers(messages: &[Message]) -> Vec<u64> {
    let mut numbers: Vec<u64> = messages.iter().map(super::kit::number).collect();
    // At least once.
    numbers.dedup();
    numbers
}

#[test]
fn an_event_that_only_the_new_release_publishes_leaves_while_the_old_one_runs_beside() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    tell(&store, "orders-1", "ann", 1);
    let older = start(old(&store, &bus));
    bus.wait_for(1);
    // It publishes, and owns the lease; then the new one comes, and stands by.
    let newer = start(new(&store, &bus));
    older.wait_until("outbox", |status| {
        let last = status.last_error.as_ref();
        status.state == ConsumerState::Standby
            && last.is_some_and(|error| error.message.contains("also handle"))
    });
    void(&store, 2);
    let last = tell(&store, "orders-1", "ann", 3);
    newer.wait("outbox", last);
    older.stop().unwrap();
    newer.stop().unwrap();
    void(&store, 4);
    let error = block_on(old(&store, &bus).catch_up())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("also handle version 2 of \"sealed\", \"voided\""),
        "{error}"
    );
    block_on(new(&store, &bus).catch_up()).unwrap();
    assert_eq!(numbers(&bus.published()), [1, 2, 3, 4]);
}

#[test]
fn what_the_old_release_passed_or_parked_as_it_did_not_know_it_leaves_with_the_new_one() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    tell(&store, "orders-1", "ann", 1);
    void(&store, 2);
    seal(&store, 3);
    tell(&store, "orders-1", "ann", 4);
    tell(&store, "orders-2", "bob", 5);
    block_on(old(&store, &bus).catch_up()).unwrap();
    assert_eq!(numbers(&bus.published()), [1, 5]);
    let letters = block_on(new(&store, &bus).handle().dead_letters("outbox")).unwrap();
    assert_eq!(letters.len(), 2);
    let newer = start(new(&store, &bus));
    bus.wait_for(5);
    newer.wait_until("outbox", |status| status.parked == 0);
    newer.stop().unwrap();
    let mut all = numbers(&bus.published());
    assert_eq!(all[..2], [1, 5]);
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3, 4, 5]);
    let published = bus.published();
    let place = |wanted| {
        published
            .iter()
            .position(|one| super::kit::number(one) == wanted)
    };
    assert!(
        place(2) < place(3) && place(3) < place(4),
        "the key is in order"
    );
    block_on(new(&store, &bus).catch_up()).unwrap();
    assert_eq!(bus.published().len(), 5);
}
