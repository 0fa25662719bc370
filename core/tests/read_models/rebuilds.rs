//! Views built anew: beside those that readers see, and in silence.

use super::kit::{
    Balance, Balances, LONG, Paid, Running, accounts, ann_and_bob, at_once, balances, pay, quick,
    start,
};
use midgard::Views;
use midgard::consumer::{ConsumerOptions, ConsumerState, HandleError, RunError};
use midgard::store::ExpectedVersion;
use midgard::{
    Context, HandlerError, MemoryStore, Midgard, Place, Position, Project, Projection, StartFrom,
    Store, StreamName, Subscription, View, block_on,
};
use serde::{Deserialize, Serialize};
use std::future::ready;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

fn catch_up<const V: u32>(
    store: &MemoryStore,
    views: &Views,
    balances: &Balances<V>,
) -> Result<(), RunError> {
    let options = ConsumerOptions::new().on_failure(quick());
    let midgard = Midgard::new(store.clone());
    block_on(
        midgard
            .project_with(balances.clone(), views.clone(), options)
            .catch_up(),
    )
}

fn rebuild(store: &MemoryStore, views: &Views, projection: &Balances<1>) {
    let midgard = Midgard::new(store.clone()).project(projection.clone(), views.clone());
    block_on(midgard.handle().rebuild("balances")).unwrap();
    block_on(midgard.catch_up()).unwrap();
}

#[test]
fn a_new_version_is_built_anew_in_silence_and_an_old_one_is_refused_after_it() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    catch_up(&store, &views, &Balances::<1>::default()).unwrap();
    pay(&store, "bob", 10);
    let second = Balances::<2>::default();
    catch_up(&store, &views, &second).unwrap();
    assert_eq!(balances(&views), ann_and_bob(40, 36));
    assert_eq!(second.replays(), 5);
    assert_eq!(second.effects(), 1, "only what the old one had not done");
    let error = catch_up(&store, &views, &Balances::<1>::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "projection \"balances\" stopped: its views were made with version 2, and this program has version 1; \
         run the newer release"
    );
    assert_eq!(balances(&views), ann_and_bob(40, 36));
}

#[test]
fn a_rebuild_reproduces_the_projected_state_of_every_stream_and_twice_is_idempotent() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let projection = Balances::<1>::default();
    catch_up(&store, &views, &projection).unwrap();
    for round in 1..=2 {
        rebuild(&store, &views, &projection);
        assert_eq!(balances(&views), ann_and_bob(20, 8));
        assert_eq!(projection.replays(), round * 5, "it was built anew");
    }
    assert_eq!(projection.effects(), 5, "and nothing was done again");
    // It picks up events that are appended after.
    pay(&store, "ann", 1);
    catch_up(&store, &views, &projection).unwrap();
    assert_eq!(balances(&views), ann_and_bob(21, 8));
    assert_eq!(projection.effects(), 6);
}

#[test]
fn a_rebuild_removes_state_the_replay_cannot_produce() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let projection = Balances::<1>::default();
    catch_up(&store, &views, &projection).unwrap();
    let ann = StreamName::new("account-ann").unwrap();
    block_on(store.tombstone(&ann, ExpectedVersion::Any)).unwrap();
    catch_up(&store, &views, &projection).unwrap();
    assert_eq!(balances(&views), ann_and_bob(20, 8));
    rebuild(&store, &views, &projection);
    assert_eq!(balances(&views), [("bob".to_owned(), 8)]);
}

#[test]
fn rebuilding_a_projection_with_no_events_is_not_an_error() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let projection = Balances::<1>::default();
    // Neither before it was ever run, nor after.
    for _ in 0..2 {
        rebuild(&store, &views, &projection);
        assert!(balances(&views).is_empty());
    }
}

/// How much was paid in all.
#[derive(Serialize, Deserialize, View)]
#[view(key = payments)]
struct Total {
    payments: bool,
    cents: u64,
}

#[derive(Clone, Default, Projection)]
#[projection(name = "totals", events(Paid), views(Total))]
struct Totals {
    calls: Arc<AtomicU64>,
}

impl Project<Paid> for Totals {
    async fn project(
        &self,
        event: Paid,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let none = || Total {
            payments: true,
            cents: 0,
        };
        Ok(context.upsert(true, none, |total: &mut Total| total.cents += event.cents)?)
    }
}

#[test]
fn rebuilding_one_projection_leaves_another_alone() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let totals = Totals::default();
    let both = || {
        let midgard = Midgard::new(store.clone()).project(totals.clone(), views.clone());
        midgard.project(Balances::<1>::default(), views.clone())
    };
    let total = || views.get::<Total>(true).unwrap().map(|row| row.cents);
    block_on(both().catch_up()).unwrap();
    assert_eq!(total(), Some(28));
    let midgard = both();
    block_on(midgard.handle().rebuild("balances")).unwrap();
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(balances(&views), ann_and_bob(20, 8));
    assert_eq!(
        (total(), totals.calls.load(Ordering::SeqCst)),
        (Some(28), 5)
    );
}

#[test]
fn a_subscription_has_nothing_to_rebuild() {
    let subscription = Subscription::<super::kit::Counted>::events("mailer", StartFrom::Start);
    let midgard = Midgard::new(MemoryStore::new()).subscribe(subscription, |_| ready(Ok(())));
    let error = block_on(midgard.handle().rebuild("mailer")).unwrap_err();
    assert!(
        matches!(error, HandleError::NotAProjection { .. }),
        "{error}"
    );
}

/// Reads the views until it is told to end: they are always there, and never go back.
fn watch(views: &Views) -> (Arc<AtomicBool>, thread::JoinHandle<u64>) {
    let (ended, views) = (Arc::new(AtomicBool::new(false)), views.clone());
    let is_ended = ended.clone();
    let watcher = thread::spawn(move || {
        let mut highest = 0;
        let mut reads = 0;
        while !is_ended.load(Ordering::SeqCst) {
            let row = views.get::<Balance>("ann").unwrap().unwrap();
            assert!(row.cents >= highest, "{} after {highest}", row.cents);
            highest = row.cents;
            reads += 1;
        }
        reads
    });
    (ended, watcher)
}

#[test]
fn readers_see_current_views_all_the_time_while_they_are_rebuilt_and_events_come() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let first = pay(&store, "ann", 1);
    let projection = Balances::<1>::default();
    let running = start(Midgard::new(store.clone()).project(projection.clone(), views.clone()));
    running.wait("balances", first);
    let (ended, watcher) = watch(&views);
    let (go, stop) = mpsc::channel::<()>();
    let writer = thread::spawn({
        let store = store;
        move || {
            let mut last = pay(&store, "ann", 1);
            while matches!(stop.try_recv(), Err(mpsc::TryRecvError::Empty)) {
                thread::sleep(Duration::from_millis(1));
                last = pay(&store, "ann", 1);
            }
            last
        }
    });
    for _ in 0..10 {
        let before = projection.replays();
        block_on(running.handle.rebuild("balances")).unwrap();
        let is_done = |status: &midgard::consumer::Status| {
            projection.replays() > before && status.rebuild.is_none()
        };
        block_on(running.handle.wait_until("balances", LONG, is_done)).unwrap();
    }
    drop(go);
    let last = writer.join().unwrap();
    running.wait("balances", last);
    ended.store(true, Ordering::SeqCst);
    assert!(watcher.join().unwrap() > 0);
    running.stop().unwrap();
    let paid = views.get::<Balance>("ann").unwrap().unwrap().cents;
    assert_eq!(paid, last.get(), "every event is one cent");
    assert_eq!(projection.effects(), paid, "each has had its effect once");
}

#[test]
fn a_rebuild_says_how_far_it_is() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let mut last = Position::ZERO;
    for _ in 0..10_000 {
        last = pay(&store, "ann", 1);
    }
    // In the middle of building them again.
    let (projection, gate) = Balances::<1>::gated(15_000);
    let running = start(Midgard::new(store).project(projection, views.clone()));
    running.wait("balances", last);
    let handle = running.handle.clone();
    let (noted, progress) = mpsc::channel();
    block_on(handle.rebuild("balances")).unwrap();
    let is_half_way = |status: &midgard::consumer::Status| {
        let Some(rebuild) = status.rebuild else {
            return false;
        };
        let _ = noted.send(rebuild.place.position);
        assert_eq!(rebuild.target, Place::main(last));
        assert!(status.to_string().contains("rebuilt up to"), "{status}");
        rebuild.place > Place::START
    };
    block_on(handle.wait_until("balances", LONG, is_half_way)).unwrap();
    gate.open();
    let is_done = |status: &midgard::consumer::Status| status.rebuild.is_none();
    block_on(handle.wait_until("balances", LONG, is_done)).unwrap();
    assert!(progress.try_iter().all(|position| position <= last));
    running.stop().unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 10_000)]);
}

#[test]
fn a_rebuild_that_fails_is_given_up_and_readers_keep_what_they_have() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let projection = Balances::<1>::default();
    let options = ConsumerOptions::new().on_failure(at_once());
    let midgard = Midgard::new(store.clone());
    let running = start(midgard.project_with(projection.clone(), views.clone(), options));
    running.wait("balances", Position(5));
    // Once in a batch with others, once alone.
    projection.refusals.store(2, Ordering::SeqCst);
    block_on(running.handle.rebuild("balances")).unwrap();
    let is_given_up = |status: &midgard::consumer::Status| {
        let error = status.last_error.as_ref();
        error.is_some_and(|error| error.message.starts_with("the rebuild was given up: 13 "))
    };
    block_on(running.handle.wait_until("balances", LONG, is_given_up)).unwrap();
    let last = pay(&store, "bob", 1);
    running.wait("balances", last);
    assert_eq!(balances(&views), ann_and_bob(20, 9));
    // It can be asked for again.
    let before = projection.replays();
    block_on(running.handle.rebuild("balances")).unwrap();
    let is_done = |_: &midgard::consumer::Status| projection.replays() >= before + 6;
    block_on(running.handle.wait_until("balances", LONG, is_done)).unwrap();
    running.drain().unwrap();
    assert_eq!(balances(&views), ann_and_bob(20, 9));
    assert_eq!(projection.effects(), 6);
}

#[test]
fn a_program_of_the_old_version_goes_on_until_readers_have_switched() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    let old: Running = {
        let midgard = Midgard::new(store.clone());
        let options = ConsumerOptions::new().lease(Duration::from_millis(60));
        start(midgard.project_with(Balances::<1>::default(), views.clone(), options))
    };
    old.wait("balances", Position(5));
    let new = start(Midgard::new(store.clone()).project(Balances::<2>::default(), views.clone()));
    let last = pay(&store, "bob", 1);
    new.wait("balances", last);
    let has_failed = |status: &midgard::consumer::Status| status.state == ConsumerState::Failed;
    block_on(old.handle.wait_until("balances", LONG, has_failed)).unwrap();
    let error = old.stop().unwrap_err().to_string();
    assert!(error.contains("run the newer release"), "{error}");
    new.stop().unwrap();
    assert_eq!(balances(&views), ann_and_bob(40, 18));
}

#[test]
fn the_old_views_are_kept_up_to_date_while_another_program_builds_those_of_a_new_version() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let mut last = Position::ZERO;
    for _ in 0..200 {
        last = pay(&store, "ann", 1);
    }
    let old = start(Midgard::new(store.clone()).project(Balances::<1>::default(), views.clone()));
    old.wait("balances", last);
    let (second, gate) = Balances::<2>::gated(100);
    let new = start(Midgard::new(store.clone()).project(second, views.clone()));
    let is_building =
        |status: &midgard::consumer::Status| status.state == ConsumerState::Rebuilding;
    block_on(new.handle.wait_until("balances", LONG, is_building)).unwrap();
    let last = pay(&store, "bob", 7);
    old.wait("balances", last);
    assert_eq!(balances(&views), ann_and_bob(200, 7));
    assert!(is_building(&new.handle.status()[0]));
    gate.open();
    let is_live = |status: &midgard::consumer::Status| status.state == ConsumerState::Live;
    block_on(new.handle.wait_until("balances", LONG, is_live)).unwrap();
    assert_eq!(balances(&views), ann_and_bob(400, 14));
    let has_failed = |status: &midgard::consumer::Status| status.state == ConsumerState::Failed;
    block_on(old.handle.wait_until("balances", LONG, has_failed)).unwrap();
    old.stop().unwrap_err();
    new.stop().unwrap();
}

#[test]
fn a_new_version_that_is_given_up_half_built_leaves_the_old_program_at_work() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    accounts(&store);
    catch_up(&store, &views, &Balances::<1>::default()).unwrap();
    // It fails at the third event, and ends.
    catch_up(&store, &views, &Balances::<2>::refusing(99)).unwrap_err();
    pay(&store, "bob", 1);
    catch_up(&store, &views, &Balances::<1>::default()).unwrap();
    assert_eq!(balances(&views), ann_and_bob(20, 9));
    catch_up(&store, &views, &Balances::<2>::default()).unwrap();
    assert_eq!(balances(&views), ann_and_bob(40, 18));
}

#[test]
fn a_new_version_of_another_program_is_switched_to_while_events_come_all_the_time() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let first = pay(&store, "ann", 1);
    let old = start(Midgard::new(store.clone()).project(Balances::<1>::default(), views.clone()));
    old.wait("balances", first);
    let (go, stop) = mpsc::channel::<()>();
    let writer = thread::spawn({
        let store = store.clone();
        move || {
            let mut last = pay(&store, "ann", 1);
            while matches!(stop.try_recv(), Err(mpsc::TryRecvError::Empty)) {
                thread::sleep(Duration::from_millis(1));
                last = pay(&store, "ann", 1);
            }
            last
        }
    });
    let new = start(Midgard::new(store).project(Balances::<2>::default(), views.clone()));
    let is_live = |status: &midgard::consumer::Status| status.state == ConsumerState::Live;
    block_on(new.handle.wait_until("balances", LONG, is_live)).unwrap();
    drop(go);
    let last = writer.join().unwrap();
    new.wait("balances", last);
    assert_eq!(balances(&views), [("ann".to_owned(), 2 * last.get())]);
    let has_failed = |status: &midgard::consumer::Status| status.state == ConsumerState::Failed;
    block_on(old.handle.wait_until("balances", LONG, has_failed)).unwrap();
    old.stop().unwrap_err();
    new.stop().unwrap();
}
