//! Connections: made late, made anew, encrypted, refused; and what is secret stays so.

mod common;
#[path = "common/log.rs"]
mod log;

use common::{Client, runtime};
use midgard::bus::{BusError, Deliveries, Message, Publisher, Queue, Subscriber, Topic};
use midgard_bus_rabbitmq::RabbitMqBus;
use midgard_test_servers as servers;
use std::time::Duration;

fn message(number: usize) -> Message {
    Message::event("tests", "counted", 1, number.to_string().into_bytes()).with_key("key")
}

fn queue(name: &str) -> Queue {
    Queue::new(name, [Topic::event("counted")])
}

/// All that an error says, with what is underneath.
fn everything(error: &BusError) -> String {
    let mut said = format!("{error:?} {error}");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        said.push_str(&format!(" {error:?} {error}"));
        source = error.source();
    }
    said
}

#[test]
fn service_starts_while_the_broker_is_down() {
    let Some(mut broker) = servers::rabbitmq("service_starts_while_the_broker_is_down") else {
        return;
    };
    runtime().block_on(async {
        let first = RabbitMqBus::connect(&broker.address()).await.unwrap();
        first.declare(&queue("late")).await.unwrap();
        broker.kill();
        let options = RabbitMqBus::options(&broker.address());
        let connected = options.clone().connect().await;
        assert!(matches!(connected, Err(BusError::Unavailable { .. })));

        let bus = RabbitMqBus::new(options).unwrap();
        for _ in 0..3 {
            let published = bus.publish(&[message(0)]).await;
            assert!(matches!(published, Err(BusError::Unavailable { .. })));
            let subscribed = bus.subscribe(&queue("late")).await;
            assert!(matches!(subscribed, Err(BusError::Unavailable { .. })));
        }
        tokio::task::block_in_place(|| broker.restart().unwrap());
        while bus.publish(&[message(1)]).await.is_err() {}
        let mut deliveries = loop {
            if let Ok(deliveries) = bus.subscribe(&queue("late")).await {
                break deliveries;
            }
        };
        let received = deliveries.next().await.unwrap();
        assert_eq!(received.content.as_ref().unwrap().data, b"1");
        received.acknowledge().await.unwrap();
    });
}

#[test]
fn encrypted_connection() {
    let Some(broker) = servers::rabbitmq_with_tls("encrypted_connection") else {
        return;
    };
    let address = broker.tls_address().unwrap();
    let authority = broker.certificate_authority().unwrap().to_owned();
    runtime().block_on(async {
        let options = RabbitMqBus::options(&address).certificate_authority(authority);
        let bus = options.connect().await.unwrap();
        let mut deliveries = bus.subscribe(&queue("encrypted")).await.unwrap();
        assert!(bus.publish(&[message(1)]).await.unwrap().unheard.is_empty());
        let received = deliveries.next().await.unwrap();
        assert_eq!(received.content.as_ref().unwrap().data, b"1");

        // Nobody that this program trusts signed the certificate of the broker.
        let error = RabbitMqBus::connect(&address).await.unwrap_err();
        assert!(matches!(error, BusError::Unusable { .. }), "{error:?}");
        let said = error.to_string();
        assert!(said.contains("check the certificate authority"), "{said}");
    });
}

#[test]
fn what_cannot_be_used_says_what_to_do() {
    let Some(broker) = servers::shared_rabbitmq("what_cannot_be_used_says_what_to_do") else {
        return;
    };
    let address = broker.address();
    runtime().block_on(async {
        let wrong_password = address.replace("guest:guest@", "guest:wrong@");
        let error = RabbitMqBus::connect(&wrong_password).await.unwrap_err();
        assert!(matches!(error, BusError::Unusable { .. }), "{error:?}");
        assert!(error.to_string().contains("check the user"), "{error}");

        let wrong_host = address.replace("%2f", "nowhere");
        let error = RabbitMqBus::connect(&wrong_host).await.unwrap_err();
        assert!(matches!(error, BusError::Unusable { .. }), "{error:?}");
        assert!(
            error.to_string().contains("check the virtual host"),
            "{error}"
        );

        let error = RabbitMqBus::connect("http://user:secret@host")
            .await
            .unwrap_err();
        assert!(matches!(error, BusError::Unusable { .. }), "{error:?}");
        assert!(!everything(&error).contains("secret"), "{error:?}");

        let bus = RabbitMqBus::connect(&address).await.unwrap();
        bus.declare(&queue("made-before")).await.unwrap();
        let options = RabbitMqBus::options(&address).delivery_limit(7);
        let other = options.connect().await.unwrap();
        let error = other.declare(&queue("made-before")).await.unwrap_err();
        assert!(matches!(error, BusError::Unusable { .. }), "{error:?}");
        let said = error.to_string();
        assert!(
            said.contains("\"made-before\" is there with other settings"),
            "{said}"
        );

        let error = bus.declare(&queue(&"long".repeat(64))).await.unwrap_err();
        assert!(matches!(error, BusError::Unusable { .. }), "{error:?}");
    });
}

#[test]
fn password_is_in_no_error_and_no_trace() {
    let Some(broker) = servers::shared_rabbitmq("password_is_in_no_error_and_no_trace") else {
        return;
    };
    let secret = "s3cr3t-of-this-test";
    for command in [
        &["add_user", "teller", secret][..],
        &["set_permissions", "teller", ".*", ".*", ".*"][..],
    ] {
        broker.control(command).unwrap();
    }
    let address = broker.address();
    let right = address.replace("guest:guest@", &format!("teller:{secret}@"));
    let wrong = address.replace("guest:guest@", &format!("guest:{secret}@"));
    // The only test of this program that sets it, and it sees what the others do too.
    let log = log::Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    runtime().block_on(async {
        let bus = RabbitMqBus::connect(&right).await.unwrap();
        let mut deliveries = bus.subscribe(&queue("secrets")).await.unwrap();
        bus.publish(&[message(1)]).await.unwrap();
        let received = deliveries.next().await.unwrap();
        let mut said = format!(
            "{bus:?} {:?} {deliveries:?} {received:?}",
            RabbitMqBus::options(&right)
        );
        let refused = RabbitMqBus::connect(&wrong).await.unwrap_err();
        said.push_str(&everything(&refused));
        assert!(!said.contains(secret), "{said}");
        assert!(said.contains("teller"), "{said}");
    });
    let traced = log.text();
    assert!(traced.contains("connected to RabbitMQ"));
    let lines = traced.lines().filter(|line| line.contains(secret));
    let lines: Vec<_> = lines.collect();
    assert!(lines.is_empty(), "{lines:#?}");
}

#[test]
fn message_that_comes_back_too_often_is_kept_aside() {
    let Some(broker) = servers::shared_rabbitmq("message_that_comes_back_too_often_is_kept_aside")
    else {
        return;
    };
    let address = broker.address();
    runtime().block_on(async {
        let options = RabbitMqBus::options(&address)
            .queue_prefix("killer.")
            .delivery_limit(3);
        let bus = options.connect().await.unwrap();
        let queue = Queue::new("victim", [Topic::event("killing")]);
        bus.declare(&queue).await.unwrap();
        let killing = Message::event("tests", "killing", 1, b"it kills".to_vec());
        bus.publish(&[killing]).await.unwrap();
        for time in 0..4 {
            let mut deliveries = bus.subscribe(&queue).await.unwrap();
            let received = deliveries.next().await.unwrap();
            assert_eq!(received.is_redelivered, time > 0);
        }
        let mut found = Vec::new();
        while found.is_empty() {
            let client = Client::connect(&address).await;
            found = client.look_into("killer.victim.dead").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(found[0].delivery.data, b"it kills");
    });
}
