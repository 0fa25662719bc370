//! Reading one's own writes, and how consumers are doing.

use super::kit::{Balances, LONG, Seen, accounts, ann_and_bob, balances, count, pay, start};
use midgard::Views;
use midgard::consumer::{ConsumerKind, ConsumerState, HandleError, Status};
use midgard::{MemoryStore, Midgard, Place, Position, StartFrom, Subscription, block_on};
use std::time::Duration;

#[test]
fn what_was_written_can_be_read_once_it_was_waited_for() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let running =
        start(Midgard::new(store.clone()).project(Balances::<1>::default(), views.clone()));
    for cents in 1..=200 {
        let position = pay(&store, "ann", 1);
        running.wait("balances", position);
        assert_eq!(balances(&views), [("ann".to_owned(), cents)]);
    }
    running.stop().unwrap();
}

#[test]
fn a_program_that_does_not_run_it_can_wait_for_it_too() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let program = || Midgard::new(store.clone()).project(Balances::<1>::default(), views.clone());
    let (running, elsewhere) = (start(program()), program().handle());
    let position = pay(&store, "ann", 1);
    block_on(elsewhere.wait_for("balances", Place::main(position), LONG)).unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 1)]);
    running.stop().unwrap();
}

#[test]
fn a_wait_ends_when_it_takes_too_long_or_leads_nowhere() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let all = Subscription::events("all", StartFrom::Start);
    let running = start(Midgard::new(store.clone()).subscribe(all, seen.collect()));
    let last = count(&store, "a", [1]);
    running.wait("all", last);
    let wait = |name, position| {
        block_on(
            running
                .handle
                .wait_for(name, Place::main(position), Duration::from_millis(20)),
        )
    };
    let error = wait("all", Position(9)).unwrap_err();
    assert!(
        error.to_string().starts_with(
            "waited 20ms for \"all\" to reach position 9; its status: subscription all: live, at 1 of 1"
        ),
        "{error}"
    );
    let error = wait("al", Position(1)).unwrap_err();
    assert!(matches!(error, HandleError::Unknown { .. }), "{error}");
    let handle = running.handle.clone();
    running.stop().unwrap();
    block_on(handle.wait_for("all", Place::main(last), LONG)).unwrap();
    let error = block_on(handle.wait_for("all", Place::main(Position(9)), LONG)).unwrap_err();
    assert!(matches!(error, HandleError::Ended { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "\"all\" was stopped: subscription all: stopped, at 1 of 1; run it again"
    );
}

#[test]
fn views_that_are_ahead_of_their_log_are_not_taken_for_up_to_date() {
    let views = Views::new(MemoryStore::new());
    let old = MemoryStore::new();
    accounts(&old);
    let projection = || Balances::<1>::default();
    block_on(
        Midgard::new(old)
            .project(projection(), views.clone())
            .catch_up(),
    )
    .unwrap();
    // The log is an older copy, or another one; the views are what they were.
    let log = MemoryStore::new();
    let last = pay(&log, "ann", 1);
    let running = start(Midgard::new(log.clone()).project(projection(), views.clone()));
    let has_noticed = |status: &Status| status.last_error.is_some();
    let status = running.handle.wait_until("balances", LONG, has_noticed);
    let error = block_on(status).unwrap().last_error.unwrap().message;
    assert_eq!(
        error,
        "it has handled events up to position 5, but the log ends at 1: this is another log, or an older copy of it; \
         restore the newer one, rebuild the projection, or give the subscription another name"
    );
    let wait = running
        .handle
        .wait_for("balances", Place::main(last), Duration::from_millis(50));
    block_on(wait).unwrap_err();
    running.stop().unwrap();
    assert_eq!(balances(&views), ann_and_bob(20, 8));
    let midgard = || Midgard::new(log.clone()).project(projection(), views.clone());
    let error = block_on(midgard().catch_up()).unwrap_err().to_string();
    assert!(
        error.contains("stopped: it has handled events up to position 5"),
        "{error}"
    );
    // A rebuild makes them what that log says.
    let rebuilt = midgard();
    block_on(rebuilt.handle().rebuild("balances")).unwrap();
    let _ = block_on(rebuilt.catch_up());
    block_on(midgard().catch_up()).unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 1)]);
}

#[test]
fn the_status_says_how_everything_is_doing() {
    let (store, views, seen) = (
        MemoryStore::new(),
        Views::new(MemoryStore::new()),
        Seen::default(),
    );
    let midgard = Midgard::new(store.clone())
        .project(Balances::<1>::default(), views.clone())
        .subscribe(
            Subscription::events("numbers", StartFrom::Start),
            seen.collect(),
        );
    let handle = midgard.handle();
    let waiting: Vec<_> = handle.status().into_iter().map(|one| one.state).collect();
    assert_eq!(waiting, [ConsumerState::Waiting; 2]);
    accounts(&store);
    let last = count(&store, "a", 0..3);
    let running = start(midgard);
    running.wait("balances", last);
    running.wait("numbers", last);
    let all = handle.status();
    let [projection, subscription] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!(projection.kind, ConsumerKind::Projection);
    assert_eq!((projection.handled, subscription.handled), (5, 3));
    for status in [projection, subscription] {
        assert_eq!(status.lag(), 0, "{status}");
        assert_eq!(status.end, Place::main(last));
        assert_eq!((status.partitions, status.all_partitions), (1, 1));
        assert_eq!(status.last_error, None);
    }
    assert_eq!(
        subscription.to_string(),
        "subscription numbers: live, at 8 of 8"
    );
    running.drain().unwrap();
    assert!(
        handle
            .status()
            .iter()
            .all(|one| one.state == ConsumerState::Stopped)
    );
    assert_eq!(balances(&views), ann_and_bob(20, 8));
}
