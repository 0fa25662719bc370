//! Events that were parked: shown, retried and given up.

use super::kit::{
    Balances, Counted, LONG, Running, SAFE_LEASE, Seen, accounts, ann_and_bob, append_event,
    at_once, balances, count, start, until_shared,
};
use midgard::Views;
use midgard::consumer::{ConsumerOptions, HandleError};
use midgard::{
    Delivery, Event, HandlerError, MemoryStore, Midgard, MidgardHandle, Place, Position, StartFrom,
    Subscription, block_on,
};
use serde::{Deserialize, Serialize};
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A subscription that refuses one number, and parks.
struct Refusing {
    seen: Seen,
    bad: Arc<AtomicU64>,
}

impl Refusing {
    fn new(bad: u64) -> Self {
        Refusing {
            seen: Seen::default(),
            bad: Arc::new(AtomicU64::new(bad)),
        }
    }

    fn midgard(&self, store: &MemoryStore) -> Midgard<MemoryStore> {
        let bad = self.bad.clone();
        let subscription =
            Subscription::events("mailer", StartFrom::Start).on_failure(at_once().then_park());
        Midgard::new(store.clone()).subscribe(
            subscription,
            self.seen
                .refuse(move |one| one.event.number == bad.load(Ordering::SeqCst)),
        )
    }

    fn refuse(&self, bad: u64) {
        self.bad.store(bad, Ordering::SeqCst);
    }
}

fn letters(handle: &MidgardHandle, name: &str) -> Vec<(u64, String, u32)> {
    let letters = block_on(handle.dead_letters(name)).unwrap();
    letters
        .into_iter()
        .map(|letter| {
            (
                letter.place.position.get(),
                letter.sequence,
                letter.failures,
            )
        })
        .collect()
}

fn until_parked(running: &Running, sequences: usize) {
    let is_so = |status: &midgard::consumer::Status| status.parked == sequences;
    block_on(running.handle.wait_until("mailer", LONG, is_so)).unwrap();
}

/// Two streams; the second event of `a` is refused.
fn parked(store: &MemoryStore, refusing: &Refusing) -> (Running, Position) {
    for (stream, number) in [("a", 0), ("b", 10), ("a", 1), ("a", 2)] {
        count(store, stream, [number]);
    }
    let last = count(store, "b", [11]);
    let running = start(refusing.midgard(store));
    running.wait("mailer", last);
    (running, last)
}

#[test]
fn the_dead_letter_row_identifies_the_projection_and_the_failure() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let options = ConsumerOptions::new().on_failure(at_once().then_park());
    let midgard = Midgard::new(store);
    let midgard = midgard.project_with(Balances::<1>::refusing(9), views, options);
    let handle = midgard.handle();
    assert!(
        block_on(handle.dead_letters("balances"))
            .unwrap()
            .is_empty()
    );
    block_on(midgard.catch_up()).unwrap();
    let letters = block_on(handle.dead_letters("balances")).unwrap();
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0].place, Place::main(Position(3)));
    assert_eq!(letters[0].name, "paid");
    assert_eq!(letters[0].sequence, "account-ann");
    assert_eq!(letters[0].error, "13 brings bad luck");
    assert_eq!((letters[0].failures, letters[1].failures), (1, 0));
    assert!(
        letters[1]
            .error
            .contains("an earlier event of its sequence is parked")
    );
    let line = letters[0].to_string();
    assert!(
        line.starts_with("paid at 3 of sequence \"account-ann\", parked 2"),
        "{line}"
    );
    assert!(matches!(
        block_on(handle.dead_letters("nobody")),
        Err(HandleError::Unknown { .. })
    ));
}

#[test]
fn a_stream_with_no_faults_produces_no_dead_letters() {
    let (store, refusing) = (MemoryStore::new(), Refusing::new(u64::MAX));
    let (running, _) = parked(&store, &refusing);
    assert!(letters(&running.handle, "mailer").is_empty());
    running.stop().unwrap();
}

#[test]
fn a_retried_sequence_goes_on_in_order_with_what_came_later() {
    let (store, refusing) = (MemoryStore::new(), Refusing::new(1));
    let (running, _) = parked(&store, &refusing);
    assert_eq!(refusing.seen.all(), [0, 10, 11]);
    let a = || "a".to_owned();
    assert_eq!(
        letters(&running.handle, "mailer"),
        [(3, a(), 1), (4, a(), 0)]
    );
    // Other sequences go on, and later events of this one wait behind it.
    count(&store, "a", [3]);
    let last = count(&store, "b", [12]);
    running.wait("mailer", last);
    assert_eq!(refusing.seen.all(), [0, 10, 11, 12]);
    refusing.refuse(u64::MAX);
    block_on(running.handle.retry("mailer", "a")).unwrap();
    until_parked(&running, 0);
    let last = count(&store, "a", [4]);
    running.wait("mailer", last);
    assert_eq!(refusing.seen.all(), [0, 10, 11, 12, 1, 2, 3, 4]);
    assert!(letters(&running.handle, "mailer").is_empty());
    running.stop().unwrap();
}

#[test]
fn a_retry_that_fails_leaves_the_event_and_those_behind_it_parked() {
    let (store, refusing) = (MemoryStore::new(), Refusing::new(1));
    let (running, _) = parked(&store, &refusing);
    refusing.refuse(2);
    block_on(running.handle.retry("mailer", "a")).unwrap();
    let handled = |status: &midgard::consumer::Status| status.handled == 4;
    block_on(running.handle.wait_until("mailer", LONG, handled)).unwrap();
    let only_the_second = || letters(&running.handle, "mailer") == [(4, "a".to_owned(), 1)];
    while !only_the_second() {
        std::thread::yield_now();
    }
    let last = count(&store, "a", [3]);
    running.wait("mailer", last);
    assert_eq!(refusing.seen.all(), [0, 10, 11, 1]);
    assert_eq!(letters(&running.handle, "mailer").len(), 2);
    running.stop().unwrap();
}

#[test]
fn an_evicted_event_is_never_handled_and_those_behind_it_can_be() {
    let (store, refusing) = (MemoryStore::new(), Refusing::new(1));
    let (running, _) = parked(&store, &refusing);
    block_on(running.handle.evict("mailer", Place::main(Position(3)))).unwrap();
    while letters(&running.handle, "mailer").len() != 1 {
        std::thread::yield_now();
    }
    assert_eq!(refusing.seen.all(), [0, 10, 11]);
    block_on(running.handle.retry("mailer", "a")).unwrap();
    until_parked(&running, 0);
    assert_eq!(refusing.seen.all(), [0, 10, 11, 2]);
    // Nothing is there any more.
    for error in [
        block_on(running.handle.evict("mailer", Place::main(Position(3)))).unwrap_err(),
        block_on(running.handle.retry("mailer", "a")).unwrap_err(),
    ] {
        assert!(matches!(error, HandleError::NotParked { .. }), "{error}");
    }
    running.stop().unwrap();
}

#[test]
fn what_is_asked_for_while_nobody_runs_is_done_by_the_next_who_does() {
    let (store, refusing) = (MemoryStore::new(), Refusing::new(1));
    let (running, last) = parked(&store, &refusing);
    running.stop().unwrap();
    let idle = refusing.midgard(&store);
    let handle = idle.handle();
    assert_eq!(
        letters(&handle, "mailer").len(),
        2,
        "what is parked stays so"
    );
    block_on(handle.wait_for("mailer", Place::main(last), LONG)).unwrap();
    block_on(handle.retry("mailer", "a")).unwrap();
    refusing.refuse(u64::MAX);
    block_on(idle.catch_up()).unwrap();
    assert_eq!(refusing.seen.all(), [0, 10, 11, 1, 2]);
    assert!(letters(&handle, "mailer").is_empty());
}

#[test]
fn a_retry_in_a_projection_shows_in_the_views_and_happens_once() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    // Once in a batch with others, once alone.
    let projection = Balances::<1>::refusing(2);
    let run = || {
        let options = ConsumerOptions::new().on_failure(at_once().then_park());
        Midgard::new(store.clone()).project_with(projection.clone(), views.clone(), options)
    };
    block_on(run().catch_up()).unwrap();
    assert_eq!(balances(&views), ann_and_bob(5, 8));
    assert_eq!(projection.effects(), 3);
    let again = run();
    block_on(again.handle().retry("balances", "account-ann")).unwrap();
    block_on(again.catch_up()).unwrap();
    block_on(run().catch_up()).unwrap();
    assert_eq!(balances(&views), ann_and_bob(20, 8));
    assert_eq!(projection.effects(), 5);
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "weighed")]
struct WeighedV1 {
    kilograms: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "weighed", version = 2, upcast_from = WeighedV1)]
struct Weighed {
    grams: u64,
}

impl From<WeighedV1> for Weighed {
    fn from(old: WeighedV1) -> Self {
        Weighed {
            grams: old.kilograms * 1_000,
        }
    }
}

#[test]
fn parked_events_are_upcast_when_they_are_retried() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    append_event(&store, "a", &WeighedV1 { kilograms: 3 });
    // The release that parked it knew version 1 only.
    let park = || {
        Subscription::<WeighedV1>::events("scale", StartFrom::Start)
            .on_failure(at_once().then_park())
    };
    let refuse = |_| ready(Err::<(), HandlerError>("not today".into()));
    let first = Midgard::new(store.clone()).subscribe(park(), refuse);
    block_on(first.catch_up()).unwrap();
    // The next one knows version 2.
    let noted = seen.clone();
    let next = Midgard::new(store).subscribe(
        Subscription::<Weighed>::events("scale", StartFrom::Start),
        move |delivery: Delivery<Weighed>| {
            assert_eq!(delivery.failures, 1);
            noted.note(delivery.event.grams);
            ready(Ok(()))
        },
    );
    let handle = next.handle();
    block_on(handle.retry("scale", "a")).unwrap();
    block_on(next.catch_up()).unwrap();
    assert_eq!(seen.all(), [3_000]);
}

#[test]
fn a_parked_event_that_was_removed_from_the_log_is_no_longer_waited_for() {
    use midgard::store::ExpectedVersion;
    use midgard::{Store, StreamName, Version};
    let (store, refusing) = (MemoryStore::new(), Refusing::new(1));
    let (running, _) = parked(&store, &refusing);
    let a = StreamName::new("a").unwrap();
    block_on(store.truncate(&a, Version(4), ExpectedVersion::Any)).unwrap();
    block_on(running.handle.retry("mailer", "a")).unwrap();
    until_parked(&running, 0);
    let last = count(&store, "a", [5]);
    running.wait("mailer", last);
    assert_eq!(refusing.seen.all(), [0, 10, 11, 5]);
    running.stop().unwrap();
}

#[test]
fn workers_do_what_is_asked_about_the_sequences_that_are_theirs() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let bad = Arc::new(AtomicU64::new(0));
    let worker = || {
        let bad = bad.clone();
        let subscription = Subscription::<Counted>::events("mailer", StartFrom::Start)
            .partitions(4)
            .lease(SAFE_LEASE)
            .on_failure(at_once().then_park());
        let refuse = move |one: &Delivery<Counted>| one.event.number == bad.load(Ordering::SeqCst);
        start(Midgard::new(store.clone()).subscribe(subscription, seen.refuse(refuse)))
    };
    let workers = [worker(), worker()];
    let handles = workers.each_ref().map(|worker| &worker.handle);
    until_shared(&handles, |status| status.partitions == 2);
    let mut last = Position::ZERO;
    for stream in 0..8 {
        last = count(&store, &format!("a-{stream}"), [0, 1]);
    }
    workers[0].wait("mailer", last);
    let handle = &workers[0].handle;
    assert_eq!(letters(handle, "mailer").len(), 16);
    bad.store(u64::MAX, Ordering::SeqCst);
    for stream in 0..8 {
        block_on(handle.retry("mailer", &format!("a-{stream}"))).unwrap();
    }
    while !letters(handle, "mailer").is_empty() {
        std::thread::yield_now();
    }
    let mut all = seen.all();
    all.sort_unstable();
    assert_eq!(all, [[0; 8], [1; 8]].concat());
    for worker in workers {
        worker.stop().unwrap();
    }
}

#[test]
fn dead_letters_come_in_pages_and_are_retried_by_what_they_failed_for() {
    let (store, refusing) = (MemoryStore::new(), Refusing::new(u64::MAX));
    let mut last = Position::ZERO;
    for number in 0..1200 {
        // Two events each: the second follows the first.
        last = count(&store, &format!("s-{number}"), [number, 10_000]);
    }
    // All are refused that are no more than this.
    let least = Arc::new(AtomicU64::new(5000));
    let bound = least.clone();
    let subscription =
        Subscription::events("mailer", StartFrom::Start).on_failure(at_once().then_park());
    let midgard = Midgard::new(store).subscribe(
        subscription,
        refusing
            .seen
            .refuse(move |one| one.event.number <= bound.load(Ordering::SeqCst)),
    );
    let running = start(midgard);
    running.wait("mailer", last);
    until_parked(&running, 1200);
    let handle = &running.handle;
    let all = block_on(handle.dead_letters("mailer")).unwrap();
    assert_eq!(all.len(), 2400);
    let (mut paged, mut after) = (Vec::new(), Place::START);
    loop {
        let page = block_on(handle.dead_letters_page("mailer", after, 1000)).unwrap();
        let is_last = page.len() < 1000;
        paged.extend(page);
        after = paged.last().map_or(after, |letter| letter.place);
        if is_last {
            break;
        }
    }
    assert_eq!(paged, all);
    let page = block_on(handle.dead_letters_page("mailer", Place::main(last), 1000)).unwrap();
    assert_eq!(page, []);

    least.store(0, Ordering::SeqCst);
    // Of the numbers 1000 to 1199.
    let wanted =
        |letter: &midgard::consumer::DeadLetter| letter.error.len() == "no 1000 today".len();
    assert_eq!(block_on(handle.retry_all("mailer", wanted)).unwrap(), 200);
    until_parked(&running, 1000);
    let retried = block_on(handle.retry_all("mailer", |_| true)).unwrap();
    assert_eq!(retried, 1000);
    // Number 0 is refused still.
    until_parked(&running, 1);
    assert_eq!(letters(handle, "mailer")[0].2, 2);
    let retried = block_on(handle.retry_all("mailer", |letter| letter.failures == 7)).unwrap();
    assert_eq!(retried, 0);
    running.stop().unwrap();
}
