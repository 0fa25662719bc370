//! NATS servers: what a test can do with one.
#![allow(clippy::unwrap_used)]

mod common;

use common::{connect, secure, socket_address};
use midgard_test_servers::{ServerError, nats, nats_with_tls, old_nats, shared_nats};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ptr;

/// A client of the text protocol of NATS.
struct Client<C: Read + Write> {
    connection: BufReader<C>,
}

impl Client<TcpStream> {
    fn connect(address: &str) -> Self {
        let mut connection = connect(address);
        greeting(&mut connection);
        Self::new(connection)
    }
}

impl<C: Read + Write> Client<C> {
    /// Introduces itself, after the greeting.
    fn new(mut connection: C) -> Self {
        connection
            .write_all(b"CONNECT {\"verbose\":false}\r\nSUB answers 1\r\n")
            .unwrap();
        Self {
            connection: BufReader::new(connection),
        }
    }

    /// What is answered to `message`.
    fn request(&mut self, subject: &str, message: &str) -> String {
        let request = format!("PUB {subject} answers {}\r\n{message}\r\n", message.len());
        self.connection
            .get_mut()
            .write_all(request.as_bytes())
            .unwrap();
        let mut line = String::new();
        self.connection.read_line(&mut line).unwrap();
        assert!(line.starts_with("MSG answers 1 "), "{line}");
        let length = line.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
        let mut answer = vec![0; length];
        self.connection.read_exact(&mut answer).unwrap();
        self.connection.read_line(&mut String::new()).unwrap();
        String::from_utf8(answer).unwrap()
    }
}

/// The line with which a server greets, before any TLS.
fn greeting(connection: &mut TcpStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') {
        connection.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

/// The major and minor version in a greeting.
fn version(greeting: &str) -> (u32, u32) {
    let version = greeting.split("\"version\":\"").nth(1).unwrap();
    let mut numbers = version.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn a_server_that_was_killed_restarts_where_it_was_with_its_data() {
    let Some(mut server) = nats("a_server_that_was_killed_restarts_where_it_was_with_its_data")
    else {
        return;
    };
    let address = server.address();
    let mut client = Client::connect(&address);
    let created = client.request(
        "$JS.API.STREAM.CREATE.things",
        r#"{"name":"things","subjects":["thing.*"],"allow_atomic":true}"#,
    );
    assert!(created.contains("\"allow_atomic\":true"), "{created}");
    assert!(
        client
            .request("thing.happened", "one")
            .contains("\"seq\":1")
    );

    server.kill();
    let refused = TcpStream::connect(socket_address(&address)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);

    server.restart().unwrap();
    assert_eq!(server.address(), address);
    assert!(
        Client::connect(&address)
            .request("thing.happened", "two")
            .contains("\"seq\":2")
    );

    server.stop().unwrap();
    server.restart().unwrap();
    assert!(
        Client::connect(&address)
            .request("thing.happened", "three")
            .contains("\"seq\":3")
    );
}

#[test]
fn a_server_with_tls_shows_a_certificate_of_its_authority() {
    let Some(server) = nats_with_tls("a_server_with_tls_shows_a_certificate_of_its_authority")
    else {
        return;
    };
    let address = server.address();
    assert!(address.starts_with("tls://127.0.0.1:"), "{address}");
    let greeted = || {
        let mut connection = connect(&address);
        let greeting = greeting(&mut connection);
        assert!(greeting.contains("\"tls_required\":true"), "{greeting}");
        connection
    };
    for name in ["127.0.0.1", "localhost"] {
        let mut client = Client::new(secure(greeted(), name, server.certificate_authority()));
        assert!(client.request("$JS.API.INFO", "").contains("\"streams\":0"));
    }
    let stranger = secure(greeted(), "localhost", None).write_all(b"PING\r\n");
    assert!(stranger.unwrap_err().to_string().contains("UnknownIssuer"));
}

#[test]
fn the_old_server_is_older_than_atomic_batches() {
    let name = "the_old_server_is_older_than_atomic_batches";
    let (Some(old), Some(current)) = (old_nats(name), shared_nats(name)) else {
        return;
    };
    assert!(version(&greeting(&mut connect(&old.address()))) < (2, 12));
    assert!(version(&greeting(&mut connect(&current.address()))) >= (2, 12));
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let Some(mut server) = nats("a_server_that_cannot_start_says_why") else {
        return;
    };
    server.kill();
    let _other = TcpListener::bind(socket_address(&server.address())).unwrap();
    let error = server.restart().unwrap_err();
    assert!(matches!(error, ServerError::Ended { .. }), "{error:?}");
    assert!(
        error.to_string().contains("address already in use"),
        "{error}"
    );
}

#[test]
fn tests_share_a_server() {
    let Some(first) = shared_nats("tests_share_a_server") else {
        return;
    };
    let second = shared_nats("tests_share_a_server").unwrap();
    assert!(ptr::eq(first, second));
    assert!(
        Client::connect(&first.address())
            .request("$JS.API.INFO", "")
            .contains("\"streams\"")
    );
}
