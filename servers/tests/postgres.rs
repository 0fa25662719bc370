//! PostgreSQL servers: what a test can do with one.
#![allow(clippy::unwrap_used)]

use midgard_test_servers::{ServerError, postgres, postgres_with_tls, shared_postgres};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::ptr;

#[test]
fn a_server_that_was_killed_restarts_where_it_was_with_its_data() {
    let Some(mut server) = postgres("a_server_that_was_killed_restarts_where_it_was_with_its_data")
    else {
        return;
    };
    let address = server.address();
    let create = "CREATE TABLE things (name text); INSERT INTO things VALUES ('one')";
    server.query("postgres", create).unwrap();

    // A client in the middle of a transaction does not keep a killed server from starting again.
    let mut client = Command::new("psql")
        .args([&address, "--command", "BEGIN; SELECT pg_sleep(600)"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    while server.query("postgres", sleeping).unwrap() != "1\n" {}
    server.kill();
    let refused = TcpStream::connect(("127.0.0.1", server.port())).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(!client.wait().unwrap().success());

    server.restart().unwrap();
    assert_eq!(server.address(), address);
    let things = "SELECT name FROM things";
    assert_eq!(server.query("postgres", things).unwrap(), "one\n");

    server.stop().unwrap();
    server.restart().unwrap();
    assert_eq!(server.query("postgres", things).unwrap(), "one\n");
}

#[test]
fn a_server_with_tls_accepts_nothing_else() {
    let Some(server) = postgres_with_tls("a_server_with_tls_accepts_nothing_else") else {
        return;
    };
    let uses_tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(server.query("postgres", uses_tls).unwrap(), "t\n");
    assert!(server.certificate_authority().unwrap().contains("BEGIN"));
    let plain = Command::new("psql")
        .arg(format!("{}?sslmode=disable", server.address()))
        .args(["--command", "SELECT 1"])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&plain.stderr).into_owned();
    assert!(error.contains("no encryption"), "{error}");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let Some(mut server) = postgres("a_server_that_cannot_start_says_why") else {
        return;
    };
    server.kill();
    let _other = TcpListener::bind(("127.0.0.1", server.port())).unwrap();
    let error = server.restart().unwrap_err();
    assert!(matches!(error, ServerError::Ended { .. }), "{error:?}");
    assert!(
        error.to_string().contains("Address already in use"),
        "{error}"
    );
}

#[test]
fn tests_share_a_server_and_have_databases_of_their_own() {
    let name = "tests_share_a_server_and_have_databases_of_their_own";
    let Some(first) = shared_postgres(name) else {
        return;
    };
    assert!(ptr::eq(first, shared_postgres(name).unwrap()));
    for database in ["one", "two"] {
        let address = first.create_database(database).unwrap();
        assert!(address.ends_with(database), "{address}");
        first
            .query(database, "CREATE TABLE things (name text)")
            .unwrap();
    }
    let error = first.create_database("one").unwrap_err();
    assert!(error.to_string().contains("already exists"), "{error}");
}
