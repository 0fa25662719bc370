//! What is remembered of declarations.

use crate::common::{Client, runtime};
use midgard::bus::{Deliveries, Message, Publisher, Queue, Subscriber, Topic};
use midgard_bus_rabbitmq::{RabbitMqBus, RabbitMqDeliveries};
use midgard_test_servers as servers;

fn message(number: usize) -> Message {
    Message::event("tests", "counted", 1, number.to_string().into_bytes()).with_key("key")
}

/// Receives this many, leaves them unsettled, and gives their numbers.
async fn receive(deliveries: &mut RabbitMqDeliveries, many: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    for _ in 0..many {
        let received = deliveries.next().await.unwrap();
        let message = received.content.as_ref().unwrap();
        numbers.push(str::from_utf8(&message.payload).unwrap().parse().unwrap());
    }
    numbers
}

#[test]
fn order_is_kept_by_a_receiver_that_takes_fewer_at_once() {
    let test = "order_is_kept_by_a_receiver_that_takes_fewer_at_once";
    let Some(broker) = servers::shared_rabbitmq(test) else {
        return;
    };
    runtime().block_on(async {
        let bus = RabbitMqBus::connect(&broker.address()).await.unwrap();
        let queue = Queue::new("fewer", [Topic::event("counted")]);
        let many = queue.clone().with_in_flight(50);
        let few = queue.clone().with_in_flight(5);
        let mut deliveries = bus.subscribe(&many).await.unwrap();
        let messages: Vec<_> = (0..100).map(message).collect();
        bus.publish(&messages).await.unwrap();
        assert_eq!(
            receive(&mut deliveries, 50).await,
            (0..50).collect::<Vec<_>>()
        );
        drop(deliveries);

        for _ in 0..3 {
            let mut deliveries = bus.subscribe(&few).await.unwrap();
            assert_eq!(receive(&mut deliveries, 5).await, [0, 1, 2, 3, 4]);
        }
        let mut deliveries = bus.subscribe(&few).await.unwrap();
        for number in 0..100 {
            let received = deliveries.next().await.unwrap();
            let data = &received.content.as_ref().unwrap().payload;
            assert_eq!(*data, number.to_string().into_bytes());
            received.acknowledge().await.unwrap();
        }
    });
}

#[test]
fn what_is_remembered_does_not_grow() {
    let Some(broker) = servers::shared_rabbitmq("what_is_remembered_does_not_grow") else {
        return;
    };
    runtime().block_on(async {
        let bus = RabbitMqBus::connect(&broker.address()).await.unwrap();
        for number in 0..10 {
            let topic = Topic::event(&format!("remembered-{number}"));
            bus.declare(&Queue::new("remembered", [topic]))
                .await
                .unwrap();
        }
        // The channel of a declaration closes after it returned.
        let found = loop {
            let client = Client::connect(&broker.address()).await;
            let found = client.look_into_single("remembered.declared").await;
            if !found.is_empty() {
                break found;
            }
        };
        assert_eq!(found.len(), 1);
        let body = String::from_utf8_lossy(&found[0]).into_owned();
        assert!(body.contains("event.remembered-9"), "{body}");
        assert!(!body.contains("event.remembered-8"), "{body}");

        let unheard = Message::event("tests", "remembered-8", 1, b"{}".to_vec());
        let heard = Message::event("tests", "remembered-9", 1, b"{}".to_vec());
        let published = bus.publish(&[unheard, heard]).await.unwrap();
        assert_eq!(published.unheard, [0]);
    });
}
