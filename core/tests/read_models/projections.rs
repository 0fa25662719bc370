//! Projections on embedded views: every event has its effect exactly once.

use super::kit::{
    Balance, Balances, LONG, SAFE_LEASE, accounts, ann_and_bob, append_event, at_once, balances,
    pay, quick, start,
};
use midgard::Views;
use midgard::consumer::{ConsumerOptions, RunError, Status};
use midgard::{MemoryStore, Midgard, StartFrom, block_on};
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

fn catch_up(store: &MemoryStore, views: &Views, projection: &Balances<1>) -> Result<(), RunError> {
    let midgard = Midgard::new(store.clone());
    let options = ConsumerOptions::new().on_failure(quick());
    block_on(
        midgard
            .project_with(projection.clone(), views.clone(), options)
            .catch_up(),
    )
}

#[test]
fn events_within_one_stream_are_grouped_by_their_identity_and_separate_ones_stay_independent() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let projection = Balances::<1>::default();
    // Safe to call when there is nothing to do.
    for _ in 0..3 {
        catch_up(&store, &views, &projection).unwrap();
        assert_eq!(balances(&views), ann_and_bob(20, 8));
    }
    // An event can update what an earlier commit has built.
    pay(&store, "ann", 100);
    catch_up(&store, &views, &projection).unwrap();
    assert_eq!(balances(&views), ann_and_bob(120, 8));
    assert_eq!(projection.effects(), 6);
}

#[test]
fn an_identity_that_no_event_names_has_no_row() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    catch_up(&store, &views, &Balances::<1>::default()).unwrap();
    assert!(balances(&views).is_empty());
    assert_eq!(views.get::<Balance>("ann").unwrap(), None);
}

#[test]
fn views_may_be_in_the_store_of_the_events() {
    let store = MemoryStore::new();
    let views = Views::new(store.clone());
    accounts(&store);
    catch_up(&store, &views, &Balances::<1>::default()).unwrap();
    assert_eq!(balances(&views), ann_and_bob(20, 8));
}

#[test]
fn events_from_separate_streams_land_on_one_row() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    for stream in ["transfer-1", "transfer-2", "transfer-3"] {
        let account = "ann".to_owned();
        append_event(&store, stream, &super::kit::Paid { account, cents: 2 });
    }
    catch_up(&store, &views, &Balances::<1>::default()).unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 6)]);
}

#[test]
fn two_workers_of_one_projection_count_nothing_twice() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let options = ConsumerOptions::new().lease(Duration::from_millis(60));
            let midgard = Midgard::new(store.clone());
            start(midgard.project_with(Balances::<1>::default(), views.clone(), options))
        })
        .collect();
    for _ in 0..300 {
        pay(&store, "ann", 1);
        pay(&store, "bob", 2);
    }
    for worker in workers {
        worker.drain().unwrap();
    }
    assert_eq!(balances(&views), ann_and_bob(300, 600));
}

/// A batch that takes longer than the lease is committed in parts: else each worker would lose the lease before
/// it has committed anything.
#[test]
fn workers_with_slow_handlers_get_on_and_count_nothing_twice() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    for _ in 0..200 {
        pay(&store, "ann", 1);
    }
    let slow = Balances::<1>::slow(Duration::from_millis(2));
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let options = ConsumerOptions::new().lease(Duration::from_millis(60));
            let midgard = Midgard::new(store.clone());
            start(midgard.project_with(slow.clone(), views.clone(), options))
        })
        .collect();
    let (ended, has_ended) = mpsc::channel();
    thread::spawn(move || {
        for worker in workers {
            worker.drain().unwrap();
        }
        ended.send(()).unwrap();
    });
    has_ended.recv_timeout(LONG).expect("they get on");
    assert_eq!(balances(&views), [("ann".to_owned(), 200)]);
    assert_eq!(slow.effects(), 200);
}

/// The others ask whether the first is still there, and it answers them in the middle of its batches. How often it looks for such
/// questions follows from its own lease, and how long the others wait for the answer from theirs.
#[test]
fn nothing_is_done_twice_because_another_worker_stands_by() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    for _ in 0..700 {
        pay(&store, "ann", 1);
    }
    let slow = Balances::<1>::slow(Duration::from_millis(2));
    let start_with = |lease| {
        let options = ConsumerOptions::new().lease(lease);
        let midgard = Midgard::new(store.clone());
        start(midgard.project_with(slow.clone(), views.clone(), options))
    };
    let first = start_with(Duration::from_millis(60));
    let owns = |status: &Status| status.partitions == 1;
    block_on(first.handle.wait_until("balances", LONG, owns)).unwrap();
    let others = [(); 3].map(|()| start_with(SAFE_LEASE));
    for worker in [first].into_iter().chain(others) {
        worker.drain().unwrap();
    }
    assert_eq!(slow.calls.load(Ordering::SeqCst), 700);
    assert_eq!(balances(&views), [("ann".to_owned(), 700)]);
}

#[test]
fn a_stop_in_the_middle_of_a_batch_keeps_what_is_done_and_repeats_nothing() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    for _ in 0..500 {
        pay(&store, "ann", 1);
    }
    let (projection, gate) = Balances::<1>::gated(100);
    let running = start(Midgard::new(store.clone()).project(projection.clone(), views.clone()));
    gate.wait_until_reached();
    running.handle.stop();
    gate.open();
    running.end().unwrap();
    let done = balances(&views);
    let [(_, before)] = done[..] else {
        panic!("nothing was kept: {done:?}")
    };
    assert!(before < 500, "the stop waited for all events");
    assert_eq!(projection.effects(), before);
    catch_up(&store, &views, &projection).unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 500)]);
    assert_eq!(projection.effects(), 500);
    assert_eq!(projection.calls.load(Ordering::SeqCst), 500);
}

#[test]
fn readers_see_whole_transactions() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let running =
        start(Midgard::new(store.clone()).project(Balances::<1>::default(), views.clone()));
    let writer = thread::spawn(move || {
        let mut last = None;
        for _ in 0..300 {
            // Both in one append, and so in one batch of the projection.
            let paid = |account: &str| {
                let account = account.to_owned();
                midgard::event::NewEvent::encode(&super::kit::Paid { account, cents: 1 }).unwrap()
            };
            last = Some(super::kit::append_all(
                &store,
                "both",
                [paid("ann"), paid("bob")],
            ));
        }
        last.unwrap()
    });
    while !writer.is_finished() {
        let Ok(snapshot) = views.snapshot() else {
            continue;
        };
        let of = |account| {
            let row = snapshot.get::<Balance>(account);
            row.map(|row| row.map_or(0, |row| row.cents))
        };
        if let (Ok(ann), Ok(bob)) = (of("ann"), of("bob")) {
            let place = snapshot.place_of::<Balances<1>>().unwrap();
            assert_eq!((ann, ann + bob), (bob, place.position.get()));
        }
    }
    running.wait("balances", writer.join().unwrap());
    assert_eq!(balances(&views), ann_and_bob(300, 300));
    running.stop().unwrap();
}

#[test]
fn a_consumer_that_stops_on_a_failure_does_not_keep_others_from_their_events() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let seen = super::kit::Seen::default();
    let noted = seen.clone();
    let options = ConsumerOptions::new().on_failure(at_once());
    let midgard = Midgard::new(store)
        .project_with(Balances::<1>::refusing(9), views, options)
        .subscribe(
            midgard::Subscription::<super::kit::Paid>::events("all", StartFrom::Start),
            move |delivery| {
                noted.note(delivery.event.cents);
                std::future::ready(Ok(()))
            },
        );
    block_on(midgard.catch_up()).unwrap_err();
    assert_eq!(seen.all(), [5, 7, 13, 1, 2]);
}
