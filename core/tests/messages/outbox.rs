//! What leaves the log, in which form and order, and what is done when it cannot.

use super::kit::{LONG, Noted, Outlet, Told, append, start, tell, within};
use midgard::consumer::{ConsumerOptions, ConsumerState, FailurePolicy};
use midgard::event::NewEvent;
use midgard::outbox::Unheard;
use midgard::{Event, EventId, MemoryStore, Metadata, Midgard, Outbox, Place, Position, block_on};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

/// The form that others know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "shop.noted")]
#[publish]
struct PublicNote {
    number: u64,
    from: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "priced")]
struct PricedV1 {
    number: u64,
}

impl From<PricedV1> for Priced {
    fn from(old: PricedV1) -> Self {
        Priced {
            number: old.number,
            currency: "EUR".to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "priced", version = 2, upcast_from = PricedV1)]
#[publish]
struct Priced {
    number: u64,
    currency: String,
}

fn outbox() -> Outbox {
    Outbox::new("orders").publish::<Told>()
}

fn midgard(store: &MemoryStore, bus: &Outlet, outbox: Outbox) -> Midgard<MemoryStore> {
    Midgard::new(store.clone()).outbox(outbox, bus.clone())
}

fn note(store: &MemoryStore, stream: &str, number: u64) -> Position {
    append(store, stream, NewEvent::encode(&Noted { number }).unwrap())
}

#[test]
fn what_leaves_is_what_the_builder_says_in_the_order_of_the_log() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    for number in 0..30 {
        let stream = format!("orders-{}", number % 3);
        match number % 5 {
            0 => note(&store, &stream, number),
            1 => append(&store, &stream, NewEvent::json("secret", 1, b"{}".to_vec())),
            _ => tell(&store, &stream, "ann", number),
        };
    }
    assert!(bus.published().is_empty(), "an append publishes nothing");
    let outbox = outbox().map(|noted: Noted, event| {
        let form = PublicNote {
            number: noted.number,
            from: event.stream.to_owned(),
        };
        (noted.number != 10).then_some(form)
    });
    within(midgard(&store, &bus, outbox).catch_up()).unwrap();
    let wanted: Vec<u64> = (0..30)
        .filter(|number| number % 5 != 1 && *number != 10)
        .collect();
    assert_eq!(bus.numbers(), wanted);
    let positions: Vec<_> = bus
        .published()
        .iter()
        .map(|message| message.place)
        .collect();
    assert!(positions.is_sorted());
    let public = &bus.published()[0];
    assert_eq!((&*public.name, public.schema_version), ("shop.noted", 1));
    let from = "orders-0".to_owned();
    assert_eq!(
        public.decode::<PublicNote>().unwrap(),
        PublicNote { number: 0, from }
    );
}

#[test]
fn a_message_has_what_is_known_of_its_event() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    let (correlation, cause) = (EventId::new(), EventId::new());
    let metadata = Metadata::new()
        .with_correlation_id(correlation)
        .with_causation_id(cause)
        .with_header("user", "jun");
    let told = Told {
        key: "ann".to_owned(),
        number: 1,
    };
    let event = NewEvent::encode(&told)
        .unwrap()
        .with_metadata(metadata.clone());
    let position = append(&store, "orders-7", event.clone());
    let other = NewEvent::encode(&Noted { number: 2 }).unwrap();
    append(&store, "notes-9", other);
    let outbox = outbox().publish::<Noted>();
    within(midgard(&store, &bus, outbox).catch_up()).unwrap();
    let [message, keyless] = bus.published().try_into().unwrap();
    assert_eq!(message.id, event.id.to_string());
    assert_eq!((&*message.source, &*message.name), ("orders", "told"));
    assert_eq!(
        (&*message.key, message.subject.as_deref()),
        ("ann", Some("orders-7"))
    );
    assert_eq!(message.correlation_id, Some(correlation));
    assert_eq!(message.causation_id, Some(cause));
    assert_eq!(message.headers.view(), metadata.headers());
    assert_eq!(message.place, Some(Place::main(position)));
    assert!(message.time.is_some());
    assert_eq!(message.decode::<Told>().unwrap(), told);
    assert_eq!(
        keyless.key, "notes-9",
        "without a key of its own, it is the stream"
    );
}

#[test]
fn an_old_version_leaves_in_the_newest() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    append(
        &store,
        "a",
        NewEvent::json("priced", 1, br#"{"number":1}"#.to_vec()),
    );
    append(
        &store,
        "a",
        NewEvent::json("priced", 2, br#"{ "number":2,"currency":"SEK"}"#.to_vec()),
    );
    let outbox = Outbox::new("orders").publish::<Priced>();
    within(midgard(&store, &bus, outbox).catch_up()).unwrap();
    let [old, new] = bus.published().try_into().unwrap();
    assert_eq!((old.schema_version, new.schema_version), (2, 2));
    assert_eq!(old.payload, br#"{"number":1,"currency":"EUR"}"#);
    assert_eq!(
        new.payload, br#"{ "number":2,"currency":"SEK"}"#,
        "as it was written"
    );
}

#[test]
fn a_bus_that_is_down_is_in_nobodys_way_and_what_was_missed_leaves_when_it_is_back() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    let running = start(midgard(&store, &bus, outbox()));
    tell(&store, "orders-1", "ann", 1);
    bus.wait_for(1);
    bus.set_down(true);
    for number in 2..=5 {
        tell(&store, "orders-1", "ann", number);
    }
    running.wait_until("outbox", |status| status.state == ConsumerState::Retrying);
    let error = running
        .handle
        .status_of("outbox")
        .unwrap()
        .last_error
        .unwrap();
    assert!(
        error
            .message
            .contains("the bus at nowhere could not be reached"),
        "{error:?}"
    );
    bus.set_down(false);
    bus.wait_for(5);
    assert_eq!(bus.numbers(), [1, 2, 3, 4, 5]);
    running.stop().unwrap();
}

#[test]
fn it_goes_on_from_its_checkpoint_when_it_is_started_again() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    for round in 0..4 {
        let running = start(midgard(&store, &bus, outbox()));
        let tell = |number: u64| tell(&store, "orders-1", "ann", round * 5 + number);
        let end = (0..5).map(tell).max();
        running.wait("outbox", end.unwrap());
        running.stop().unwrap();
    }
    assert_eq!(bus.numbers(), (0..20).collect::<Vec<_>>());
}

#[test]
fn another_worker_takes_over_from_one_that_ends() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    let one = start(midgard(&store, &bus, outbox()));
    tell(&store, "orders-1", "ann", 1);
    bus.wait_for(1);
    let other = start(midgard(&store, &bus, outbox()));
    other.wait_until("outbox", |status| status.state == ConsumerState::Standby);
    one.stop().unwrap();
    tell(&store, "orders-1", "ann", 2);
    bus.wait_for(2);
    other.wait_until("outbox", |status| status.state == ConsumerState::Live);
    other.stop().unwrap();
    assert_eq!(bus.numbers(), [1, 2]);
}

#[test]
fn another_worker_takes_over_from_one_whose_bus_hangs_and_ids_tell_what_comes_again() {
    let (store, bus, stuck) = (MemoryStore::new(), Outlet::default(), Outlet::default());
    stuck.set_hangs(true);
    let quick = || outbox().options(ConsumerOptions::new().lease(Duration::from_millis(60)));
    let one = start(midgard(&store, &stuck, quick()));
    tell(&store, "orders-1", "ann", 1);
    stuck.wait_for(1);
    let other = start(midgard(&store, &bus, quick()));
    bus.wait_for(1);
    assert_eq!(bus.published()[0].id, stuck.published()[0].id);
    one.stop().unwrap();
    other.stop().unwrap();
}

/// How often each number has arrived.
fn counts(bus: &Outlet) -> HashMap<u64, usize> {
    let mut counts = HashMap::new();
    for number in bus.numbers() {
        *counts.entry(number).or_default() += 1;
    }
    counts
}

#[test]
fn what_nobody_has_a_queue_for_waits_and_what_came_before_leaves_once() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    bus.unhear(&["\"number\":70}"]);
    let mut end = Position::ZERO;
    for number in 0..100 {
        end = tell(&store, &format!("orders-{}", number % 7), "ann", number);
    }
    let running = start(midgard(&store, &bus, outbox()));
    running.wait_until("outbox", |status| {
        let error = status.last_error.as_ref();
        error.is_some_and(|error| error.failures > 1)
    });
    let error = running
        .handle
        .status_of("outbox")
        .unwrap()
        .last_error
        .unwrap();
    assert!(
        error.message.contains("nobody has a queue for event.told"),
        "{error:?}"
    );
    assert_eq!(error.place, Some(Place::main(Position(71))));
    let waiting = counts(&bus);
    for number in 0..70 {
        assert_eq!(waiting[&number], 1, "of {number}");
    }
    bus.unhear(&[]);
    running.wait("outbox", end);
    let all = counts(&bus);
    for number in 0..100 {
        let wanted = if number > 70 { 2 } else { 1 };
        assert_eq!(all[&number], wanted, "of {number}");
    }
    // From the one that waited on, all is in order.
    let numbers = bus.numbers();
    assert_eq!(numbers[numbers.len() - 30..], (70..100).collect::<Vec<_>>());
    running.stop().unwrap();
}

#[test]
fn what_is_unheard_waits_whatever_the_policy_for_failures() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    bus.unhear(&["\"number\":1}"]);
    let policy = FailurePolicy::retry(0).then_skip();
    let outbox = outbox().options(ConsumerOptions::new().on_failure(policy));
    let running = start(midgard(&store, &bus, outbox));
    let end = tell(&store, "orders-1", "ann", 1);
    running.wait_until("outbox", |status| {
        let error = status.last_error.as_ref();
        error.is_some_and(|error| error.failures > 1)
    });
    bus.unhear(&[]);
    running.wait("outbox", end);
    assert_eq!(bus.numbers(), [1]);
    running.stop().unwrap();
}

#[test]
fn what_nobody_has_a_queue_for_is_discarded_when_that_is_said() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    bus.unhear(&["\"number\":1}"]);
    for number in 0..3 {
        tell(&store, "orders-1", "ann", number);
    }
    let discarding = outbox().unheard(Unheard::Discard);
    within(midgard(&store, &bus, discarding).catch_up()).unwrap();
    assert_eq!(bus.numbers(), [0, 2]);
}

#[test]
fn what_the_bus_refuses_parks_its_stream_and_others_go_on() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    bus.refuse(&["\"number\":4}"]);
    let mut end = Position::ZERO;
    for number in 0..12 {
        end = tell(&store, &format!("orders-{}", number % 3), "ann", number);
    }
    let running = start(midgard(&store, &bus, outbox()));
    running.wait("outbox", end);
    let letters = block_on(running.handle.dead_letters("outbox")).unwrap();
    let positions: Vec<_> = letters
        .iter()
        .map(|letter| letter.place.position.get())
        .collect();
    assert_eq!(
        positions,
        [5, 8, 11],
        "the one at fault, and what follows in its stream"
    );
    let error = &letters[0].error;
    assert!(
        error.contains("refuses message") && error.contains("too large"),
        "{error}"
    );
    let arrived = counts(&bus);
    assert!(
        [0, 1, 2, 3, 5, 6, 8, 9, 11]
            .iter()
            .all(|number| arrived.contains_key(number))
    );
    assert!(!arrived.contains_key(&4));
    bus.refuse(&[]);
    block_on(running.handle.retry("outbox", "orders-1")).unwrap();
    running.wait_until("outbox", |status| status.parked == 0);
    let numbers = bus.numbers();
    assert_eq!(numbers[numbers.len() - 3..], [4, 7, 10]);
    running.stop().unwrap();
}

#[test]
fn a_bus_that_is_full_is_sent_each_message_once_as_it_makes_room() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    let mut end = Position::ZERO;
    for number in 0..100 {
        end = tell(&store, &format!("orders-{}", number % 3), "ann", number);
    }
    bus.set_room(5);
    let running = start(midgard(&store, &bus, outbox()));
    for number in (5..50).step_by(5) {
        running.wait_until("outbox", |status| {
            status.last_error.as_ref().is_some_and(|error| {
                error.message.contains("there is no room")
                    && error
                        .place
                        .is_some_and(|at| at.position.get() == number + 1)
            })
        });
        assert_eq!(bus.numbers(), Vec::from_iter(0..number));
        bus.set_room(5);
    }
    running.wait("outbox", Position(50));
    running.stop().unwrap();
    // What was confirmed is written down: another program goes on behind it.
    bus.set_room(0);
    let running = start(midgard(&store, &bus, outbox()));
    running.wait_until("outbox", |status| status.last_error.is_some());
    bus.set_room(1000);
    running.wait("outbox", end);
    running.stop().unwrap();
    assert_eq!(bus.numbers(), Vec::from_iter(0..100));
}

#[test]
fn draining_into_a_bus_that_stays_full_fails_and_says_why() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    for number in 0..10 {
        tell(&store, "orders-1", "ann", number);
    }
    bus.set_room(3);
    let failed = within(midgard(&store, &bus, outbox()).catch_up()).unwrap_err();
    assert!(failed.to_string().contains("there is no room"), "{failed}");
    assert_eq!(bus.numbers(), [0, 1, 2]);
}

#[test]
fn what_has_no_public_form_is_parked_and_does_not_hold_up_the_rest() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    let policy = FailurePolicy::retry(1).first_after(Duration::from_millis(1));
    let outbox = Outbox::new("orders")
        .map(|noted: Noted, _| {
            assert!(noted.number != 1, "no form");
            Some(noted)
        })
        .publish::<Told>()
        .options(ConsumerOptions::new().on_failure(policy.then_park()));
    note(&store, "notes-1", 1);
    append(
        &store,
        "told-1",
        NewEvent::json("told", 1, br#"{"number":"x"}"#.to_vec()),
    );
    note(&store, "notes-2", 2);
    within(midgard(&store, &bus, outbox).catch_up()).unwrap();
    assert_eq!(bus.numbers(), [2]);
    let handle = midgard(&store, &bus, Outbox::new("orders")).handle();
    let letters = block_on(handle.dead_letters("outbox")).unwrap();
    assert_eq!(letters[0].error, "the handler panicked: no form");
    assert!(
        letters[1].error.contains("cannot be read"),
        "{}",
        letters[1].error
    );
}

#[test]
fn two_outboxes_of_one_program_have_checkpoints_of_their_own() {
    let (store, bus, other) = (MemoryStore::new(), Outlet::default(), Outlet::default());
    tell(&store, "orders-1", "ann", 1);
    let notes = Outbox::new("orders").named("notes").publish::<Noted>();
    let end = note(&store, "notes-1", 2);
    let running = start(midgard(&store, &bus, outbox()).outbox(notes, other.clone()));
    running.wait("outbox", end);
    block_on(running.handle.wait_for("notes", Place::main(end), LONG)).unwrap();
    assert_eq!((bus.numbers(), other.numbers()), (vec![1], vec![2]));
    running.stop().unwrap();
}

#[test]
fn what_nobody_has_a_queue_for_is_not_overtaken_by_another_event_of_its_key() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    // Nobody asks for the one kind yet.
    bus.unhear(&["\"key\":\"ann\""]);
    tell(&store, "orders-1", "ann", 1);
    note(&store, "orders-1", 2);
    tell(&store, "orders-1", "ann", 3);
    let end = note(&store, "orders-1", 4);
    let outbox = Outbox::new("orders").publish::<Told>().publish::<Noted>();
    let running = start(midgard(&store, &bus, outbox));
    running.wait_until("outbox", |status| {
        let error = status.last_error.as_ref();
        error.is_some_and(|error| error.failures > 1)
    });
    assert_eq!(bus.numbers(), [] as [u64; 0]);
    bus.unhear(&[]);
    running.wait("outbox", end);
    assert_eq!(bus.numbers(), [1, 2, 3, 4]);
    running.stop().unwrap();
}
