//! Consumers as tasks of their own: one that blocks its thread delays no other.

use super::kit::{Counted, LONG, Seen, count, start};
use midgard::consumer::{ConsumerState, RunError};
use midgard::{
    Delivery, HandlerError, MemoryStore, Midgard, Place, StartFrom, Subscription, block_on,
};
use std::future::{Ready, ready};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// A handler that blocks its thread until it is told to go on, and tells when it begins.
struct Gate {
    begun: mpsc::Receiver<()>,
    open: mpsc::Sender<()>,
}

impl Gate {
    fn new() -> (
        Self,
        impl Fn(Delivery<Counted>) -> Ready<Result<(), HandlerError>>,
    ) {
        let (begin, begun) = mpsc::channel();
        let (open, opened) = mpsc::channel();
        let opened = Mutex::new(opened);
        let handler = move |_: Delivery<Counted>| {
            begin.send(()).unwrap();
            opened.lock().unwrap().recv_timeout(LONG).unwrap();
            ready(Ok(()))
        };
        (Gate { begun, open }, handler)
    }
}

/// Two consumers, of which one blocks until the other has handled all.
fn blocked(run: impl FnOnce(Midgard<MemoryStore>) -> thread::JoinHandle<Result<(), RunError>>) {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", [0]);
    let (gate, blocking) = Gate::new();
    let midgard = Midgard::new(store.clone())
        .subscribe(Subscription::events("blocking", StartFrom::Start), blocking)
        .subscribe(
            Subscription::events("other", StartFrom::Start),
            seen.collect(),
        );
    let handle = midgard.handle();
    let running = run(midgard);
    gate.begun.recv_timeout(LONG).unwrap();
    let last = count(&store, "a", 1..100);
    block_on(handle.wait_for("other", Place::main(last), LONG)).unwrap();
    let blocked = handle.status_of("blocking").unwrap();
    assert_eq!(blocked.place, Place::START);
    assert!(blocked.handling.is_some(), "{blocked}");
    handle.stop();
    gate.open.send(()).unwrap();
    running.join().unwrap().unwrap();
    let states: Vec<_> = handle.status().iter().map(|status| status.state).collect();
    assert_eq!(states, [ConsumerState::Stopped; 2]);
}

#[test]
fn a_handler_that_blocks_delays_no_consumer_of_another_thread() {
    blocked(|midgard| thread::spawn(|| block_on(midgard.thread_per_consumer().run())));
}

#[test]
fn nor_one_of_another_task_of_a_runtime() {
    blocked(|midgard| {
        thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = { runtime }.worker_threads(2).build().unwrap();
            let midgard = midgard.spawner(tokio::spawn);
            runtime.block_on(midgard.run())
        })
    });
}

#[test]
fn tasks_end_when_the_future_that_waits_for_them_is_dropped() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let midgard = Midgard::new(store)
        .thread_per_consumer()
        .subscribe(
            Subscription::events("one", StartFrom::Start),
            seen.collect(),
        )
        .subscribe(
            Subscription::events("two", StartFrom::Start),
            seen.collect(),
        );
    let handle = midgard.handle();
    block_on(async {
        let running = std::pin::pin!(midgard.run());
        let at_work = std::pin::pin!(handle.ready());
        let _ = futures_util::future::select(running, at_work).await;
    });
    block_on(handle.ended());
    let states: Vec<_> = handle.status().iter().map(|status| status.state).collect();
    assert_eq!(states, [ConsumerState::Dropped; 2]);
}

#[test]
fn a_spawner_that_drops_tasks_or_panics_is_told_of() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let program = || {
        let subscription = Subscription::events("all", StartFrom::Start);
        Midgard::new(store.clone()).subscribe(subscription, seen.collect())
    };
    let dropped = block_on(program().spawner(drop).run()).unwrap_err();
    assert_eq!(
        dropped.to_string(),
        "subscription \"all\" did not come to its end: its task was dropped before it had ended; let the \
         function given to `Midgard::spawner` run each future until it is done"
    );
    let no_runtime = program().spawner(tokio::spawn);
    let error = block_on(no_runtime.run()).unwrap_err().to_string();
    assert!(
        error.contains("its spawner panicked: there is no reactor running"),
        "{error}"
    );
}

#[test]
fn what_blocks_its_thread_does_not_keep_a_program_of_tasks_from_ending_in_time() {
    let store = MemoryStore::new();
    count(&store, "a", [0]);
    let (gate, blocking) = Gate::new();
    let midgard = Midgard::new(store)
        .thread_per_consumer()
        .stop_within(Duration::from_millis(30))
        .subscribe(Subscription::events("blocking", StartFrom::Start), blocking);
    let running = start(midgard);
    gate.begun.recv_timeout(LONG).unwrap();
    let error = running.stop().unwrap_err();
    assert!(matches!(error, RunError::NotStopped { .. }), "{error}");
    gate.open.send(()).unwrap();
}
