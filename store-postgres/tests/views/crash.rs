//! Kills of the processes that project, of the server, and two processes at once: no event is applied twice, and none is lost.

use crate::kit::{City, Customer, Customers, Left, Ordered, RUNTIME, Registered, with_database};
use midgard::consumer::ConsumerOptions;
use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion};
use midgard::view::Select;
use midgard::{Event, Midgard, Store, StreamName};
use midgard_store_lmdb::LmdbStore;
use midgard_store_postgres::PostgresViews;
use midgard_test_servers::postgres;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CUSTOMERS: u64 = 40;
const EVENTS: u64 = 3_000;

async fn append<E: Event + Serialize>(store: &LmdbStore, stream: &str, event: &E) {
    let event = NewEvent::encode(event).unwrap();
    let stream = StreamName::new(stream).unwrap();
    let append = Append::to(stream, ExpectedVersion::Any, [event]);
    store.append(append).await.unwrap();
}

/// Appends events; returns the customers as they must be, each with the city and the sum of orders.
async fn fill(store: &LmdbStore) -> BTreeMap<String, (String, u64)> {
    let mut expected = BTreeMap::<String, (String, u64)>::new();
    let mut random = fastrand::Rng::with_seed(7);
    for number in 0..EVENTS {
        let name = format!("c{}", random.u64(..CUSTOMERS));
        let stream = format!("customer-{name}");
        match expected.get_mut(&name) {
            None => {
                let city = ["Basel", "Bern", "Chur"][random.usize(..3)].to_owned();
                expected.insert(name.clone(), (city.clone(), 0));
                append(store, &stream, &Registered { name, city }).await;
            }
            Some(_) if random.u8(..20) == 0 => {
                expected.remove(&name);
                append(store, &stream, &Left { name }).await;
            }
            Some((_, cents)) => {
                *cents += number;
                let cents = number;
                append(store, &stream, &Ordered { name, cents }).await;
            }
        }
    }
    expected
}

async fn check(views: &PostgresViews, expected: &BTreeMap<String, (String, u64)>) {
    let rows = views.select(Select::<Customer>::all()).await.unwrap();
    let found: BTreeMap<_, _> = rows
        .into_iter()
        .map(|row| (row.name, (row.city, row.cents)))
        .collect();
    assert_eq!(&found, expected);
    let mut cities = BTreeMap::<String, u32>::new();
    for (city, _) in expected.values() {
        *cities.entry(city.clone()).or_default() += 1;
    }
    for row in views.select(Select::<City>::all()).await.unwrap() {
        assert_eq!(
            row.customers,
            cities.get(&row.city).copied().unwrap_or_default(),
            "{}",
            row.city
        );
    }
}

/// Short, so that another process soon takes over from one that was killed.
fn options() -> ConsumerOptions {
    ConsumerOptions::new().lease(Duration::from_millis(300))
}

/// Not a test of its own: a process that projects until it is killed.
#[test]
fn child_projects() {
    let (Ok(directory), Ok(address)) = (
        std::env::var("MIDGARD_TEST_CHILD"),
        std::env::var("ADDRESS"),
    ) else {
        return;
    };
    RUNTIME.block_on(async {
        let store = LmdbStore::open(directory).unwrap();
        let views = PostgresViews::open(address).await.unwrap();
        let run = Midgard::new(store).project_with(Customers, views, options());
        run.run().await.unwrap();
    });
}

fn child(directory: &Path, address: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["crash::child_projects", "--exact", "--test-threads=1"])
        .env("MIDGARD_TEST_CHILD", directory)
        .env("ADDRESS", address)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn killed_processes_apply_each_event_once() {
    with_database("killed_processes_apply_each_event_once", async |database| {
        let directory = tempfile::tempdir().unwrap();
        let store = LmdbStore::open(directory.path()).unwrap();
        let expected = fill(&store).await;
        let views = database.views().await;
        let mut random = fastrand::Rng::new();
        let mut children = [0, 1].map(|_| child(directory.path(), &database.address));
        for kill in 0..8 {
            // Killed at any moment: of the start, of a batch, or of a commit.
            tokio::time::sleep(Duration::from_millis(random.u64(50..900))).await;
            let killed = &mut children[kill % 2];
            killed.kill().unwrap();
            killed.wait().unwrap();
            *killed = child(directory.path(), &database.address);
        }
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let run = Midgard::new(store).project_with(Customers, views.clone(), options());
        run.catch_up().await.unwrap();
        check(&views, &expected).await;
    });
}

#[test]
fn a_killed_server_is_found_again_and_each_event_is_applied_once() {
    let Some(mut server) = postgres("a_killed_server_is_found_again") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    RUNTIME.block_on(async {
        let store = LmdbStore::open(directory.path()).unwrap();
        let views = PostgresViews::open(server.address()).await.unwrap();
        let run = Midgard::new(store.clone()).project_with(Customers, views.clone(), options());
        let handle = run.handle();
        let running = tokio::spawn(run.run());
        let filling = tokio::spawn(async move { fill(&store).await });
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(100..600))).await;
            server.kill();
            server.restart().unwrap();
        }
        let expected = filling.await.unwrap();
        handle.drain();
        running.await.unwrap().unwrap();
        check(&views, &expected).await;
    });
}
