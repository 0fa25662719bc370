//! How programs begin and end: what does not run says so, and nobody waits for it.

use super::kit::{Counted, LONG, Seen, at_once, count, start};
use futures_util::poll;
use midgard::consumer::{ConsumerState, HandleError, RunError};
use midgard::{
    Delivery, MemoryStore, Midgard, MidgardHandle, Place, Position, StartFrom, Subscription,
    block_on,
};
use std::future::ready;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

fn states(handle: &MidgardHandle) -> Vec<ConsumerState> {
    let all = handle.status();
    all.iter().map(|status| status.state).collect()
}

/// What a wait of an hour says at once.
fn told_at_once(handle: &MidgardHandle, name: &str) -> String {
    let began = Instant::now();
    let hour = Duration::from_secs(3600);
    let error = block_on(handle.wait_for(name, Place::main(Position(1)), hour)).unwrap_err();
    assert!(matches!(error, HandleError::Ended { .. }), "{error}");
    assert!(began.elapsed() < LONG);
    error.to_string()
}

#[test]
fn a_program_that_is_refused_says_so_of_all_its_consumers() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let midgard = Midgard::new(store)
        .subscribe(
            Subscription::events("one", StartFrom::Start),
            seen.collect(),
        )
        .subscribe(
            Subscription::events("twice", StartFrom::Start),
            seen.collect(),
        )
        .subscribe(
            Subscription::events("twice", StartFrom::Start),
            seen.collect(),
        );
    let handle = midgard.handle();
    let error = block_on(midgard.run()).unwrap_err();
    assert!(matches!(error, RunError::DuplicateName { .. }), "{error}");
    assert_eq!(states(&handle), [ConsumerState::NeverRun; 3]);
    let told = told_at_once(&handle, "one");
    assert!(
        told.starts_with(
            "\"one\" was never run: subscription one: never run, at 0 of 0; last error at "
        ) && told.contains(
            "the program was not run: the subscription \"twice\" has the name of another consumer"
        ) && told.ends_with("; await `Midgard::run`, and see what it returns"),
        "{told}"
    );
    assert!(block_on(handle.ready()).is_err());
    block_on(handle.ended());
    let waited = block_on(handle.wait_until("one", LONG, |_| false));
    assert!(matches!(waited, Err(HandleError::Ended { .. })));
}

#[test]
fn a_run_that_is_dropped_says_so() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", [0]);
    let program = || {
        let subscription = Subscription::events("all", StartFrom::Start);
        Midgard::new(store.clone()).subscribe(subscription, seen.collect())
    };
    let midgard = program();
    let handle = midgard.handle();
    drop(midgard.run());
    assert_eq!(states(&handle), [ConsumerState::NeverRun]);
    told_at_once(&handle, "all");

    let midgard = program();
    let handle = midgard.handle();
    block_on(async {
        let mut running = pin!(midgard.run());
        while states(&handle) != [ConsumerState::Live] {
            assert!(poll!(running.as_mut()).is_pending());
        }
    });
    assert_eq!(states(&handle), [ConsumerState::Dropped]);
    let error = block_on(handle.wait_for("all", Place::main(Position(9)), LONG)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"all\" does not run any more, as the future of `run` was dropped or its task aborted: subscription all: \
         dropped, at 1 of 1; run it again, and stop it with a handle"
    );
    block_on(handle.ended());
    let error = handle.restart("all").unwrap_err();
    assert!(matches!(error, HandleError::Ended { .. }), "{error}");
}

#[test]
fn a_consumer_that_nobody_runs_any_more_is_not_restarted() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", [0]);
    let subscription = Subscription::events("broken", StartFrom::Start).on_failure(at_once());
    let midgard = Midgard::new(store).subscribe(subscription, seen.refuse(|_| true));
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap_err();
    let error = handle.restart("broken").unwrap_err().to_string();
    assert!(
        error.starts_with("\"broken\" has failed, and its program does not run it any more: ")
            && error.ends_with("; mend it and run the program again"),
        "{error}"
    );
    // It is not shown as if it were about to go on.
    assert_eq!(states(&handle), [ConsumerState::Failed]);
    told_at_once(&handle, "broken");
}

#[test]
fn a_program_is_awaited_until_it_is_at_work_and_until_it_has_ended() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let midgard = Midgard::new(store)
        .subscribe(
            Subscription::events("one", StartFrom::Start),
            seen.collect(),
        )
        .subscribe(
            Subscription::events("two", StartFrom::Start),
            seen.collect(),
        );
    let handle = midgard.handle();
    let mut ready = Box::pin({
        let handle = handle.clone();
        async move { handle.ready().await }
    });
    let is_pending = block_on(async { matches!(poll!(ready.as_mut()), Poll::Pending) });
    assert!(is_pending);
    let running = start(midgard);
    block_on(ready).unwrap();
    assert_eq!(states(&handle), [ConsumerState::Live; 2]);
    let ended = std::thread::spawn({
        let handle = handle.clone();
        move || block_on(handle.ended())
    });
    running.stop().unwrap();
    ended.join().unwrap();
    assert_eq!(states(&handle), [ConsumerState::Stopped; 2]);
}

#[test]
fn who_waits_for_a_program_to_begin_is_told_when_it_fails_or_is_dropped_before() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", [0]);
    let midgard = Midgard::new(store.clone()).subscribe(
        Subscription::events("partitions", StartFrom::Start).partitions(0),
        |_: Delivery<Counted>| ready(Ok(())),
    );
    let handle = midgard.handle();
    let running = start(midgard);
    let error = block_on(handle.ready()).unwrap_err().to_string();
    assert!(error.contains("has failed"), "{error}");
    running.stop().unwrap_err();

    let midgard = Midgard::new(store).subscribe(
        Subscription::events("all", StartFrom::Start),
        seen.collect(),
    );
    let handle = midgard.handle();
    drop(midgard);
    let error = block_on(handle.ready()).unwrap_err().to_string();
    assert!(error.starts_with("\"all\" was never run"), "{error}");
    block_on(handle.ended());
}
