//! RabbitMQ nodes: what a test can do with one.
#![allow(clippy::unwrap_used)]

mod common;

use common::{connect, secure, socket_address};
use midgard_test_servers::{ServerError, lent_rabbitmq, rabbitmq_with_tls, shared_rabbitmq};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ptr;

/// What a client of AMQP 0-9-1 sends first, and the start of what it gets: the method `connection.start`.
const HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
const START: [u8; 11] = [1, 0, 0, 0, 0, 1, 0xff, 0, 10, 0, 10];

/// Whether the answer to a client is `connection.start`, apart from its length.
fn assert_answers(mut connection: impl Read + Write) {
    connection.write_all(HEADER).unwrap();
    let mut answer = [0; 11];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..3], START[..3]);
    assert_eq!(answer[7..], START[7..]);
}

#[test]
fn a_node_that_was_killed_is_gone_and_restarts_where_it_was() {
    let Some(mut node) = lent_rabbitmq("a_node_that_was_killed_is_gone_and_restarts_where_it_was")
    else {
        return;
    };
    let address = node.address();
    assert_answers(connect(&address));

    let mut open = connect(&address);
    node.kill();
    assert_eq!(open.read(&mut [0]).unwrap_or_default(), 0);
    let refused = TcpStream::connect(socket_address(&address)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);

    node.restart().unwrap();
    assert_eq!(node.address(), address);
    assert_answers(connect(&address));
}

#[test]
fn a_node_that_was_stopped_keeps_its_data() {
    let Some(mut node) = lent_rabbitmq("a_node_that_was_stopped_keeps_its_data") else {
        return;
    };
    node.control(&["add_user", "somebody", "secret"]).unwrap();
    let refused = node
        .control(&["add_user", "somebody", "secret"])
        .unwrap_err();
    let refused = refused.to_string();
    assert!(refused.contains("already exists"), "{refused}");

    node.stop().unwrap();
    node.restart().unwrap();
    let users = node.control(&["list_users"]).unwrap();
    assert!(users.contains("somebody"), "{users}");
}

#[test]
fn a_node_with_tls_shows_a_certificate_of_its_authority() {
    let Some(node) = rabbitmq_with_tls("a_node_with_tls_shows_a_certificate_of_its_authority")
    else {
        return;
    };
    let address = node.tls_address().unwrap();
    assert!(
        address.starts_with("amqps://guest:guest@127.0.0.1:"),
        "{address}"
    );
    for name in ["127.0.0.1", "localhost"] {
        assert_answers(secure(
            connect(&address),
            name,
            node.certificate_authority(),
        ));
    }
    let stranger = secure(connect(&address), "localhost", None).write_all(HEADER);
    assert!(stranger.unwrap_err().to_string().contains("UnknownIssuer"));
    assert_answers(connect(&node.address()));
}

#[test]
fn a_node_that_cannot_start_says_why_and_is_lent_to_nobody() {
    let Some(mut node) = lent_rabbitmq("a_node_that_cannot_start_says_why_and_is_lent_to_nobody")
    else {
        return;
    };
    node.kill();
    let _other = TcpListener::bind(socket_address(&node.address())).unwrap();
    let error = node.restart().unwrap_err();
    assert!(matches!(error, ServerError::Ended { .. }), "{error:?}");
    assert!(error.to_string().contains("eaddrinuse"), "{error}");

    let address = node.address();
    drop(node);
    let next = lent_rabbitmq("a_node_that_cannot_start_says_why_and_is_lent_to_nobody").unwrap();
    assert_ne!(next.address(), address);
    assert_answers(connect(&next.address()));
}

#[test]
fn tests_share_a_node() {
    let Some(first) = shared_rabbitmq("tests_share_a_node") else {
        return;
    };
    let second = shared_rabbitmq("tests_share_a_node").unwrap();
    assert!(ptr::eq(first, second));
    assert_answers(connect(&first.address()));
}
