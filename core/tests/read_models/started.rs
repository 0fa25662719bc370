//! Programs that are started in tasks of a runtime, and what requests need of them.

use super::kit::{Balance, Balances, LONG, Paid, Seen, count};
use futures_util::future::{AbortHandle, abortable};
use midgard::bus::InProcessBus;
use midgard::clock::ManualClock;
use midgard::consumer::{ConsumerState, RunError};
use midgard::{
    Aggregate, Apply, Command, Events, MemoryStore, Midgard, Outbox, Place, StartFrom, Store,
    Subscription, Timestamp, Views, block_on, events,
};
use std::convert::Infallible;
use std::pin::Pin;
use std::thread;

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "started_account", id = String, events(Paid))]
struct Account {
    cents: u64,
}

impl Apply<Paid> for Account {
    fn apply(&mut self, event: Paid) {
        self.cents += event.cents;
    }
}

struct Pay(u64);

impl Command<Account> for Pay {
    type Error = Infallible;

    fn decide(&self, _: &Account) -> Result<Events<Account>, Infallible> {
        Ok(events![Paid {
            account: "ann".to_owned(),
            cents: self.0,
        }])
    }
}

fn program(store: &MemoryStore) -> Midgard<MemoryStore> {
    let views = Views::new(store.clone());
    Midgard::new(store.clone()).project(Balances::<1>::default(), views)
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    { runtime }.worker_threads(2).build().unwrap()
}

#[test]
fn requests_find_repositories_views_and_the_handle_in_it() {
    runtime().block_on(async {
        let bank = program(&MemoryStore::new())
            .start(tokio::spawn)
            .await
            .unwrap();
        let request = bank.clone();
        for cents in [5, 7] {
            request
                .repository::<Account>()
                .execute("ann", &Pay(cents))
                .and_wait_for::<Balances<1>>(request.handle(), LONG)
                .await
                .unwrap();
        }
        let row = request.views().get::<Balance>("ann").unwrap();
        assert_eq!(row.map(|row| row.cents), Some(12));
        let stored = request.store().last_position(midgard::LogId::MAIN).await;
        assert_eq!(stored.unwrap(), midgard::Position(2));
        drop(request);

        bank.handle().drain();
        bank.ended().await.unwrap();
        bank.clone().ended().await.unwrap();
        let state = bank.handle().status()[0].state;
        assert_eq!(state, ConsumerState::Stopped);
    });
}

#[test]
fn its_repositories_have_the_clock_of_the_program() {
    let clock = ManualClock::at(Timestamp::from_micros(1_000_000));
    let store = MemoryStore::new();
    let program = Midgard::with_clock(store, clock);
    runtime().block_on(async {
        let bank = program.start(tokio::spawn).await.unwrap();
        let accounts = bank.repository::<Account>();
        accounts.execute_once("k-1", "ann", &Pay(5)).await.unwrap();
        // A key is as old as this clock says.
        let before = Timestamp::from_micros(2_000_000);
        let forgotten = accounts.forget_keys(before).await.unwrap();
        assert_eq!(forgotten, 1);
    });
}

/// A task as some runtimes have it: it ends when its handle is dropped.
struct Cancelled(AbortHandle);

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn spawn_cancelled(task: Pin<Box<dyn Future<Output = ()> + Send>>) -> Cancelled {
    let (task, abort) = abortable(task);
    thread::spawn(|| block_on(task));
    Cancelled(abort)
}

#[test]
fn handles_of_tasks_are_kept_until_the_program_ends() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let last = count(&store, "a", 0..100);
    let all = Subscription::events("all", StartFrom::Start);
    let program = Midgard::new(store).subscribe(all, seen.collect());
    let running = block_on(program.start(spawn_cancelled)).unwrap();
    block_on(running.handle().wait_for("all", Place::main(last), LONG)).unwrap();
    running.handle().stop();
    block_on(running.ended()).unwrap();
    assert_eq!(seen.all().len(), 100);
}

#[test]
fn a_program_that_cannot_run_says_why_when_it_is_started() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let one = || Subscription::events("one", StartFrom::Start);
    let twice = Midgard::new(store.clone())
        .subscribe(one(), seen.collect())
        .subscribe(one(), seen.collect());
    let error = block_on(twice.start(spawn_cancelled)).unwrap_err();
    assert!(matches!(error, RunError::DuplicateName { .. }), "{error}");

    let without_a_runtime = program(&store).start(tokio::spawn);
    assert_eq!(
        block_on(without_a_runtime).unwrap_err().to_string(),
        "the program was not run: the function given to `Midgard::start` panicked: there is no reactor running, must be \
         called from the context of a Tokio 1.x runtime; start it within the runtime of the tasks"
    );
}

#[test]
fn when_a_consumer_fails_at_the_start_the_others_are_stopped() {
    let store = MemoryStore::new();
    let bus = InProcessBus::new();
    count(&store, "a", 0..1);
    let first = Midgard::new(store.clone()).outbox(Outbox::new("bank").named("first"), bus.clone());
    block_on(first.catch_up()).unwrap();
    let second = program(&store).outbox(Outbox::new("bank").named("second"), bus);
    let handle = second.handle();
    let error = block_on(second.start(spawn_cancelled)).unwrap_err();
    assert!(matches!(error, RunError::NewOutbox { .. }), "{error}");
    let states: Vec<_> = handle.status().iter().map(|one| one.state).collect();
    assert_eq!(states, [ConsumerState::Stopped, ConsumerState::Failed]);
}

#[test]
fn consumers_are_dropped_with_the_last_clone() {
    runtime().block_on(async {
        let bank = program(&MemoryStore::new())
            .start(tokio::spawn)
            .await
            .unwrap();
        let handle = bank.handle().clone();
        drop(bank.clone());
        assert_eq!(handle.status()[0].state, ConsumerState::Live);
        drop(bank);
        handle.ended().await;
        assert_eq!(handle.status()[0].state, ConsumerState::Dropped);
    });
}

#[test]
fn a_spawner_of_its_own_runs_the_consumers() {
    let store = MemoryStore::new();
    let last = count(&store, "a", 0..1);
    let all = Subscription::<super::kit::Counted>::events("all", StartFrom::Start);
    let program = Midgard::new(store)
        .subscribe(all, async |_| {
            assert_eq!(thread::current().name(), Some("midgard consumer"));
            Ok(())
        })
        .thread_per_consumer();
    runtime().block_on(async {
        let running = program.start(tokio::spawn).await.unwrap();
        let wait = running.handle().wait_for("all", Place::main(last), LONG);
        wait.await.unwrap();
    });
}
