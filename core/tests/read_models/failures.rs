//! What is done about handlers that fail.

use super::kit::{
    Balances, Counted, Seen, accounts, ann_and_bob, at_once, balances, count, pay, quick, start,
};
use midgard::Views;
use midgard::consumer::{ConsumerKind, ConsumerOptions, ConsumerState, FailurePolicy, RunError};
use midgard::event::NewEvent;
use midgard::{Delivery, MemoryStore, Midgard, Place, Position, StartFrom, Subscription, block_on};
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn a_failed_event_is_tried_again_and_then_all_stops_before_it() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", 0..5);
    let subscription = || Subscription::events("stops", StartFrom::Start).on_failure(quick());
    let tries = Arc::new(Mutex::new(Vec::new()));
    let noted = tries.clone();
    let failing = seen.refuse(move |delivery| {
        let is_bad = delivery.event.number == 3;
        if is_bad {
            noted.lock().unwrap().push(delivery.failures);
        }
        is_bad
    });
    let midgard = Midgard::new(store.clone()).subscribe(subscription(), failing);
    let handle = midgard.handle();
    let error = block_on(midgard.catch_up()).unwrap_err();
    assert_eq!(
        error,
        RunError::Failed {
            kind: ConsumerKind::Subscription,
            name: "stops".to_owned(),
            place: Some(Place::main(Position(4))),
            message: "no 3 today".to_owned(),
        }
    );
    assert_eq!(*tries.lock().unwrap(), [0, 1, 2]);
    let status = handle.status_of("stops").unwrap();
    assert_eq!(status.state, ConsumerState::Failed);
    assert_eq!(
        status.last_error.unwrap().place,
        Some(Place::main(Position(4)))
    );
    let midgard = Midgard::new(store).subscribe(subscription(), seen.collect());
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(seen.all(), [0, 1, 2, 3, 4]);
}

#[test]
fn one_that_has_failed_can_be_started_again_while_others_go_on() {
    let (store, seen, others) = (MemoryStore::new(), Seen::default(), Seen::default());
    let broken = Arc::new(AtomicU64::new(1));
    let is_broken = broken.clone();
    let failing = seen.refuse(move |_| is_broken.load(Ordering::SeqCst) == 1);
    let running = start(
        Midgard::new(store.clone())
            .subscribe(
                Subscription::events("broken", StartFrom::Start).on_failure(at_once()),
                failing,
            )
            .subscribe(
                Subscription::events("well", StartFrom::Start),
                others.collect(),
            ),
    );
    let last = count(&store, "a", 0..5);
    running.wait("well", last);
    let error = block_on(
        running
            .handle
            .wait_for("broken", Place::main(last), super::kit::LONG),
    )
    .unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with(
            "\"broken\" has failed and does not go on: subscription broken: failed, at 0 of "
        ),
        "{message}"
    );
    assert!(
        message.ends_with("no 0 today; mend it and call `restart`"),
        "{message}"
    );
    broken.store(0, Ordering::SeqCst);
    running.handle.restart("broken").unwrap();
    let handled = |status: &midgard::consumer::Status| status.place >= Place::main(last);
    block_on(
        running
            .handle
            .wait_until("broken", super::kit::LONG, handled),
    )
    .unwrap();
    running.stop().unwrap();
    assert_eq!(seen.all(), others.all());
}

#[test]
fn a_panic_is_a_failure_like_any_other() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", 0..3);
    let subscription =
        Subscription::<Counted>::events("panics", StartFrom::Start).on_failure(quick());
    let panicking = seen.refuse(|delivery: &Delivery<Counted>| {
        assert!(
            delivery.event.number != 1 || delivery.failures == 2,
            "on purpose"
        );
        false
    });
    let midgard = Midgard::new(store).subscribe(subscription, panicking);
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(seen.all(), [0, 1, 2]);
    let message = handle.status()[0].last_error.clone().unwrap().message;
    assert!(message.contains("on purpose"), "{message}");
}

#[test]
fn a_panic_outside_of_the_handler_ends_nothing_else() {
    let (store, seen, others) = (MemoryStore::new(), Seen::default(), Seen::default());
    count(&store, "a", 0..3);
    let panics = AtomicU64::new(0);
    let odd = Subscription::events("odd", StartFrom::Start)
        .partitions(2)
        .sequence_by(move |event| {
            assert_ne!(panics.fetch_add(1, Ordering::SeqCst), 1, "on purpose");
            Cow::Borrowed(event.stream)
        });
    let midgard = Midgard::new(store)
        .subscribe(odd, seen.collect())
        .subscribe(
            Subscription::events("well", StartFrom::Start),
            others.collect(),
        );
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(others.all(), [0, 1, 2]);
    let mut seen = seen.all();
    seen.dedup();
    assert!(seen.ends_with(&[0, 1, 2]) || seen == [0, 1, 2], "{seen:?}");
    let message = handle.status()[0].last_error.clone().unwrap().message;
    assert!(message.contains("on purpose"), "{message}");
}

#[test]
fn a_skipped_event_is_passed_over_and_a_parked_one_takes_its_stream_along() {
    for (policy, expected, said) in [
        (
            at_once().then_skip(),
            vec![0, 10, 2, 11],
            ", 1 event skipped; last error",
        ),
        (
            at_once().then_park(),
            vec![0, 10, 11],
            ", 1 sequence parked; last error",
        ),
    ] {
        let (store, seen) = (MemoryStore::new(), Seen::default());
        for (stream, number) in [("a", 0), ("b", 10), ("a", 1), ("a", 2), ("b", 11)] {
            count(&store, stream, [number]);
        }
        let subscription =
            Subscription::events("poison", StartFrom::Start).on_failure(policy.clone());
        let poisoned = seen.refuse(|delivery| delivery.event.number == 1);
        let midgard = Midgard::new(store).subscribe(subscription, poisoned);
        let handle = midgard.handle();
        block_on(midgard.catch_up()).unwrap();
        assert_eq!(seen.all(), expected);
        let status = handle.status_of("poison").unwrap();
        assert_eq!(
            (status.skipped, status.parked),
            if expected.len() == 4 { (1, 0) } else { (0, 1) }
        );
        assert!(status.to_string().contains(said), "{status}");
        assert!(status.to_string().ends_with(": no 1 today"), "{status}");
    }
}

#[test]
fn what_a_policy_says_last_is_what_is_done() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", 0..3);
    let policy = at_once().then_park().then_stop();
    let subscription = Subscription::events("last", StartFrom::Start).on_failure(policy);
    let failing = seen.refuse(|delivery| delivery.event.number == 1);
    let midgard = Midgard::new(store).subscribe(subscription, failing);
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap_err();
    let status = handle.status_of("last").unwrap();
    assert_eq!((status.state, status.parked), (ConsumerState::Failed, 0));
    assert_eq!(seen.all(), [0]);
}

#[test]
fn an_event_may_have_a_policy_of_its_own() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", 0..3);
    let options = ConsumerOptions::new()
        .on_failure(FailurePolicy::retry(1_000))
        .on_failure_of::<Counted>(at_once().then_skip());
    let subscription = Subscription::events("own", StartFrom::Start).options(options);
    let midgard =
        Midgard::new(store).subscribe(subscription, seen.refuse(|one| one.event.number == 1));
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(seen.all(), [0, 2]);
}

#[test]
fn what_cannot_be_read_is_not_tried_again_but_follows_the_policy() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", [0]);
    let damaged = NewEvent::json("counted", 1, b"{\"number\":\"many\"}".to_vec());
    super::kit::append_all(&store, "a", [damaged]);
    count(&store, "b", [1]);
    let patient = FailurePolicy::retry(1_000).first_after(Duration::from_secs(3_600));
    let run = |policy: FailurePolicy| {
        let subscription = Subscription::events("damaged", StartFrom::Start).on_failure(policy);
        let midgard = Midgard::new(store.clone()).subscribe(subscription, seen.collect());
        block_on(midgard.catch_up())
    };
    let error = run(patient.clone()).unwrap_err().to_string();
    assert!(
        error.contains("position 2") && error.contains("counted"),
        "{error}"
    );
    run(patient.then_park()).unwrap();
    assert_eq!(seen.all(), [0, 1]);
}

fn project<const V: u32>(
    store: &MemoryStore,
    views: &Views,
    projection: &Balances<V>,
    policy: FailurePolicy,
) -> Result<(), RunError> {
    let options = ConsumerOptions::new().on_failure(policy);
    let midgard = Midgard::new(store.clone());
    let midgard = midgard.project_with(projection.clone(), views.clone(), options);
    block_on(midgard.catch_up())
}

#[test]
fn a_failed_try_leaves_nothing_in_the_views_and_no_effect() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let projection = Balances::<1>::refusing(2);
    project(&store, &views, &projection, quick()).unwrap();
    assert_eq!(balances(&views), ann_and_bob(20, 8));
    assert_eq!(projection.effects(), 5);
}

#[test]
fn a_skipped_event_and_why_it_was_are_in_the_status() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let skipping = FailurePolicy::retry(0).then_skip();
    let options = ConsumerOptions::new().on_failure(skipping);
    let midgard = Midgard::new(store).project_with(Balances::<1>::refusing(9), views, options);
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    let status = handle.status_of("balances").unwrap();
    assert_eq!(status.skipped, 1);
    let error = status.last_error.unwrap();
    assert_eq!(
        (error.place, error.failures),
        (Some(Place::main(Position(3))), 1)
    );
    assert_eq!(error.message, "13 brings bad luck");
}

#[test]
fn a_projection_stops_before_an_event_that_fails_for_good() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let error = project(&store, &views, &Balances::<1>::refusing(100), quick()).unwrap_err();
    let RunError::Failed { kind, place, .. } = &error else {
        panic!("{error}")
    };
    let expected = (ConsumerKind::Projection, Some(Place::main(Position(3))));
    assert_eq!((*kind, *place), expected);
    assert_eq!(balances(&views), ann_and_bob(5, 7));
    project(&store, &views, &Balances::<1>::default(), quick()).unwrap();
    assert_eq!(balances(&views), ann_and_bob(20, 8));
}

#[test]
fn the_shard_survives_a_poison_event_and_keeps_going() {
    for (policy, ann) in [(quick().then_skip(), 7), (quick().then_park(), 5)] {
        let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
        accounts(&store);
        project(&store, &views, &Balances::<1>::refusing(100), policy).unwrap();
        assert_eq!(balances(&views), ann_and_bob(ann, 8));
    }
}

#[test]
fn one_faulting_stream_does_not_stop_another_stream_from_projecting() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let mut last = Position::ZERO;
    for _ in 0..50 {
        pay(&store, "ann", 13);
        last = pay(&store, "bob", 1);
    }
    let options = ConsumerOptions::new().on_failure(at_once().then_park());
    let projection = Balances::<1>::refusing(u64::MAX);
    let midgard = Midgard::new(store).project_with(projection, views.clone(), options);
    let running = start(midgard);
    running.wait("balances", last);
    let status = running.handle.status_of("balances").unwrap();
    assert_eq!((status.parked, status.handled), (1, 50));
    running.stop().unwrap();
    assert_eq!(balances(&views), [("bob".to_owned(), 50)]);
}
