//! A RabbitMQ node of a test.

use midgard_test_servers::rabbitmq;

#[test]
fn a_node_that_was_killed_restarts_where_it_was() {
    let Some(mut node) = rabbitmq("a_node_that_was_killed_restarts_where_it_was") else {
        return;
    };
    let address = node.address();
    node.kill();
    node.restart().unwrap();
    assert_eq!(node.address(), address);
    node.stop().unwrap();
}
