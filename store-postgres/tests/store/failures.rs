//! Failures: what an error says, and that the store works again without being reopened.

use crate::kit::{RUNTIME, address_for, append_to, ids_of, until};
use midgard::store::{AppendError, ExpectedVersion, ReadLog, StoreError};
use midgard::{LogId, Store};
use midgard_store_postgres::PostgresStore;
use midgard_test_servers::{postgres, shared_postgres};
use std::ops::ControlFlow;
use std::time::Duration;

const ANY: ExpectedVersion = ExpectedVersion::Any;

#[test]
fn a_refused_login_says_why_without_the_password() {
    let name = "a_refused_login_says_why_without_the_password";
    let Some(server) = shared_postgres(name) else {
        return;
    };
    let refused = [
        (
            address_for(server, "postgres", "s3cret", "postgres"),
            "password of the user \"postgres\"",
        ),
        (
            address_for(server, "nobody", "s3cret", "postgres"),
            "password of the user \"nobody\"",
        ),
        (
            address_for(server, "postgres", "midgard", "nowhere"),
            "has no database \"nowhere\"",
        ),
        (
            format!("{}&s3cret", server.address()),
            "no database \"postgres&s3cret\"",
        ),
        (
            "postgres://jun:s3cret@:a/b?c".to_owned(),
            "address is malformed",
        ),
    ];
    RUNTIME.block_on(async {
        for (address, expected) in &refused[..3] {
            let error = PostgresStore::open(address).await.unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
        let error = PostgresStore::open(&refused[4].0).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(
            text.contains(refused[4].1) && !text.contains("s3cret"),
            "{text}"
        );
    });
    let options = PostgresStore::options("postgres://jun:s3cret@db/shop");
    let debug = format!("{options:?} {:?}", options.clone().with_password("s3cret"));
    assert!(
        debug.contains("postgres://db:5432/shop") && !debug.contains("s3cret"),
        "{debug}"
    );
}

#[test]
fn a_pool_that_is_used_up_says_so_and_writes_go_on() {
    let name = "a_pool_that_is_used_up_says_so_and_writes_go_on";
    let Some(server) = shared_postgres(name) else {
        return;
    };
    let address = server.create_database("used_up").unwrap();
    RUNTIME.block_on(async {
        let options = PostgresStore::options(&address)
            .with_max_connections(1)
            .with_wait_for_connection(Duration::from_millis(100));
        let store = options.open().await.unwrap();
        let held = store.connections().reading().await.unwrap();
        let error = store.last_position(LogId::MAIN).await.unwrap_err();
        let StoreError::Unreachable { reason } = &error else {
            panic!("{error}");
        };
        assert!(reason.contains("all 1 connections for reads"), "{reason}");
        store.append(append_to("account-1", ANY)).await.unwrap();
        drop(held);
        assert_eq!(ids_of(&store, "account-1").await.len(), 1);
    });
}

#[test]
fn a_store_works_again_when_its_server_does() {
    let name = "a_store_works_again_when_its_server_does";
    let Some(mut server) = postgres(name) else {
        return;
    };
    RUNTIME.block_on(async {
        let store = PostgresStore::open(server.address()).await.unwrap();
        let following = store.clone();
        let first = append_to("account-1", ANY);
        store.append(first).await.unwrap();

        server.stop().unwrap();
        let error = store.append(append_to("account-1", ANY)).await.unwrap_err();
        assert!(
            matches!(error, AppendError::Store(StoreError::Unreachable { .. })),
            "{error}"
        );
        assert!(
            error.to_string().contains("check that the server runs"),
            "{error}"
        );
        let read = ReadLog::forward();
        let visit = &mut |_: midgard::event::RecordedEventRef<'_>| ControlFlow::Continue(());
        let error = store.read_log(&read, visit).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");

        server.restart().unwrap();
        store.append(append_to("account-1", ANY)).await.unwrap();
        assert_eq!(ids_of(&following, "account-1").await.len(), 2);

        // Connections that nobody uses are lost unnoticed.
        server.restart().unwrap();
        assert_eq!(ids_of(&store, "account-1").await.len(), 2);
        store.append(append_to("account-1", ANY)).await.unwrap();
    });
}

#[test]
fn a_password_that_changes_is_said_and_the_old_one_works_when_it_is_back() {
    let name = "a_password_that_changes_is_said_and_the_old_one_works_when_it_is_back";
    let Some(mut server) = postgres(name) else {
        return;
    };
    server
        .query(
            "postgres",
            "CREATE ROLE shop SUPERUSER LOGIN PASSWORD 'one'",
        )
        .unwrap();
    RUNTIME.block_on(async {
        let store = PostgresStore::open(address_for(&server, "shop", "one", "postgres"));
        let store = store.await.unwrap();
        store.append(append_to("account-1", ANY)).await.unwrap();
        server
            .query("postgres", "ALTER ROLE shop PASSWORD 'two'")
            .unwrap();
        // Those who are in stay in.
        store.append(append_to("account-1", ANY)).await.unwrap();
        server.restart().unwrap();
        let refused = store.append(append_to("account-1", ANY)).await.unwrap_err();
        assert!(
            refused.to_string().contains("did not accept the password"),
            "{refused}"
        );
        server
            .query("postgres", "ALTER ROLE shop PASSWORD 'one'")
            .unwrap();
        store.append(append_to("account-1", ANY)).await.unwrap();
    });
}

#[test]
fn a_program_that_stops_in_the_middle_of_a_commit_holds_nobody_up_for_ever() {
    let name = "a_program_that_stops_in_the_middle_of_a_commit_holds_nobody_up_for_ever";
    let Some(server) = shared_postgres(name) else {
        return;
    };
    let address = server.create_database("held_up").unwrap();
    RUNTIME.block_on(async {
        let store = PostgresStore::open(&address).await.unwrap();
        store.append(append_to("account-1", ANY)).await.unwrap();
        // The log is locked by another program, whose connection the server ends.
        let locking = store.connections().reading().await.unwrap();
        locking.batch_execute("BEGIN; SELECT 1 FROM midgard.log FOR UPDATE").await.unwrap();
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { store.append(append_to("account-1", ANY)).await }
        });
        let locks = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'held_up' AND wait_event_type = 'Lock'";
        until(async || (server.query("postgres", locks).unwrap() == "1\n").then_some(())).await;
        assert_eq!(ids_of(&store, "account-1").await.len(), 1);
        locking.batch_execute("SET idle_in_transaction_session_timeout = 1").await.unwrap();
        waiting.await.unwrap().unwrap();
        assert_eq!(ids_of(&store, "account-1").await.len(), 2);
    });
}
