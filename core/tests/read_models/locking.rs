//! Projections on a store of views whose transactions lock: each waits for the one before it to end, as in
//! many SQL databases. Whoever asked for a second one while it holds the first would wait for ever.

use super::kit::{
    Balance, LONG, Paid, accounts, ann_and_bob, at_once, balances, pay, quick, start,
};
use futures_util::lock::{Mutex, OwnedMutexGuard};
use midgard::Views;
use midgard::consumer::ConsumerOptions;
use midgard::notes::NoteStore;
use midgard::projection::Generation;
use midgard::projection::ViewDefinition;
use midgard::projection::ViewStore;
use midgard::view::{ViewError, ViewTransaction};
use midgard::{
    Context, HandlerError, MemoryStore, Midgard, Position, Project, Projection, block_on,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Views with one lock around all transactions.
#[derive(Clone)]
struct Locking {
    views: Views,
    lock: Arc<Mutex<()>>,
    /// So many of the next commits fail.
    failing: Arc<AtomicU64>,
}

struct Locked {
    transaction: ViewTransaction,
    _lock: OwnedMutexGuard<()>,
}

impl Locking {
    fn new() -> Self {
        Locking {
            views: Views::new(MemoryStore::new()),
            lock: Arc::default(),
            failing: Arc::default(),
        }
    }

    fn fail_commits(&self, times: u64) {
        self.failing.store(times, Ordering::SeqCst);
    }
}

impl NoteStore for Locking {
    type Transaction = Locked;
    type Error = ViewError;

    async fn begin(&self) -> Result<Locked, ViewError> {
        Ok(Locked {
            _lock: self.lock.clone().lock_owned().await,
            transaction: self.views.begin().await?,
        })
    }

    async fn get(&self, locked: &mut Locked, key: &str) -> Result<Option<String>, ViewError> {
        NoteStore::get(&self.views, &mut locked.transaction, key).await
    }

    async fn put(
        &self,
        locked: &mut Locked,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), ViewError> {
        self.views.put(&mut locked.transaction, key, value).await
    }

    async fn list(
        &self,
        locked: &mut Locked,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, ViewError> {
        self.views.list(&mut locked.transaction, prefix).await
    }

    async fn commit(&self, locked: Locked) -> Result<(), ViewError> {
        let (order, fewer) = (Ordering::SeqCst, |left: u64| left.checked_sub(1));
        if self.failing.fetch_update(order, order, fewer).is_ok() {
            let note = "of the test".to_owned();
            return Err(ViewError::Changed { note });
        }
        self.views.commit(locked.transaction).await
    }
}

impl ViewStore for Locking {
    async fn begin_generation(&self, generation: &Generation) -> Result<Locked, ViewError> {
        Ok(Locked {
            _lock: self.lock.clone().lock_owned().await,
            transaction: self.views.begin_generation(generation).await?,
        })
    }

    async fn prepare(&self, locked: &mut Locked, generation: &Generation) -> Result<(), ViewError> {
        self.views
            .prepare(&mut locked.transaction, generation)
            .await
    }

    async fn activate(
        &self,
        locked: &mut Locked,
        generation: &Generation,
    ) -> Result<(), ViewError> {
        self.views
            .activate(&mut locked.transaction, generation)
            .await
    }

    async fn discard(
        &self,
        locked: &mut Locked,
        generation: &Generation,
    ) -> Result<bool, ViewError> {
        self.views
            .discard(&mut locked.transaction, generation)
            .await
    }
}

/// Sums what was paid. 13 cents are refused as often as it is told to.
#[derive(Default, Clone, Projection)]
#[projection(name = "balances", events(Paid), tables = tables, store = Locking)]
struct Balances {
    refusals: Arc<AtomicU64>,
    generations: Arc<AtomicU64>,
}

fn tables() -> Vec<ViewDefinition> {
    vec![ViewDefinition::of::<Balance>()]
}

impl Project<Paid> for Balances {
    async fn project(
        &self,
        event: Paid,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let Paid { account, cents } = event;
        let generation = u64::from(context.generation());
        self.generations.fetch_max(generation, Ordering::SeqCst);
        let none = || Balance {
            account: account.clone(),
            cents: 0,
        };
        let transaction = &mut context.transaction().transaction;
        transaction.upsert::<Balance>(&account, none, |row| row.cents += cents)?;
        let (order, fewer) = (Ordering::SeqCst, |left: u64| left.checked_sub(1));
        if cents == 13 && self.refusals.fetch_update(order, order, fewer).is_ok() {
            return Err("13 brings bad luck".into());
        }
        Ok(())
    }
}

fn midgard(
    store: &MemoryStore,
    locking: &Locking,
    projection: &Balances,
    options: ConsumerOptions,
) -> Midgard<MemoryStore> {
    Midgard::new(store.clone()).project_with(projection.clone(), locking.clone(), options)
}

#[test]
fn a_worker_goes_on_after_commits_that_failed() {
    let (store, locking) = (MemoryStore::new(), Locking::new());
    accounts(&store);
    let projection = Balances::default();
    let running = start(midgard(
        &store,
        &locking,
        &projection,
        ConsumerOptions::new(),
    ));
    running.wait("balances", Position(5));
    // Leases and checkpoints are read again, and the lease is found to be its own.
    locking.fail_commits(2);
    let last = pay(&store, "bob", 10);
    running.wait("balances", last);
    running.stop().unwrap();
    assert_eq!(balances(&locking.views), ann_and_bob(20, 18));
}

#[test]
fn failed_events_are_retried_parked_and_retried_again() {
    let (store, locking) = (MemoryStore::new(), Locking::new());
    accounts(&store);
    let projection = Balances::default();
    projection.refusals.store(5, Ordering::SeqCst);
    let options = ConsumerOptions::new().on_failure(quick().then_park());
    let running = start(midgard(&store, &locking, &projection, options));
    running.wait("balances", Position(5));
    assert_eq!(balances(&locking.views), ann_and_bob(5, 8));
    let letters = block_on(running.handle.dead_letters("balances")).unwrap();
    assert_eq!(letters.len(), 2);
    projection.refusals.store(0, Ordering::SeqCst);
    block_on(running.handle.retry("balances", "account-ann")).unwrap();
    let none_parked = |status: &midgard::consumer::Status| status.parked == 0;
    block_on(running.handle.wait_until("balances", LONG, none_parked)).unwrap();
    running.stop().unwrap();
    assert_eq!(balances(&locking.views), ann_and_bob(20, 8));
}

#[test]
fn views_are_rebuilt_beside_those_that_readers_see() {
    let (store, locking) = (MemoryStore::new(), Locking::new());
    accounts(&store);
    let projection = Balances::default();
    let options = ConsumerOptions::new().on_failure(at_once());
    let running = start(midgard(&store, &locking, &projection, options));
    running.wait("balances", Position(5));
    assert_eq!(projection.generations.load(Ordering::SeqCst), 1);
    block_on(running.handle.rebuild("balances")).unwrap();
    let is_rebuilt = |status: &midgard::consumer::Status| {
        projection.generations.load(Ordering::SeqCst) == 2 && status.rebuild.is_none()
    };
    block_on(running.handle.wait_until("balances", LONG, is_rebuilt)).unwrap();
    let last = pay(&store, "ann", 1);
    running.wait("balances", last);
    running.drain().unwrap();
    assert_eq!(balances(&locking.views), ann_and_bob(21, 8));
}

#[test]
fn a_program_that_wants_to_end_does_so_when_its_notes_can_never_be_written() {
    let (store, locking) = (MemoryStore::new(), Locking::new());
    accounts(&store);
    locking.fail_commits(u64::MAX);
    let midgard = midgard(
        &store,
        &locking,
        &Balances::default(),
        ConsumerOptions::new(),
    );
    let error = block_on(midgard.catch_up()).unwrap_err().to_string();
    assert!(error.contains("projection \"balances\""), "{error}");
}
