//! What nobody asks for, also when a queue goes away by hand; and what is published twice.

use super::kit::{event, next, open, queue, runtime, subscribe, take};
use async_nats::jetstream;
use midgard::bus::{Deliveries, Message, Published, Publisher, Subscriber};
use midgard_bus_nats::{NatsBus, NatsOptions};
use midgard_test_servers as servers;
use std::time::Duration;
use tokio::time::timeout;

async fn remove(address: &str, queue: &str) {
    let client = async_nats::connect(address).await.unwrap();
    let stream = jetstream::new(client).get_stream("MIDGARD").await.unwrap();
    stream.delete_consumer(queue).await.unwrap();
}

#[test]
fn queue_that_is_removed_by_hand_is_not_counted_on() {
    let Some(server) = servers::shared_nats("queue_that_is_removed_by_hand_is_not_counted_on")
    else {
        return;
    };
    runtime().block_on(async {
        let address = server.address();
        let bus = open(&address);
        let queue = queue("by-hand", "by-hand");
        bus.declare(&queue).await.unwrap();
        let messages: Vec<Message> = (0..3).map(|n| event("by-hand", "key", n)).collect();
        assert_eq!(bus.publish(&messages[..1]).await.unwrap(), Published::all());
        remove(&address, "by-hand").await;
        // This bus remembers that somebody asked.
        let published = bus.publish(&messages[1..]).await.unwrap();
        assert_eq!(published, Published::but(vec![0, 1]));
        // The server has seen these, and nobody got them: they are not taken for duplicates now.
        let mut deliveries = subscribe(&open(&address), &queue).await;
        assert_eq!(bus.publish(&messages[1..]).await.unwrap(), Published::all());
        assert_eq!(take(&mut deliveries).await, 1);
        assert_eq!(take(&mut deliveries).await, 2);
    });
}

#[test]
fn queue_that_is_removed_under_its_receiver_is_made_again() {
    let Some(server) =
        servers::shared_nats("queue_that_is_removed_under_its_receiver_is_made_again")
    else {
        return;
    };
    runtime().block_on(async {
        let address = server.address();
        let bus = open(&address);
        let mut deliveries = subscribe(&bus, &queue("under", "under")).await;
        bus.publish(&[event("under", "key", 0)]).await.unwrap();
        assert_eq!(take(&mut deliveries).await, 0);
        remove(&address, "under").await;
        let publish = async {
            while bus.publish(&[event("under", "key", 1)]).await.unwrap() != Published::all() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        publish.await;
        assert_eq!(take(&mut deliveries).await, 1);
    });
}

#[test]
fn what_is_published_again_soon_is_delivered_once() {
    let Some(server) = servers::shared_nats("what_is_published_again_soon_is_delivered_once")
    else {
        return;
    };
    runtime().block_on(async {
        let bus = open(&server.address());
        let mut deliveries = subscribe(&bus, &queue("twice", "twice")).await;
        let messages: Vec<Message> = (0..100).map(|n| event("twice", "key", n)).collect();
        for bus in [&bus, &open(&server.address())] {
            assert_eq!(bus.publish(&messages).await.unwrap(), Published::all());
        }
        for number in 0..100 {
            assert_eq!(take(&mut deliveries).await, number);
        }
        let more = timeout(Duration::from_millis(300), deliveries.next()).await;
        assert!(more.is_err(), "it was delivered twice: {more:?}");
        // The same id from another service is another message.
        let theirs = Message::event("others", "twice", 1, b"100".to_vec());
        let theirs = theirs.with_id(messages[0].id.clone());
        bus.publish(&[theirs]).await.unwrap();
        assert_eq!(take(&mut deliveries).await, 100);
    });
}

#[test]
fn messages_that_take_long_are_not_delivered_again_meanwhile() {
    let Some(server) =
        servers::shared_nats("messages_that_take_long_are_not_delivered_again_meanwhile")
    else {
        return;
    };
    runtime().block_on(async {
        let options = NatsOptions::new(server.address());
        let options = options.with_takeover_after(Duration::from_secs(4));
        let bus = NatsBus::new(options.clone());
        let queue = queue("long", "long");
        let mut deliveries = subscribe(&bus, &queue).await;
        let mut standby = subscribe(&NatsBus::new(options), &queue).await;
        bus.publish(&[event("long", "key", 0)]).await.unwrap();
        let received = tokio::select! {
            received = deliveries.next() => received.unwrap(),
            received = standby.next() => received.unwrap(),
        };
        // More than twice as long as a receiver may be silent.
        let again = async {
            tokio::select! {
                again = deliveries.next() => again,
                again = standby.next() => again,
            }
        };
        let again = timeout(Duration::from_secs(10), again).await;
        assert!(again.is_err(), "it was delivered again: {again:?}");
        received.acknowledge().await.unwrap();
    });
}

#[test]
fn receiver_that_stands_by_takes_over_at_once_when_the_other_is_dropped() {
    let name = "receiver_that_stands_by_takes_over_at_once_when_the_other_is_dropped";
    let Some(server) = servers::shared_nats(name) else {
        return;
    };
    runtime().block_on(async {
        // Nobody waits until the first has been silent for so long.
        let options = NatsOptions::new(server.address());
        let options = options.with_takeover_after(Duration::from_secs(600));
        let open = || NatsBus::new(options.clone());
        let queue = queue("at-once", "at-once");
        let mut first = subscribe(&open(), &queue).await;
        let bus = open();
        bus.publish(&[event("at-once", "key", 0), event("at-once", "key", 1)])
            .await
            .unwrap();
        let held = next(&mut first).await;
        let mut second = subscribe(&open(), &queue).await;
        drop(first);
        let taken = (take(&mut second).await, take(&mut second).await);
        assert_eq!(taken, (0, 1));
        let late = held.acknowledge().await.unwrap_err();
        assert!(
            matches!(late, midgard::bus::BusError::Closed { .. }),
            "{late}"
        );
    });
}
