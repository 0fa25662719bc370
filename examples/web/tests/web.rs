//! The service over loopback, as its clients see it.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use futures_util::{FutureExt as _, StreamExt as _};
use midgard::store::{ExpectedVersion, ReadLog};
use midgard::{Midgard, Repository, Store as _, Views};
use midgard_example_web::account::{Account, Balances};
use midgard_example_web::routes::routes;
use midgard_example_web::serve::serve;
use midgard_store_lmdb::LmdbStore;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Longer than anything takes that works.
const LONG: Duration = Duration::from_secs(180);

/// A service that runs.
struct Service {
    address: SocketAddr,
    store: LmdbStore,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

fn start() -> Service {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = store.clone();
    let running = thread::spawn(move || {
        let stopped = async { stopped.await.unwrap() };
        runtime.block_on(serve(served, listener, stopped)).unwrap();
    });
    Service {
        address,
        store,
        stop,
        running,
        _directory: directory,
    }
}

fn connect(address: SocketAddr, request: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(LONG)).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    connection
}

/// The status code and the body that a request is answered with.
fn answer(address: SocketAddr, request: &str) -> (u16, String) {
    let mut answer = String::new();
    let mut connection = connect(address, request);
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap();
    (code.parse().unwrap(), body.to_owned())
}

impl Service {
    fn connect(&self, request: &str) -> TcpStream {
        connect(self.address, request)
    }

    fn answer(&self, request: &str) -> (u16, String) {
        answer(self.address, request)
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.answer(&format!(
            "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
        ))
    }

    fn post(&self, path: &str, cents: u64, key: Option<&str>) -> (u16, String) {
        self.answer(&post(path, cents, key))
    }

    fn end(self) {
        self.stop.send(()).unwrap();
        self.running.join().unwrap();
    }
}

fn post(path: &str, cents: u64, key: Option<&str>) -> String {
    let body = format!("{{\"cents\":{cents}}}");
    let key = key.map_or_else(String::new, |key| format!("Idempotency-Key: {key}\r\n"));
    format!(
        "POST {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Type: application/json\r\n{key}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn what_a_command_did_shows_in_the_next_read_and_its_errors_are_status_codes() {
    let service = start();
    let ann = r#"{"account":"ann","cents":500}"#.to_owned();
    assert_eq!(
        service.post("/accounts/ann/deposits", 500, None),
        (200, ann.clone())
    );
    assert_eq!(service.get("/accounts/ann"), (200, ann.clone()));

    let overdrawn = (422, "only 500 cents are left".to_owned());
    assert_eq!(
        service.post("/accounts/ann/withdrawals", 501, None),
        overdrawn
    );
    assert_eq!(service.get("/accounts/ann"), (200, ann));
    assert_eq!(service.get("/accounts/bob").0, 404);
    let long = format!("/accounts/{}/deposits", "a".repeat(2_000));
    assert_eq!(service.post(&long, 1, None).0, 400);

    let accounts = Repository::<Account, _>::new(service.store.clone());
    midgard::block_on(accounts.tombstone("ann", ExpectedVersion::Exists)).unwrap();
    assert_eq!(service.post("/accounts/ann/deposits", 1, None).0, 410);
    let (code, health) = service.get("/health");
    assert!(code == 200 && health.contains("balances"), "{health}");
    service.end();
}

#[test]
fn a_request_that_is_repeated_with_its_key_has_one_effect_also_after_its_client_has_gone_away() {
    let service = start();
    let deposit = |key| service.post("/accounts/ann/deposits", 500, Some(key));
    let once = r#"{"account":"ann","cents":500}"#.to_owned();
    assert_eq!(deposit("a"), (200, once.clone()));
    assert_eq!(deposit("a"), (200, once));

    // Whether this one was executed, nobody can say.
    drop(service.connect(&post("/accounts/ann/deposits", 500, Some("b"))));
    let twice = r#"{"account":"ann","cents":1000}"#.to_owned();
    assert_eq!(deposit("b"), (200, twice.clone()));
    assert_eq!(service.get("/accounts/ann"), (200, twice));
    service.end();
}

/// Drops a handler where it first waits, once its request was read whole: as a server does when the client goes away.
async fn go_away(request: Request, next: Next) -> StatusCode {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let request = Request::from_parts(head, Body::from(body));
    let answer = next.run(request).now_or_never();
    answer.map_or(StatusCode::REQUEST_TIMEOUT, |answer| answer.status())
}

#[test]
fn a_command_is_executed_though_its_handler_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    let views = Views::new(store.clone());
    let program = Midgard::new(store.clone()).project(Balances, views);
    let runtime = Runtime::new().unwrap();
    let bank = runtime.block_on(program.start(tokio::spawn)).unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let impatient = routes(bank).layer(from_fn(go_away));
    runtime.spawn(async { axum::serve(listener, impatient).await });

    let deposit = post("/accounts/ann/deposits", 500, None);
    assert_eq!(answer(address, &deposit).0, 408);
    let mut events = store.events(ReadLog::forward()).follow();
    let deposited = runtime.block_on(async { timeout(LONG, events.next()).await });
    let deposited = deposited.expect("it is executed").unwrap().unwrap();
    assert_eq!(deposited.stream.as_str(), "account-ann");
}

#[test]
fn events_come_live_and_from_where_a_client_was_and_end_with_the_service() {
    let service = start();
    let live = |last: &str| {
        let head = format!("GET /events HTTP/1.1\r\nHost: here\r\nLast-Event-ID: {last}\r\n\r\n");
        BufReader::new(service.connect(&head))
    };
    let next = |stream: &mut BufReader<TcpStream>| {
        let lines = stream.by_ref().lines().map(Result::unwrap);
        lines
            .filter_map(|line| line.strip_prefix("data: ").map(str::to_owned))
            .next()
            .unwrap()
    };
    let mut all = live("0");
    service.post("/accounts/ann/deposits", 500, None);
    assert_eq!(next(&mut all), r#"{"account":"ann","cents":500}"#);
    service.post("/accounts/ann/withdrawals", 120, None);
    assert_eq!(next(&mut all), r#"{"account":"ann","cents":-120}"#);
    let mut later = live("1");
    assert_eq!(next(&mut later), r#"{"account":"ann","cents":-120}"#);

    service.end();
    for mut stream in [all, later] {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert!(!rest.contains("data:"), "{rest}");
    }
}
