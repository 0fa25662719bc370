//! New generations, built beside the tables that readers see.

use super::kit::{
    Balances, Database, ann_and_bob, at_once, block_on, catch_up, midgard, pay, start,
};
use midgard::consumer::ConsumerState;
use midgard::{MemoryStore, Position};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A program that reads over one connection, and knows nothing of Midgard: what it sees is always there,
/// and never goes back.
struct Reader {
    is_ended: Arc<AtomicBool>,
    thread: thread::JoinHandle<u64>,
}

impl Reader {
    fn start(database: &Database) -> Self {
        let is_ended = Arc::new(AtomicBool::new(false));
        let (ended, mut connection) = (is_ended.clone(), database.plain());
        let thread = thread::spawn(move || {
            let (mut highest, mut reads) = (0, 0);
            while !ended.load(Ordering::SeqCst) {
                let cents = sqlx::query_scalar("SELECT cents FROM balances WHERE account = 'ann'");
                let cents: i64 = block_on(cents.fetch_one(&mut connection)).unwrap();
                assert!(cents >= highest, "{cents} after {highest}");
                (highest, reads) = (cents, reads + 1);
            }
            reads
        });
        Reader { is_ended, thread }
    }

    fn end(self) {
        self.is_ended.store(true, Ordering::SeqCst);
        assert!(self.thread.join().unwrap() > 0);
    }
}

#[test]
fn a_new_version_is_built_beside_the_old_one_and_readers_switch_in_one_step() {
    let (store, database) = (MemoryStore::new(), Database::new());
    for _ in 0..500 {
        pay(&store, "ann", 1);
    }
    let old = start(midgard(
        &store,
        &database,
        &Balances::<1>::default(),
        at_once(),
    ));
    old.wait(Position(500));
    assert_eq!(
        database.tables(),
        ["balances", "balances_1", "payments", "payments_1"]
    );
    let reader = Reader::start(&database);
    let new = start(midgard(
        &store,
        &database,
        &Balances::<2>::default(),
        at_once(),
    ));
    let mut last = pay(&store, "ann", 1);
    for _ in 0..50 {
        last = pay(&store, "ann", 1);
    }
    new.wait(last);
    reader.end();
    old.wait_until(|status| status.state == ConsumerState::Failed);
    let error = old.stop().unwrap_err().to_string();
    assert!(error.contains("run the newer release"), "{error}");
    assert_eq!(database.balances(), [("ann".to_owned(), 2 * 551)]);
    // The old tables are gone, and the view that is no longer listed.
    database.wait_for_tables(&["balances", "balances_2"]);
    new.stop().unwrap();
}

#[test]
fn tables_are_rebuilt_on_demand_while_events_come_and_readers_read() {
    let (store, database) = (MemoryStore::new(), Database::new());
    let mut last = pay(&store, "ann", 1);
    let projection = Balances::<1>::default();
    let running = start(midgard(&store, &database, &projection, at_once()));
    running.wait(last);
    let reader = Reader::start(&database);
    for round in 2..=5 {
        block_on(running.handle.rebuild("balances")).unwrap();
        let wanted = format!("balances_{round}");
        while !database.tables().contains(&wanted) {
            pay(&store, "ann", 1);
        }
        running.wait_until(|status| status.rebuild.is_none());
        last = pay(&store, "ann", 1);
        running.wait(last);
    }
    reader.end();
    running.stop().unwrap();
    let paid = i64::try_from(last.get()).unwrap();
    assert_eq!(database.balances(), [("ann".to_owned(), paid)]);
    assert_eq!(database.payments().len() as u64, last.get());
    database.wait_for_tables(&["balances", "balances_5", "payments", "payments_5"]);
}

#[test]
fn an_older_program_is_refused_and_changes_nothing() {
    let (store, database) = (MemoryStore::new(), Database::new());
    pay(&store, "ann", 1);
    pay(&store, "bob", 1);
    catch_up(&store, &database, &Balances::<2>::default()).unwrap();
    pay(&store, "bob", 1);
    let error = catch_up(&store, &database, &Balances::<1>::default()).unwrap_err();
    assert!(error.to_string().contains("has version 1"), "{error}");
    assert_eq!(database.balances(), ann_and_bob(2, 2));
    assert_eq!(database.tables(), ["balances", "balances_1"]);
}
