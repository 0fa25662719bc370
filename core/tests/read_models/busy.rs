//! Consumers that are never at rest, and those that others keep from it: everything else goes on all the same.

use super::kit::{
    Balances, Counted, LONG, Seen, accounts, append_event, at_once, balances, count, pay, quick,
    start,
};
use futures_timer::Delay;
use midgard::consumer::{ConsumerOptions, FailurePolicy, Status};
use midgard::{
    Delivery, MemoryStore, Midgard, Place, Position, StartFrom, Subscription, Views, block_on,
};
use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

const LEASE: Duration = Duration::from_millis(120);
/// The lease of those that wait for an answer of one with the shorter lease, which looks for their questions all the time.
const PATIENCE: Duration = Duration::from_secs(2);

/// A subscription that appends an event for each event: it never comes to the end of the log. It fails on the
/// first as often as it is told.
fn endless(store: &MemoryStore, refusals: &Arc<AtomicU64>) -> Midgard<MemoryStore> {
    let subscription = Subscription::<Counted>::events("endless", StartFrom::Start).lease(LEASE);
    let subscription = subscription.on_failure(FailurePolicy::retry(0).then_park());
    let (appended, refusals) = (store.clone(), refusals.clone());
    let handler = move |delivery: Delivery<Counted>| {
        let number = delivery.event.number;
        let fewer = |left: u64| left.checked_sub(1);
        let order = Ordering::SeqCst;
        if number == 0 && refusals.fetch_update(order, order, fewer).is_ok() {
            return ready(Err("not yet".into()));
        }
        let stream = format!("a-{number}");
        append_event(&appended, &stream, &Counted { number: number + 1 });
        ready(Ok(()))
    };
    Midgard::new(store.clone()).subscribe(subscription, handler)
}

#[test]
fn a_busy_subscription_writes_down_how_far_it_is_and_answers_requests() {
    let store = MemoryStore::new();
    count(&store, "first", [0]);
    count(&store, "second", [1]);
    let refusals = Arc::new(AtomicU64::new(1));
    let running = start(endless(&store, &refusals));
    // Who does not run it knows how far it is by what it wrote down.
    let elsewhere = endless(&store, &refusals).handle();
    block_on(elsewhere.wait_for("endless", Place::main(Position(500)), LONG)).unwrap();
    block_on(elsewhere.retry("endless", "first")).unwrap();
    let began = Instant::now();
    while !block_on(elsewhere.dead_letters("endless"))
        .unwrap()
        .is_empty()
    {
        assert!(began.elapsed() < LONG, "the letter was not retried");
        block_on(Delay::new(Duration::from_millis(5)));
    }
    running.stop().unwrap();
}

#[test]
fn a_drain_ends_while_events_keep_coming() {
    let store = MemoryStore::new();
    count(&store, "second", [1]);
    let running = start(endless(&store, &Arc::default()));
    let began = Instant::now();
    running.drain().unwrap();
    assert!(began.elapsed() < LONG);
}

#[test]
fn a_drain_ends_at_a_worker_that_stands_by_when_there_is_nothing_to_do() {
    let store = MemoryStore::new();
    let worker = || {
        let seen = Seen::default();
        let idle = Subscription::events("idle", StartFrom::Start).lease(LEASE);
        Midgard::new(store.clone()).subscribe(idle, seen.collect())
    };
    let first = start(worker());
    let owns = |status: &Status| status.partitions == 1;
    block_on(first.handle.wait_until("idle", LONG, owns)).unwrap();
    let (ended, has_ended) = mpsc::channel();
    let second = worker();
    thread::spawn(move || ended.send(block_on(second.catch_up())));
    has_ended.recv_timeout(LONG).unwrap().unwrap();
    first.stop().unwrap();
}

#[test]
fn a_wait_before_a_retry_is_as_long_as_the_policy_says_whatever_else_is_asked_for() {
    let (store, seen, calls) = (
        MemoryStore::new(),
        Seen::default(),
        Arc::new(AtomicU64::new(0)),
    );
    count(&store, "a", [1]);
    let called = calls.clone();
    let first_wait = Duration::from_millis(150);
    let policy = FailurePolicy::retry(2).first_after(first_wait).then_skip();
    let failing = Subscription::<Counted>::events("failing", StartFrom::Start).on_failure(policy);
    let midgard = Midgard::new(store)
        .subscribe(failing, move |_: Delivery<Counted>| {
            called.fetch_add(1, Ordering::SeqCst);
            ready(Err("never".into()))
        })
        .subscribe(
            Subscription::events("other", StartFrom::Start),
            seen.collect(),
        );
    let began = Instant::now();
    let running = start(midgard);
    let is_skipped = |status: &Status| status.skipped == 1;
    while !is_skipped(&running.handle.status_of("failing").unwrap()) {
        running.handle.restart("other").unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    assert!(began.elapsed() >= first_wait * 3, "{:?}", began.elapsed());
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    running.stop().unwrap();
}

#[test]
fn a_wait_that_is_longer_than_the_lease_does_not_hand_the_event_from_worker_to_worker() {
    let (store, calls) = (MemoryStore::new(), Arc::new(AtomicU64::new(0)));
    count(&store, "a", [1]);
    let start_with = |lease| {
        let policy = FailurePolicy::retry(1).first_after(PATIENCE * 3 / 2);
        let failing = Subscription::<Counted>::events("failing", StartFrom::Start).lease(lease);
        let failing = failing.on_failure(policy.then_park());
        let (midgard, called) = (Midgard::new(store.clone()), calls.clone());
        start(midgard.subscribe(failing, move |_: Delivery<Counted>| {
            called.fetch_add(1, Ordering::SeqCst);
            ready(Err("never".into()))
        }))
    };
    let first = start_with(LEASE);
    let owns = |status: &Status| status.partitions == 1;
    block_on(first.handle.wait_until("failing", LONG, owns)).unwrap();
    let second = start_with(PATIENCE);
    let began = Instant::now();
    while block_on(first.handle.dead_letters("failing"))
        .unwrap()
        .is_empty()
    {
        assert!(began.elapsed() < LONG, "it was never parked");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    first.stop().unwrap();
    second.stop().unwrap();
}

#[test]
fn a_new_version_is_switched_to_in_one_catch_up_also_when_its_last_events_end_a_full_batch() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    // As many as are read at once, and then others that are of no concern.
    for _ in 0..4096 {
        pay(&store, "ann", 1);
    }
    count(&store, "other", 0..10);
    let options = || ConsumerOptions::new().on_failure(quick());
    let first = Midgard::new(store.clone());
    let first = first.project_with(Balances::<1>::default(), views.clone(), options());
    block_on(first.catch_up()).unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 4096)]);
    let second = Midgard::new(store);
    let second = second.project_with(Balances::<2>::default(), views.clone(), options());
    block_on(second.catch_up()).unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 2 * 4096)]);
}

#[test]
fn a_rebuild_ends_with_the_views_that_it_was_beside_and_can_be_asked_for_again() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let options = ConsumerOptions::new().on_failure(at_once());
    let projection = Balances::<1>::default();
    let midgard = Midgard::new(store.clone());
    let running = start(midgard.project_with(projection.clone(), views.clone(), options));
    running.wait("balances", Position(5));
    // The views that readers see fail at the next event, for good.
    projection.refusals.store(u64::MAX, Ordering::SeqCst);
    pay(&store, "bob", 13);
    block_on(running.handle.rebuild("balances")).unwrap();
    let has_failed = |status: &Status| status.state == midgard::consumer::ConsumerState::Failed;
    block_on(running.handle.wait_until("balances", LONG, has_failed)).unwrap();
    projection.refusals.store(0, Ordering::SeqCst);
    running.handle.restart("balances").unwrap();
    running.wait("balances", Position(6));
    running.drain().unwrap();
    assert_eq!(balances(&views), super::kit::ann_and_bob(20, 21));
}
