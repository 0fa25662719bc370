//! Rows that somebody changed or removed by hand.

use crate::kit::{RUNTIME, append_to, stream};
use midgard::store::{ExpectedVersion, ReadLog, ReadStream, StoreError};
use midgard::{Position, Store, Version};
use midgard_store_postgres::PostgresStore;
use midgard_test_servers::{Postgres, shared_postgres};
use std::ops::ControlFlow;

const ANY: ExpectedVersion = ExpectedVersion::Any;

/// A store with five events of one stream.
async fn filled(server: &Postgres, database: &str) -> PostgresStore {
    let address = server.create_database(database).unwrap();
    let store = PostgresStore::open(address).await.unwrap();
    for _ in 0..5 {
        store.append(append_to("account-1", ANY)).await.unwrap();
    }
    store
}

/// The versions that a read comes to, and how it ends.
async fn read(store: &PostgresStore, read: ReadStream) -> (Vec<u64>, Result<(), StoreError>) {
    let mut versions = Vec::new();
    let visit = &mut |event: midgard::event::RecordedEventRef<'_>| {
        versions.push(event.version.get());
        ControlFlow::Continue(())
    };
    let outcome = store.read_stream(&read, visit).await.map(|_| ());
    (versions, outcome)
}

fn is_corrupt(outcome: Result<(), StoreError>, expected: &str) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(expected) && text.contains("account-1"),
        "{text}"
    );
}

#[test]
fn a_damaged_row_is_an_error_that_names_its_place() {
    let name = "a_damaged_row_is_an_error_that_names_its_place";
    let Some(server) = shared_postgres(name) else {
        return;
    };
    RUNTIME.block_on(async {
        let store = filled(server, "damaged").await;
        let damages = [
            ("tags = '\\xff'", "tags = ''", "its tags cannot be read"),
            ("codec = 300", "codec = 1", "its codec is 300"),
            (
                "schema_version = -1",
                "schema_version = 1",
                "its schema version is -1",
            ),
        ];
        for (damage, repair, expected) in damages {
            let change = |set: &str| {
                let sql = format!("UPDATE midgard.events SET {set} WHERE position = 3");
                server.query("damaged", &sql).unwrap();
            };
            change(damage);
            let (versions, outcome) = read(&store, ReadStream::forward(stream("account-1"))).await;
            assert_eq!(versions, [1, 2]);
            is_corrupt(outcome, expected);
            let mut positions = Vec::new();
            let visit = &mut |event: midgard::event::RecordedEventRef<'_>| {
                positions.push(event.position);
                ControlFlow::Continue(())
            };
            let outcome = store.read_log(&ReadLog::forward(), visit).await;
            is_corrupt(outcome.map(|_| ()), "position 3");
            assert_eq!(positions, [Position(1), Position(2)]);
            change(repair);
        }
        let (versions, outcome) = read(&store, ReadStream::forward(stream("account-1"))).await;
        assert_eq!(versions, [1, 2, 3, 4, 5]);
        outcome.unwrap();
    });
}

#[test]
fn a_row_that_was_removed_by_hand_is_missed() {
    let name = "a_row_that_was_removed_by_hand_is_missed";
    let Some(server) = shared_postgres(name) else {
        return;
    };
    RUNTIME.block_on(async {
        for (removed, before, after) in [
            (3, vec![1, 2], vec![5, 4]),
            (5, vec![1, 2, 3, 4], vec![]),
            (1, vec![], vec![5, 4, 3, 2]),
        ] {
            let database = format!("removed_{removed}");
            let store = filled(server, &database).await;
            let remove = format!("DELETE FROM midgard.events WHERE version = {removed}");
            server.query(&database, &remove).unwrap();
            let missing = format!("version {removed} of the stream is missing");
            let (versions, outcome) = read(&store, ReadStream::forward(stream("account-1"))).await;
            assert_eq!(versions, before);
            is_corrupt(outcome, &missing);
            let (versions, outcome) = read(&store, ReadStream::backward(stream("account-1"))).await;
            assert_eq!(versions, after);
            is_corrupt(outcome, &missing);
        }
        // What a read does not come to is not its business, nor is what the store removed.
        let store = PostgresStore::open(server.create_database("kept").unwrap())
            .await
            .unwrap();
        for _ in 0..3 {
            store.append(append_to("account-1", ANY)).await.unwrap();
        }
        store
            .truncate(&stream("account-1"), Version(2), ANY)
            .await
            .unwrap();
        let (versions, outcome) = read(&store, ReadStream::forward(stream("account-1"))).await;
        assert_eq!(versions, [2, 3]);
        outcome.unwrap();
        server
            .query("kept", "DELETE FROM midgard.events WHERE version = 3")
            .unwrap();
        let one = ReadStream::forward(stream("account-1")).limit(1);
        let (versions, outcome) = read(&store, one).await;
        assert_eq!(versions, [2]);
        outcome.unwrap();
    });
}
