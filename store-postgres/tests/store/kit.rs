//! What the tests of the store share.

use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion, ReadStream};
use midgard::{EventId, Store, StreamName};
use midgard_store_postgres::PostgresStore;
use midgard_test_servers::Postgres;
use std::ops::ControlFlow;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

pub(crate) fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

pub(crate) fn event() -> NewEvent {
    NewEvent::json("account.changed", 1, b"{}".to_vec())
}

/// An append of one new event.
pub(crate) fn append_to(name: &str, expected: impl Into<ExpectedVersion>) -> Append {
    Append::to(stream(name), expected, [event()])
}

/// The ids of the events of a stream.
pub(crate) async fn ids_of(store: &PostgresStore, name: &str) -> Vec<EventId> {
    let mut ids = Vec::new();
    let visit = &mut |event: midgard::event::RecordedEventRef<'_>| {
        ids.push(event.id);
        ControlFlow::Continue(())
    };
    let read = ReadStream::forward(stream(name));
    store.read_stream(&read, visit).await.unwrap();
    ids
}

/// The address of a database for another user.
pub(crate) fn address_for(server: &Postgres, user: &str, password: &str, database: &str) -> String {
    let port = server.port();
    format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}")
}

/// Repeats something until it is as wanted, for a while.
pub(crate) async fn until<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(done) = attempt().await {
            return done;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
