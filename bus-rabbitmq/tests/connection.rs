//! Connections: made late, made anew, encrypted, refused; and what is secret stays so.

mod common;
#[path = "common/log.rs"]
mod log;

use common::{Client, runtime};
use midgard::bus::{BusError, Deliveries, Message, Publisher, Queue, Subscriber, Topic};
use midgard_bus_rabbitmq::RabbitMqBus;
use midgard_test_servers as servers;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Longer than anything takes that works.
const LONG: Duration = Duration::from_secs(180);

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
        assert_eq!(received.content.as_ref().unwrap().payload, b"1");
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
        assert_eq!(received.content.as_ref().unwrap().payload, b"1");

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

        // Written as they should not be: with letters that are to be percent-encoded, and without a scheme.
        for none in [
            "http://user:secret@host",
            "user:secret@host",
            "secret:secret@host",
            "secret://secret:secret@host",
            "amqp:user:secret@host",
            "amqp://user:secret",
            "amqp://user:se/cret@host:5672/%2f",
            "amqp://user:12/secret@host:5672/%2f",
            "amqp://user:12?secret@host:5672/%2f",
            "amqp://user:12#secret@host:5672/%2f",
            "amqp://user:secret@host:port/%2f",
            "amqp://user:secret@host:5672/%2f?heartbeat=secret",
            "amqp://user:sec%FFret@host:5672/%2f",
        ] {
            let options = RabbitMqBus::options(none);
            let error = options.clone().connect().await.unwrap_err();
            assert!(matches!(error, BusError::Unusable { .. }), "{error:?}");
            let said = format!("{options:?} {}", everything(&error));
            assert!(
                !said.contains("cret") && !said.contains("sec"),
                "{none}: {said}"
            );
        }
        let (right, _) = address.split_once('@').unwrap();
        let odd = format!("{right},a@b:c@127.0.0.1:1/%2f");
        let said = everything(&RabbitMqBus::connect(&odd).await.unwrap_err());
        assert!(!said.contains("a@b"), "{said}");

        let options = RabbitMqBus::options(&address).certificate_authority("a certificate");
        let error = RabbitMqBus::new(options).unwrap_err();
        assert!(matches!(error, BusError::Unusable { .. }), "{error:?}");
        assert!(error.to_string().contains("amqps://"), "{error}");

        let bus = RabbitMqBus::connect(&address).await.unwrap();
        bus.declare(&queue("made-before")).await.unwrap();
        let options = RabbitMqBus::options(&address).delivery_limit(7);
        let other = options.connect().await.unwrap();
        let error = other.declare(&queue("made-before")).await.unwrap_err();
        assert!(matches!(error, BusError::Unusable { .. }), "{error:?}");
        let said = error.to_string();
        assert!(
            said.contains("\"made-before\" exists with other settings"),
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

#[test]
fn outside_of_a_runtime_it_says_so() {
    let Some(broker) = servers::shared_rabbitmq("outside_of_a_runtime_it_says_so") else {
        return;
    };
    let bus = RabbitMqBus::new(RabbitMqBus::options(&broker.address())).unwrap();
    let says_so = |error: BusError| {
        assert!(matches!(error, BusError::Unusable { .. }), "{error:?}");
        let said = error.to_string();
        assert!(said.contains("outside of a tokio runtime"), "{said}");
    };
    let queue = Queue::new("outside", [Topic::event("outside")]);
    let sent = [Message::event("tests", "outside", 1, b"1".to_vec())];
    // A connection that is there changes nothing.
    for _ in 0..2 {
        says_so(midgard::block_on(bus.publish(&sent)).unwrap_err());
        says_so(midgard::block_on(bus.declare(&queue)).unwrap_err());
        says_so(midgard::block_on(bus.subscribe(&queue)).unwrap_err());
        runtime().block_on(bus.declare(&queue)).unwrap();
    }
    let (mut deliveries, received) = runtime().block_on(async {
        let mut deliveries = bus.subscribe(&queue).await.unwrap();
        bus.publish(&sent).await.unwrap();
        let received = deliveries.next().await.unwrap();
        (deliveries, received)
    });
    says_so(midgard::block_on(deliveries.next()).unwrap_err());
    says_so(midgard::block_on(received.acknowledge()).unwrap_err());
}

/// An attempt that goes on after its caller has given up tells the next one what came of it once, not for ever.
#[test]
fn attempt_that_was_given_up_is_followed_by_others() {
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("amqp://guest:guest@{}/%2f", listener.local_addr().unwrap());
        let accepted = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&accepted);
        let (give_up, given_up) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let mut until = Some(given_up);
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                counting.fetch_add(1, Ordering::SeqCst);
                // It takes what a client says first, and hangs up: on the first one not before that has given up.
                let _ = socket.read(&mut [0; 8]).await;
                if let Some(given_up) = until.take() {
                    let _: Result<(), _> = given_up.await;
                }
            }
        });
        let bus = RabbitMqBus::new(RabbitMqBus::options(&address)).unwrap();
        let given_up = timeout(Duration::from_millis(50), bus.publish(&[message(0)])).await;
        assert!(given_up.is_err(), "it is still at it");
        give_up.send(()).unwrap();
        let others = async {
            let mut before = accepted.load(Ordering::SeqCst);
            for _ in 0..3 {
                while accepted.load(Ordering::SeqCst) <= before {
                    let error = bus.publish(&[message(0)]).await.unwrap_err();
                    assert!(matches!(error, BusError::Unavailable { .. }), "{error:?}");
                }
                before = accepted.load(Ordering::SeqCst);
            }
        };
        let tried = timeout(LONG, others).await;
        tried.expect("it is tried again");
    });
}

/// A client that is told to acknowledge in the moment in which its connection ends may forget it.
#[test]
fn acknowledgements_come_to_an_end_when_their_connection_does() {
    let Some(broker) =
        servers::shared_rabbitmq("acknowledgements_come_to_an_end_when_their_connection_does")
    else {
        return;
    };
    let rounds = std::env::var("ROUNDS").map_or(20, |rounds| rounds.parse().unwrap());
    runtime().block_on(async {
        let (_, port) = broker
            .address()
            .rsplit_once(':')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let port = port.split('/').next().unwrap().to_owned();
        let proxy = Proxy::start(format!("127.0.0.1:{port}")).await;
        let address = format!("amqp://guest:guest@{}/%2f", proxy.address);
        let options = RabbitMqBus::options(&address).settle_time(Duration::ZERO);
        let bus = RabbitMqBus::new(options).unwrap();
        let queue = Queue::new("cut", [Topic::event("cut")]).with_in_flight(200);
        let mut deliveries = bus.subscribe(&queue).await.unwrap();
        let mut number = 0;
        for _ in 0..rounds {
            let batch: Vec<_> = (0..200)
                .map(|_| {
                    number += 1;
                    Message::event("tests", "cut", 1, number.to_string().into_bytes())
                })
                .collect();
            while bus.publish(&batch).await.is_err() {}
            let mut received = Vec::new();
            while received.len() < 200 {
                let next = timeout(LONG, deliveries.next()).await;
                received.extend(next.expect("it comes, or an error"));
            }
            // All the time, some of them are acknowledged while the connection ends.
            let mut settling = tokio::task::JoinSet::new();
            for (index, received) in received.into_iter().enumerate() {
                settling.spawn(async move {
                    tokio::time::sleep(Duration::from_micros(index as u64 * 40)).await;
                    received.acknowledge().await
                });
            }
            tokio::time::sleep(Duration::from_millis(4)).await;
            proxy.cut();
            let settled = timeout(LONG, settling.join_all()).await;
            settled.expect("each comes to an end");
        }
    });
}

/// Carries connections to a broker, and cuts them.
struct Proxy {
    address: std::net::SocketAddr,
    cut: Arc<tokio::sync::watch::Sender<()>>,
}

impl Proxy {
    async fn start(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = Arc::new(tokio::sync::watch::Sender::new(()));
        let cutting = Arc::clone(&cut);
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (to, mut cut) = (to.clone(), cutting.subscribe());
                tokio::spawn(async move {
                    let mut broker = TcpStream::connect(to).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut broker) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Proxy { address, cut }
    }

    fn cut(&self) {
        self.cut.send_replace(());
    }
}
