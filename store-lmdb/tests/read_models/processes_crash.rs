//! Kill -9 of a process that runs two services over a bus within it, at random moments: at the end every order is
//! decided once, no credit was exceeded at any time, and none is lost.
//!
//! `MIDGARD_TEST_SEED` repeats the choices of a run that failed, though not its moments.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::child_directory;
use crate::kit::{LONG, Process, end_when_left_alone, open};
use crate::shop::{CancelOrder, Customers, Fate, Order, Placement, fates, place};
use fastrand::Rng;
use midgard::bus::InProcessBus;
use midgard::consumer::{ConsumerOptions, FailurePolicy};
use midgard::{Midgard, MidgardHandle, Outbox, Processes, Repository, StartFrom, block_on};
use midgard_store_lmdb::LmdbStore;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const KILLS: u64 = 100;
/// So many orders are placed before each kill.
const ORDERS_PER_KILL: u64 = 5;
const CUSTOMERS: u32 = 4;
const LIMIT: u64 = 6_000;
/// What was killed is soon replaced.
const LEASE: Duration = Duration::from_millis(60);

fn outbox(source: &str) -> Outbox {
    let policy = FailurePolicy::retry(u32::MAX)
        .first_after(Duration::from_millis(2))
        .at_most_every(Duration::from_millis(20));
    let options = ConsumerOptions::new().lease(LEASE).on_failure(policy);
    Outbox::new(source).options(options)
}

fn orders(store: LmdbStore, bus: InProcessBus) -> Midgard<LmdbStore> {
    let options = ConsumerOptions::new().lease(LEASE);
    let placements = Processes::<Placement>::new(StartFrom::Start)
        .options(options.on_failure(FailurePolicy::retry(5).then_park()))
        .replies_from(bus.clone());
    Midgard::new(store)
        .process_manager(placements)
        .outbox(outbox("orders"), bus)
}

fn customers(store: LmdbStore, bus: InProcessBus) -> Midgard<LmdbStore> {
    Midgard::new(store)
        .inbox(Customers, bus.clone())
        .outbox(outbox("customers"), bus)
}

fn stores(directory: &Path) -> (LmdbStore, LmdbStore) {
    (
        open(directory.join("orders")),
        open(directory.join("customers")),
    )
}

/// Not a test of its own: the process that is killed.
#[test]
fn child_runs_both_services_until_killed() {
    let Some(directory) = child_directory() else {
        return;
    };
    let (orders_store, customers_store) = stores(directory.as_ref());
    end_when_left_alone();
    let bus = InProcessBus::new();
    let customers = customers(customers_store, bus.clone());
    let orders = orders(orders_store, bus);
    println!("ready");
    thread::scope(|scope| {
        scope.spawn(|| block_on(customers.run()).unwrap());
        scope.spawn(|| block_on(orders.run()).unwrap());
    });
}

fn start_child(directory: &Path) -> Process {
    Process::start(
        "processes_crash::child_runs_both_services_until_killed",
        directory,
        &[],
    )
}

#[test]
fn every_order_is_decided_once_after_every_kill() {
    if child_directory().is_some() {
        return;
    }
    let seed = match std::env::var("MIDGARD_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos())
        }
    };
    println!("MIDGARD_TEST_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let directory = tempfile::tempdir().unwrap();
    for part in ["orders", "customers"] {
        std::fs::create_dir(directory.path().join(part)).unwrap();
    }
    let (orders_store, customers_store) = stores(directory.path());
    for customer in 0..CUSTOMERS {
        block_on(crate::shop::open(&customers_store, customer, LIMIT));
    }
    let repository = Repository::<Order, _>::new(orders_store.clone());
    let mut asked = 0;
    let mut child = start_child(directory.path());
    for kill in 0..KILLS {
        for order in kill * ORDERS_PER_KILL..(kill + 1) * ORDERS_PER_KILL {
            let patience = [1_000_000, 1_000_000, 5, 60][random.u64(..4) as usize];
            let cents = random.u64(..100) + 1;
            asked += cents;
            let customer = random.u32(..CUSTOMERS);
            block_on(place(&orders_store, order, customer, cents, patience));
            if random.u64(..5) == 0 {
                let other = random.u64(..order + 1);
                // It may be confirmed by now.
                let _ = block_on(repository.execute(&other, &CancelOrder(other, "not any more")));
            }
        }
        child.next("ready");
        // A lease of the one before runs out first.
        thread::sleep(Duration::from_micros(random.u64(..160_000)));
        child.kill();
        // What is not decided may be open; nothing is decided twice at any moment, and no limit exceeded.
        for (order, fate) in block_on(fates(&orders_store, &customers_store)) {
            let Fate {
                confirmed,
                cancelled,
                reserved,
                released,
                ..
            } = fate;
            assert!(confirmed + cancelled <= 1, "{order} {fate:?}");
            assert!(reserved <= 1 && released <= reserved, "{order} {fate:?}");
        }
        child = start_child(directory.path());
    }
    let handle = orders(orders_store.clone(), InProcessBus::new()).handle();
    wait_for_the_end(&handle, &orders_store, &customers_store);
    child.kill();
    let fates = block_on(fates(&orders_store, &customers_store));
    assert_eq!(fates.len() as u64, KILLS * ORDERS_PER_KILL);
    let of = |wanted: Fate| {
        let granted_late = |fate: &&Fate| {
            let granted_late = fate.granted_late;
            **fate
                == Fate {
                    granted_late,
                    ..wanted
                }
        };
        fates.values().filter(granted_late).count()
    };
    let counts = [Fate::CONFIRMED, Fate::CANCELLED, Fate::RELEASED].map(of);
    println!("{counts:?} confirmed, cancelled, released; {asked} cents asked for");
    assert_eq!(counts.iter().sum::<usize>(), fates.len());
    assert_eq!(block_on(handle.dead_letters("placement")).unwrap(), []);
    let parked = handle.parked_messages("placement replies");
    assert_eq!(block_on(parked).unwrap().len(), 0);
}

fn wait_for_the_end(handle: &MidgardHandle, orders: &LmdbStore, customers: &LmdbStore) {
    let began = Instant::now();
    loop {
        let fates = block_on(fates(orders, customers));
        let open = block_on(handle.processes("placement")).unwrap();
        if open.is_empty() && fates.values().all(|fate| fate.is_sound()) {
            return;
        }
        let unsound = || fates.iter().find(|(_, fate)| !fate.is_sound());
        assert!(began.elapsed() < LONG, "{:?} {open:?}", unsound());
        thread::sleep(Duration::from_millis(20));
    }
}
