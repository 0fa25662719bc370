//! A NATS server of a test.

use midgard_test_servers::{nats, nats_with_tls, old_nats};

#[test]
fn a_server_that_was_killed_restarts_where_it_was() {
    let Some(mut server) = nats("a_server_that_was_killed_restarts_where_it_was") else {
        return;
    };
    let address = server.address();
    server.kill();
    server.restart().unwrap();
    assert_eq!(server.address(), address);
    server.stop().unwrap();
    let _ = nats_with_tls("tls");
    let _ = old_nats("tls");
}
