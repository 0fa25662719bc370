//! Appends per second next to a bare `tokio-postgres` loop that makes one transaction for each append, in turns on one
//! server. Run it with `--release`.
//!
//! The loop does what a store without group commit must do to keep its promises: it locks the end of the log, inserts
//! the event, moves the end, and commits.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion, ReadLog};
use midgard::{EventId, Store, StreamName};
use midgard_store_postgres::PostgresStore;
use midgard_test_servers::Postgres;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, NoTls};

const TURNS: usize = 3;
const TURN: Duration = Duration::from_secs(4);
const PAYLOAD: &[u8] = br#"{"account":"ann","cents":12000,"reference":"invoice 4711","note":"thank you for your order"}"#;

#[tokio::main]
async fn main() {
    let server = Postgres::start().unwrap();
    let store = PostgresStore::open(server.address()).await.unwrap();
    let bare = server.create_database("bare").unwrap();
    server
        .query(
            "bare",
            "CREATE TABLE log (position bigint NOT NULL); INSERT INTO log VALUES (0); \
             CREATE TABLE events (position bigint PRIMARY KEY, stream text COLLATE \"C\" NOT NULL, \
             version bigint NOT NULL, id uuid NOT NULL, name text NOT NULL, payload bytea NOT NULL, \
             UNIQUE (stream, version))",
        )
        .unwrap();
    for producers in [1, 64, 256] {
        let mut rates = Vec::new();
        for turn in 0..TURNS {
            let of_store = of_store(&store, producers, turn).await;
            let of_loop = of_loop(&bare, producers, turn).await;
            rates.push((of_store, of_loop));
            println!(
                "{producers:>4} producers, turn {turn}: store {of_store:>6.0}/s, loop {of_loop:>6.0}/s, ratio {:.2}",
                of_store / of_loop
            );
        }
        rates.sort_by(|one, other| (one.0 / one.1).total_cmp(&(other.0 / other.1)));
        let (of_store, of_loop) = rates[TURNS / 2];
        println!(
            "{producers:>4} producers, median: ratio {:.2}",
            of_store / of_loop
        );
    }
    let began = Instant::now();
    let mut count = 0_u64;
    let visit = &mut |_: midgard::event::RecordedEventRef<'_>| {
        count += 1;
        ControlFlow::Continue(())
    };
    store.read_log(&ReadLog::forward(), visit).await.unwrap();
    println!(
        "scan: {:.0} events/s",
        count as f64 / began.elapsed().as_secs_f64()
    );
}

async fn of_store(store: &PostgresStore, producers: usize, turn: usize) -> f64 {
    counted(producers, |producer, done| {
        let store = store.clone();
        async move {
            let name = format!("account-{producers}-{turn}-{producer}");
            let stream = StreamName::new(name).unwrap();
            let mut expected = ExpectedVersion::NoStream;
            while done.is_running() {
                let event = NewEvent::json("account.changed", 1, PAYLOAD.to_vec());
                let append = Append::to(stream.clone(), expected, [event]);
                expected = store.append(append).await.unwrap().version().into();
                done.one();
            }
        }
    })
    .await
}

async fn of_loop(address: &str, producers: usize, turn: usize) -> f64 {
    let address = address.to_owned();
    counted(producers, |producer, done| {
        let address = address.clone();
        async move {
            let (mut client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
            tokio::spawn(connection);
            let statements = prepare(&client).await;
            let stream = format!("account-{producers}-{turn}-{producer}");
            let mut version = 0_i64;
            while done.is_running() {
                version += 1;
                let transaction = client.transaction().await.unwrap();
                let row = transaction.query_one(&statements[0], &[]).await.unwrap();
                let position = row.get::<_, i64>(0) + 1;
                let id = uuid::Uuid::from(EventId::new());
                transaction
                    .execute(
                        &statements[1],
                        &[
                            &position,
                            &stream,
                            &version,
                            &id,
                            &"account.changed",
                            &PAYLOAD,
                        ],
                    )
                    .await
                    .unwrap();
                transaction
                    .execute(&statements[2], &[&position])
                    .await
                    .unwrap();
                transaction.commit().await.unwrap();
                done.one();
            }
        }
    })
    .await
}

async fn prepare(client: &Client) -> [tokio_postgres::Statement; 3] {
    [
        client
            .prepare("SELECT position FROM log FOR UPDATE")
            .await
            .unwrap(),
        client
            .prepare("INSERT INTO events VALUES ($1, $2, $3, $4, $5, $6)")
            .await
            .unwrap(),
        client
            .prepare("UPDATE log SET position = $1")
            .await
            .unwrap(),
    ]
}

/// Counts what is done until the turn is over.
#[derive(Clone)]
struct Done {
    count: Arc<AtomicU64>,
    until: Instant,
}

impl Done {
    fn is_running(&self) -> bool {
        Instant::now() < self.until
    }

    fn one(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs producers for one turn, and returns what they did in a second.
async fn counted<F: Future<Output = ()> + Send + 'static>(
    producers: usize,
    produce: impl Fn(usize, Done) -> F,
) -> f64 {
    let began = Instant::now();
    let done = Done {
        count: Arc::default(),
        until: began + TURN,
    };
    let all: Vec<_> = (0..producers)
        .map(|producer| tokio::spawn(produce(producer, done.clone())))
        .collect();
    for producer in all {
        producer.await.unwrap();
    }
    done.count.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}
