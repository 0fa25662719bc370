//! Another program that writes to the same database.

use super::kit::{
    Balances, Database, accounts, ann_and_bob, at_once, block_on, midgard, options, pay, spawn,
    start,
};
use midgard::consumer::{ConsumerState, HandleError};
use midgard::{MemoryStore, Midgard, Place, Position};
use midgard_example_sql_views::SqliteViews;
use sqlx::sqlite::SqliteConnection;
use std::time::Duration;

/// Takes the database's lock, until `COMMIT`.
fn lock(connection: &mut SqliteConnection) {
    block_on(sqlx::raw_sql("BEGIN IMMEDIATE").execute(connection)).unwrap();
}

fn unlock(connection: &mut SqliteConnection) {
    block_on(sqlx::raw_sql("COMMIT").execute(connection)).unwrap();
}

#[test]
fn a_worker_waits_for_another_program_that_writes_and_loses_nothing() {
    let (store, database) = (MemoryStore::new(), Database::new());
    accounts(&store);
    let running = start(midgard(
        &store,
        &database,
        &Balances::<1>::default(),
        at_once(),
    ));
    running.wait(Position(5));
    let mut other = database.plain();
    lock(&mut other);
    let last = pay(&store, "bob", 10);
    let while_locked = Duration::from_millis(300);
    let waited = block_on(
        running
            .handle
            .wait_for("balances", Place::main(last), while_locked),
    );
    assert!(matches!(waited, Err(HandleError::TimedOut { .. })));
    assert_eq!(
        database.balances(),
        ann_and_bob(20, 8),
        "readers do not wait"
    );
    unlock(&mut other);
    running.wait(last);
    assert_eq!(database.balances(), ann_and_bob(20, 18));
    let status = running.handle.status_of("balances").unwrap();
    assert_eq!(status.last_error, None);
    running.stop().unwrap();
}

#[test]
fn a_worker_that_waits_in_vain_says_what_to_do_and_goes_on_as_soon_as_it_can() {
    let (store, database) = (MemoryStore::new(), Database::new());
    accounts(&store);
    let views = database.views_with(Duration::from_millis(20));
    let midgard = Midgard::new(store.clone());
    let running = start(midgard.project_with(Balances::<1>::default(), views, options(at_once())));
    running.wait(Position(5));
    let mut other = database.plain();
    lock(&mut other);
    let last = pay(&store, "bob", 10);
    running.wait_until(|status| status.state == ConsumerState::Retrying);
    let status = running.handle.status_of("balances").unwrap();
    let message = status.last_error.unwrap().message;
    let (file, advice) = (database.file(), "let it commit, or wait longer for it");
    assert!(message.contains(&file.display().to_string()), "{message}");
    assert!(message.ends_with(advice), "{message}");
    unlock(&mut other);
    running.wait(last);
    running.stop().unwrap();
    assert_eq!(database.balances(), ann_and_bob(20, 18));
}

#[test]
fn a_catch_up_ends_when_the_database_stays_locked() {
    let (store, database) = (MemoryStore::new(), Database::new());
    accounts(&store);
    let views = database.views_with(Duration::from_millis(20));
    let mut other = database.plain();
    lock(&mut other);
    let midgard = Midgard::new(store.clone()).project(Balances::<1>::default(), views.clone());
    let error = block_on(midgard.catch_up()).unwrap_err().to_string();
    assert!(error.contains("let it commit, or wait longer"), "{error}");
    unlock(&mut other);
    let midgard = Midgard::new(store).project(Balances::<1>::default(), views);
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(database.balances(), ann_and_bob(20, 8));
}

#[test]
fn a_new_database_can_be_opened_by_many_at_once() {
    for _ in 0..60 {
        let database = Database::new();
        let open = || spawn(SqliteViews::open(database.file(), Duration::from_secs(20)));
        let all: Vec<_> = (0..16).map(|_| open()).collect();
        for opened in all {
            block_on(opened).unwrap().unwrap();
        }
    }
}
