//! Projections on embedded views: every event has its effect exactly once, also through failures and rebuilds.

use midgard::projection::{Keeps, ProjectError};
use midgard::view::{KeyBytes, Select, ViewDefinition, ViewIndex, Views};
use midgard::{
    Append, ConsumerOptions, Context, Event, EventDescriptor, ExpectedVersion, FailurePolicy,
    HandlerError, MemoryStore, Midgard, NewEvent, Position, Project, Projection, RecordedEventRef,
    RunError, Store, StreamName, View, ViewKey, block_on,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "paid")]
struct Paid {
    account: String,
    cents: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Balance {
    account: String,
    cents: u64,
}

impl View for Balance {
    const NAME: &'static str = "balance";
    const INDEXES: &'static [ViewIndex<Self>] = &[ViewIndex::new(
        "cents",
        false,
        <u64 as ViewKey>::describe,
        |row: &Balance, bytes: &mut KeyBytes| row.cents.encode(bytes),
    )];
    type Key = String;

    fn key(&self) -> &String {
        &self.account
    }

    fn describe(form: &mut String) {
        form.push_str("account: String, cents: u64");
    }
}

/// Sums what was paid; refuses 13 cents as often as it is told to. Version `VERSION` counts double when it is 2.
#[derive(Default, Clone)]
struct Balances<const VERSION: u32> {
    refusals: Arc<AtomicU64>,
    effects: Arc<AtomicU64>,
    replays: Arc<AtomicU64>,
}

impl<const V: u32> Projection for Balances<V> {
    const NAME: &'static str = "balances";
    const VERSION: u32 = V;
    const EVENTS: &'static [&'static EventDescriptor] = &[Paid::DESCRIPTOR];
    type Store = Views;

    fn views() -> Vec<ViewDefinition> {
        vec![ViewDefinition::of::<Balance>()]
    }

    async fn project_event(
        &self,
        event: &RecordedEventRef<'_>,
        context: &mut Context<'_, Self>,
    ) -> Result<(), ProjectError> {
        let paid = event.decode::<Paid>()?;
        self.project(paid, context)
            .await
            .map_err(ProjectError::Handler)
    }
}

impl<const V: u32> Keeps<Balance> for Balances<V> {}

impl<const V: u32> Project<Paid> for Balances<V> {
    async fn project(
        &self,
        event: Paid,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let Paid { account, cents } = event;
        let new = || Balance {
            account: account.clone(),
            cents: 0,
        };
        let counted = if V == 2 { cents * 2 } else { cents };
        context.upsert::<Balance>(&account, new, |row| row.cents += counted)?;
        if context.is_replay() {
            self.replays.fetch_add(1, Ordering::SeqCst);
        }
        let effects = self.effects.clone();
        context.after_commit(async move {
            effects.fetch_add(1, Ordering::SeqCst);
        });
        let fewer = |left: u64| left.checked_sub(1);
        let order = Ordering::SeqCst;
        if cents == 13 && self.refusals.fetch_update(order, order, fewer).is_ok() {
            return Err("13 brings bad luck".into());
        }
        Ok(())
    }
}

fn pay(store: &MemoryStore, account: &str, cents: u64) -> Position {
    let event = NewEvent::encode(&Paid {
        account: account.to_owned(),
        cents,
    });
    let stream = StreamName::new(format!("account-{account}")).unwrap();
    let append = Append::to(stream, ExpectedVersion::Any, [event.unwrap()]);
    block_on(store.append(append)).unwrap().position.unwrap()
}

fn catch_up<const V: u32>(
    store: &MemoryStore,
    views: &Views,
    balances: &Balances<V>,
    policy: FailurePolicy,
) -> Result<(), RunError> {
    let options = ConsumerOptions::new().on_failure(policy);
    let midgard =
        Midgard::new(store.clone()).project_with(balances.clone(), views.clone(), options);
    block_on(midgard.catch_up())
}

fn balances(views: &Views) -> Vec<(String, u64)> {
    let rows = views.select(Select::<Balance>::all()).unwrap();
    rows.into_iter()
        .map(|row| (row.account, row.cents))
        .collect()
}

fn quick() -> FailurePolicy {
    FailurePolicy::retry(2).first_after(Duration::from_millis(1))
}

/// A few accounts with one unlucky payment in the middle.
fn accounts(store: &MemoryStore) {
    for (account, cents) in [("ann", 5), ("bob", 7), ("ann", 13), ("bob", 1), ("ann", 2)] {
        pay(store, account, cents);
    }
}

fn expected(ann: u64, bob: u64) -> Vec<(String, u64)> {
    vec![("ann".to_owned(), ann), ("bob".to_owned(), bob)]
}

#[test]
fn the_views_are_the_fold_of_all_events_and_a_second_run_changes_nothing() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let projection = Balances::<1>::default();
    for _ in 0..3 {
        catch_up(&store, &views, &projection, quick()).unwrap();
        assert_eq!(balances(&views), expected(20, 8));
    }
    pay(&store, "ann", 100);
    catch_up(&store, &views, &projection, quick()).unwrap();
    assert_eq!(balances(&views), expected(120, 8));
    assert_eq!(projection.effects.load(Ordering::SeqCst), 6);
}

#[test]
fn views_may_be_in_the_store_of_the_events() {
    let store = MemoryStore::new();
    let views = Views::new(store.clone());
    accounts(&store);
    catch_up(&store, &views, &Balances::<1>::default(), quick()).unwrap();
    assert_eq!(balances(&views), expected(20, 8));
}

#[test]
fn a_failed_try_leaves_nothing_in_the_views_and_no_effect() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let projection = Balances::<1>::default();
    projection.refusals.store(2, Ordering::SeqCst);
    catch_up(&store, &views, &projection, quick()).unwrap();
    assert_eq!(balances(&views), expected(20, 8));
    assert_eq!(projection.effects.load(Ordering::SeqCst), 5);
}

#[test]
fn a_projection_stops_before_an_event_that_fails_for_good() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let projection = Balances::<1>::default();
    projection.refusals.store(100, Ordering::SeqCst);
    let error = catch_up(&store, &views, &projection, quick()).unwrap_err();
    assert!(
        matches!(
            error,
            RunError::Failed {
                position: Position(3),
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(balances(&views), expected(5, 7));
    projection.refusals.store(0, Ordering::SeqCst);
    catch_up(&store, &views, &projection, quick()).unwrap();
    assert_eq!(balances(&views), expected(20, 8));
}

#[test]
fn the_shard_survives_a_poison_event_and_keeps_going() {
    for (policy, ann) in [(quick().then_skip(), 7), (quick().then_park(), 5)] {
        let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
        accounts(&store);
        let projection = Balances::<1>::default();
        projection.refusals.store(100, Ordering::SeqCst);
        catch_up(&store, &views, &projection, policy).unwrap();
        assert_eq!(balances(&views), expected(ann, 8));
    }
}

#[test]
fn a_new_version_is_built_anew_in_silence_and_an_old_one_is_refused_after_it() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    catch_up(&store, &views, &Balances::<1>::default(), quick()).unwrap();
    pay(&store, "bob", 10);
    let second = Balances::<2>::default();
    catch_up(&store, &views, &second, quick()).unwrap();
    assert_eq!(balances(&views), expected(40, 36));
    assert_eq!(second.replays.load(Ordering::SeqCst), 5);
    assert_eq!(
        second.effects.load(Ordering::SeqCst),
        1,
        "only what the old one had not done"
    );
    let error = catch_up(&store, &views, &Balances::<1>::default(), quick()).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
    assert_eq!(balances(&views), expected(40, 36));
}

#[test]
fn two_workers_of_one_projection_count_nothing_twice() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let options = ConsumerOptions::new().lease(Duration::from_millis(60));
            let midgard = Midgard::new(store.clone());
            let midgard = midgard.project_with(Balances::<1>::default(), views.clone(), options);
            let handle = midgard.handle();
            (handle, std::thread::spawn(|| block_on(midgard.run())))
        })
        .collect();
    for _ in 0..300 {
        pay(&store, "ann", 1);
        pay(&store, "bob", 2);
    }
    for (handle, running) in workers {
        handle.drain();
        running.join().unwrap().unwrap();
    }
    assert_eq!(balances(&views), expected(300, 600));
}
