//! What consumers are told of the ends of streams, and commands that wait for a projection.

use super::kit::{Counted, LONG, Paid, Seen, append_event, pay, quick, start};
use midgard::consumer::{ConsumerOptions, ExecuteAndWaitError};
use midgard::store::{ExpectedVersion, StreamTombstoned};
use midgard::view::Select;
use midgard::{
    Aggregate, Apply, Command, Context, Delivery, Event as _, EventSet, Events, HandlerError,
    MemoryStore, Midgard, Place, Position, Project, Projection, Repository, StartFrom, Store,
    StreamName, Subscription, View, Views, block_on, events,
};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "account", id = String, events(Paid))]
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
        let account = "ann".to_owned();
        Ok(events![Paid {
            account,
            cents: self.0
        }])
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = account)]
struct OpenAccount {
    account: String,
    cents: u64,
}

/// Sums what was paid, for as long as the account is there. Fails on as many tombstones as it is told to.
#[derive(Default, Clone, Projection)]
#[projection(
    name = "open accounts",
    events(Paid, StreamTombstoned),
    views(OpenAccount)
)]
struct OpenAccounts {
    failures: Arc<AtomicU64>,
    told: Arc<AtomicU64>,
}

impl Project<Paid> for OpenAccounts {
    async fn project(
        &self,
        event: Paid,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let Paid { account, cents } = event;
        let new = || OpenAccount {
            account: account.clone(),
            cents: 0,
        };
        context.upsert::<OpenAccount>(&account, new, |row| row.cents += cents)?;
        Ok(())
    }
}

impl Project<StreamTombstoned> for OpenAccounts {
    async fn project(
        &self,
        event: StreamTombstoned,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        if let Some(account) = event.id_of::<Account>()? {
            context.remove::<OpenAccount>(&account)?;
        }
        let told = self.told.clone();
        context.after_commit(async move {
            told.fetch_add(1, Ordering::SeqCst);
        });
        let fewer = |left: u64| left.checked_sub(1);
        let order = Ordering::SeqCst;
        match self.failures.fetch_update(order, order, fewer) {
            Ok(_) => Err("not yet".into()),
            Err(_) => Ok(()),
        }
    }
}

fn rows(views: &Views) -> Vec<(String, u64)> {
    let rows = views.select(Select::<OpenAccount>::all()).unwrap();
    rows.into_iter()
        .map(|row| (row.account, row.cents))
        .collect()
}

fn tombstone(store: &MemoryStore, stream: &str) {
    let stream = StreamName::new(stream).unwrap();
    block_on(store.tombstone(&stream, ExpectedVersion::Any)).unwrap();
}

fn catch_up(store: &MemoryStore, views: &Views, projection: &OpenAccounts) {
    let options = ConsumerOptions::new().on_failure(quick());
    let midgard = Midgard::new(store.clone());
    let midgard = midgard.project_with(projection.clone(), views.clone(), options);
    block_on(midgard.catch_up()).unwrap();
}

#[test]
fn a_projection_removes_the_rows_of_a_stream_that_was_tombstoned_and_is_told_once() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let projection = OpenAccounts::default();
    pay(&store, "ann", 5);
    pay(&store, "bob", 7);
    catch_up(&store, &views, &projection);
    assert_eq!(rows(&views), [("ann".to_owned(), 5), ("bob".to_owned(), 7)]);

    tombstone(&store, "account-ann");
    // Of another aggregate, whose id is the same.
    tombstone(&store, "customer-bob");
    for _ in 0..2 {
        catch_up(&store, &views, &projection);
        assert_eq!(rows(&views), [("bob".to_owned(), 7)]);
        assert_eq!(projection.told.load(Ordering::SeqCst), 2);
    }
}

#[test]
fn a_tombstone_is_told_in_its_place_of_the_log() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    // What other streams say of the account before its end is removed with it, and what they say afterwards stays.
    let paid = |cents| Paid {
        account: "ann".to_owned(),
        cents,
    };
    append_event(&store, "transfer-1", &paid(5));
    tombstone(&store, "account-ann");
    append_event(&store, "transfer-2", &paid(2));
    catch_up(&store, &views, &OpenAccounts::default());
    assert_eq!(rows(&views), [("ann".to_owned(), 2)]);
}

#[test]
fn a_tombstone_that_its_handler_fails_on_is_tried_again_and_parked_and_retried_as_an_event() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let projection = OpenAccounts::default();
    pay(&store, "ann", 5);
    tombstone(&store, "account-ann");
    projection.failures.store(1, Ordering::SeqCst);
    catch_up(&store, &views, &projection);
    assert!(rows(&views).is_empty());

    append_event(
        &store,
        "transfer-1",
        &Paid {
            account: "bob".to_owned(),
            cents: 1,
        },
    );
    tombstone(&store, "account-bob");
    projection.failures.store(u64::MAX, Ordering::SeqCst);
    let options = ConsumerOptions::new().on_failure(quick().then_park());
    let midgard = Midgard::new(store.clone());
    let running = start(midgard.project_with(projection.clone(), views.clone(), options));
    let end = block_on(store.last_position(midgard::LogId::MAIN)).unwrap();
    let handle = running.handle.clone();
    block_on(handle.wait_for_projection::<OpenAccounts>(Place::main(end), LONG)).unwrap();
    let letters = block_on(handle.dead_letters("open accounts")).unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].name, StreamTombstoned::NAME);
    assert_eq!(rows(&views), [("bob".to_owned(), 1)]);
    projection.failures.store(0, Ordering::SeqCst);
    block_on(handle.retry("open accounts", &letters[0].sequence)).unwrap();
    block_on(handle.wait_until("open accounts", LONG, |status| status.parked == 0)).unwrap();
    assert!(rows(&views).is_empty());
    running.stop().unwrap();
}

#[derive(Debug, Clone, EventSet)]
enum CountedOrEnded {
    Counted(Counted),
    Ended(StreamTombstoned),
}

#[test]
fn a_subscription_is_told_of_tombstones_where_its_set_names_them() {
    let store = MemoryStore::new();
    super::kit::count(&store, "counter-1", [1, 2]);
    tombstone(&store, "counter-1");
    super::kit::count(&store, "counter-2", [3]);
    let (seen, all) = (Seen::default(), Seen::default());
    let told = seen.clone();
    let handler = move |delivery: Delivery<CountedOrEnded>| {
        match &delivery.event {
            CountedOrEnded::Counted(event) => told.note(event.number),
            CountedOrEnded::Ended(event) => told.note(100 + event.version().get()),
        }
        std::future::ready(Ok(()))
    };
    let midgard = Midgard::new(store)
        .subscribe(Subscription::events("told", StartFrom::Start), handler)
        .subscribe(
            Subscription::events("not told", StartFrom::Start),
            all.collect(),
        );
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(seen.all(), [102, 3]);
    assert_eq!(all.all(), [3]);
}

#[test]
fn a_command_waits_until_a_projection_shows_it() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let accounts = Repository::<Account, _>::new(store.clone());
    let projection = OpenAccounts::default();
    let running = start(Midgard::new(store).project(projection, views.clone()));
    for cents in 1..=20 {
        let done = accounts
            .execute("ann", &Pay(1))
            .and_wait_for::<OpenAccounts>(&running.handle, LONG);
        assert_eq!(block_on(done).unwrap().state().cents, cents);
        assert_eq!(rows(&views), [("ann".to_owned(), cents)]);
    }
    running.stop().unwrap();
}

#[test]
fn a_command_that_nothing_shows_is_said_to_be_done_or_not() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let accounts = Repository::<Account, _>::new(store.clone());
    let idle = Midgard::new(store.clone()).handle();
    let soon = Duration::from_millis(10);
    let done = accounts.execute("ann", &Pay(1));
    let error = block_on(done.and_wait_for::<OpenAccounts>(&idle, soon)).unwrap_err();
    assert!(matches!(error, ExecuteAndWaitError::NotExecuted(_)));
    assert_eq!(
        block_on(store.last_position(midgard::LogId::MAIN)).unwrap(),
        Position::ZERO
    );

    // Never run.
    let midgard = Midgard::new(store).project(OpenAccounts::default(), views);
    let handle = midgard.handle();
    let done = accounts.execute("ann", &Pay(1));
    let error = block_on(done.and_wait_for::<OpenAccounts>(&handle, soon)).unwrap_err();
    assert!(matches!(error, ExecuteAndWaitError::NotShown { .. }));
    let said = error.to_string();
    let begin = "the command was executed, and stream \"account-ann\" is at version 1, but the projection does not show it yet: ";
    assert!(said.starts_with(begin), "{said}");
}
