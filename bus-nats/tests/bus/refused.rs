//! Servers that cannot be used, and what errors say of them.

use super::kit::{event, next, open, queue, runtime, subscribe};
use async_nats::jetstream::{self, consumer, stream};
use midgard::bus::{BusError, Publisher, Queue, Subscriber, Topic};
use midgard_bus_nats::{NatsBus, NatsOptions};
use midgard_test_servers as servers;
use std::error::Error;

/// An error and all that is underneath, as people and programs see it.
fn everything(error: &BusError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text} {error} {error:?}");
        source = error.source();
    }
    text
}

fn is_unusable(error: &BusError) -> bool {
    matches!(error, BusError::Unusable { .. })
}

#[test]
fn server_that_is_too_old_is_refused() {
    let Some(server) = servers::old_nats("server_that_is_too_old_is_refused") else {
        return;
    };
    runtime().block_on(async {
        let error = NatsBus::connect(&server.address()).await.unwrap_err();
        assert!(is_unusable(&error), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("the server is NATS 2.9.10, and 2.12 or newer is needed"),
            "{text}"
        );
        // Also for a bus that connects later.
        let bus = open(&server.address());
        let error = bus.publish(&[event("old", "key", 0)]).await.unwrap_err();
        assert!(is_unusable(&error), "{error}");
        let error = bus.subscribe(&queue("old", "old")).await.unwrap_err();
        assert!(is_unusable(&error), "{error}");
    });
}

#[test]
fn server_with_tls_is_used_when_its_authority_is_trusted() {
    let Some(server) =
        servers::nats_with_tls("server_with_tls_is_used_when_its_authority_is_trusted")
    else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authority.pem");
    std::fs::write(&path, server.certificate_authority().unwrap()).unwrap();
    runtime().block_on(async {
        let options = NatsOptions::new(server.address()).with_certificate_authority(&path);
        let bus = NatsBus::new(options);
        let mut deliveries = subscribe(&bus, &queue("tls", "tls")).await;
        bus.publish(&[event("tls", "key", 0)]).await.unwrap();
        next(&mut deliveries).await.acknowledge().await.unwrap();
        let error = NatsBus::connect(&server.address()).await.unwrap_err();
        assert!(
            everything(&error).contains("certificate"),
            "{}",
            everything(&error)
        );
    });
}

#[test]
fn server_that_is_not_there_is_unavailable() {
    runtime().block_on(async {
        let error = NatsBus::connect("nats://127.0.0.1:9").await.unwrap_err();
        assert!(matches!(error, BusError::Unavailable { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("nats://127.0.0.1:9"), "{text}");
    });
}

#[test]
fn nothing_secret_is_shown() {
    runtime().block_on(async {
        for address in [
            "nats://jun:hidden-word@127.0.0.1:9",
            "nats://hidden-word@127.0.0.1:9",
        ] {
            let options = NatsOptions::new(address);
            let bus = NatsBus::new(options.clone());
            let error = NatsBus::connect(address).await.unwrap_err();
            let shown = format!("{options:?} {bus:?} {}", everything(&error));
            assert!(!shown.contains("hidden"), "{shown}");
        }
        // Written as they should not be: with letters that are to be percent-encoded, and without a scheme.
        for address in [
            "jun:hidden-word@127.0.0.1:9",
            "jun:hidden://word@127.0.0.1:9",
            "jun://hidden@127.0.0.1:9",
            "nats://jun:hid,den@127.0.0.1:9",
            "nats://jun:hidden,word@127.0.0.1:9",
            "jun:4222,hidden@127.0.0.1:9",
            "nats://jun:hidden@word@127.0.0.1:9",
            "nats://jun:hidden/word@127.0.0.1:9",
            "nats://jun:4222/hidden",
            "nats://jun:4222?hidden",
            "nats://jun:4222#hidden",
            "nats://jun:hidden",
            "nats:/jun:hidden@127.0.0.1:9/hidden",
            "NATS//hidden:hidden",
            "nats://127.0.0.1:9,nats://jun:hidden",
            "nats://127.0.0.1:9,hidden@",
            "nats://[hidden",
            "amqp://jun:hidden@127.0.0.1:9",
        ] {
            let options = NatsOptions::new(address);
            let error = NatsBus::connect(address).await.unwrap_err();
            let shown = format!("{options:?} {}", everything(&error));
            assert!(!shown.contains("hid"), "{address}: {shown}");
        }
        let error = NatsBus::connect("nats://jun:a,b@127.0.0.1:9")
            .await
            .unwrap_err();
        assert!(
            is_unusable(&error) && error.to_string().contains("%2C"),
            "{error}"
        );
        let with = NatsOptions::new("nats://127.0.0.1:9").with_user("jun", "hidden");
        assert!(!format!("{with:?} {:?}", with.clone().with_token("hidden")).contains("hidden"));
    });
}

#[test]
fn streams_and_consumers_made_otherwise_are_refused() {
    let Some(server) = servers::nats("streams_and_consumers_made_otherwise_are_refused") else {
        return;
    };
    runtime().block_on(async {
        let client = async_nats::connect(server.address()).await.unwrap();
        let jetstream = jetstream::new(client);
        let other = stream::Config {
            name: "OTHER".to_owned(),
            subjects: vec!["other.>".to_owned()],
            ..Default::default()
        };
        jetstream.create_stream(other).await.unwrap();
        let options = NatsOptions::new(server.address());
        let bus = NatsBus::new(options.clone().with_stream("OTHER").with_prefix("other"));
        let error = bus.publish(&[event("placed", "key", 0)]).await.unwrap_err();
        assert!(is_unusable(&error), "{error}");
        assert!(
            error
                .to_string()
                .contains("the stream OTHER has the retention"),
            "{error}"
        );

        let bus = NatsBus::new(options);
        bus.declare(&queue("mine", "placed")).await.unwrap();
        let pulled = consumer::pull::Config {
            durable_name: Some("theirs".to_owned()),
            ..Default::default()
        };
        jetstream
            .create_consumer_on_stream(pulled, "MIDGARD")
            .await
            .unwrap();
        let error = bus.subscribe(&queue("theirs", "placed")).await.unwrap_err();
        assert!(is_unusable(&error), "{error}");
        assert!(
            error
                .to_string()
                .contains("nats consumer rm MIDGARD theirs"),
            "{error}"
        );

        let wrong = Queue::new("a queue", [Topic::event("placed")]);
        let error = bus.declare(&wrong).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("\"a queue\" cannot be the name of a queue"),
            "{error}"
        );
    });
}

#[test]
fn bus_with_an_authority_makes_no_connection_without_tls() {
    let Some(server) = servers::nats("bus_with_an_authority_makes_no_connection_without_tls")
    else {
        return;
    };
    let Some(with_tls) =
        servers::nats_with_tls("bus_with_an_authority_makes_no_connection_without_tls")
    else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authority.pem");
    std::fs::write(&path, with_tls.certificate_authority().unwrap()).unwrap();
    runtime().block_on(async {
        let options = NatsOptions::new(server.address()).with_certificate_authority(&path);
        assert!(server.address().starts_with("nats://"));
        let error = NatsBus::new(options)
            .publish(&[event("open", "key", 0)])
            .await
            .unwrap_err();
        assert!(is_unusable(&error), "{error:?}");
        assert!(
            error
                .to_string()
                .contains("no connection is made without TLS"),
            "{error}"
        );
        let address = with_tls.address().replace("tls://", "nats://");
        let options = NatsOptions::new(address).with_certificate_authority(&path);
        let bus = NatsBus::new(options);
        let mut deliveries = subscribe(&bus, &queue("closed", "closed")).await;
        bus.publish(&[event("closed", "key", 0)]).await.unwrap();
        next(&mut deliveries).await.acknowledge().await.unwrap();
    });
}

#[test]
fn outside_of_a_runtime_it_says_so() {
    let Some(server) = servers::shared_nats("outside_of_a_runtime_it_says_so") else {
        return;
    };
    let bus = open(&server.address());
    let says_so = |error: &BusError| {
        assert!(is_unusable(error), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("outside of a tokio runtime"), "{text}");
    };
    let (queue, message) = (queue("outside", "outside"), event("outside", "key", 0));
    // A connection that is there changes nothing.
    for _ in 0..2 {
        let sent = std::slice::from_ref(&message);
        says_so(&midgard::block_on(bus.publish(sent)).unwrap_err());
        says_so(&midgard::block_on(bus.declare(&queue)).unwrap_err());
        says_so(&midgard::block_on(bus.subscribe(&queue)).unwrap_err());
        runtime().block_on(bus.declare(&queue)).unwrap();
    }
    let received = runtime().block_on(async {
        let mut deliveries = subscribe(&bus, &queue).await;
        bus.publish(&[message]).await.unwrap();
        let received = next(&mut deliveries).await;
        (deliveries, received)
    });
    let (_deliveries, received) = received;
    says_so(&midgard::block_on(received.set_aside("outside")).unwrap_err());
}
