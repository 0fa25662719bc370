//! Limits of the server and its streams: what is too large, and what is full.

use super::kit::{PATIENCE, event, next, open, queue, runtime, subscribe, take, within};
use async_nats::jetstream::stream::Stream;
use midgard::bus::{BusError, Deliveries as _, Message, Publisher as _, Subscriber as _};
use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion};
use midgard::{Event, MemoryStore, Midgard, Outbox, Place, Store as _, StreamName};
use midgard_bus_nats::{NatsBus, NatsOptions};
use midgard_test_servers as servers;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// What the server takes at most.
const LARGEST: usize = 8 << 20;

async fn stream(address: &str, name: &str) -> Stream {
    let client = async_nats::connect(address).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    jetstream.get_stream(name).await.unwrap()
}

/// Changes the configuration of a stream, as an operator does.
async fn edit(
    address: &str,
    name: &str,
    change: impl FnOnce(&mut async_nats::jetstream::stream::Config),
) {
    let client = async_nats::connect(address).await.unwrap();
    let mut config = stream(address, name).await.cached_info().config.clone();
    change(&mut config);
    let jetstream = async_nats::jetstream::new(client);
    jetstream.update_stream(config).await.unwrap();
}

/// Sends what a stranger sends.
async fn send(address: &str, subject: &'static str, payload: Vec<u8>) {
    let client = async_nats::connect(address).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let sent = jetstream.publish(subject, payload.into());
    sent.await.unwrap().await.unwrap();
}

/// What was set aside, in the order in which it came: which part it is, and its payload.
async fn letters(address: &str) -> Vec<(Option<String>, Vec<u8>)> {
    let mut dead = stream(address, "MIDGARD_DEAD").await;
    let messages = dead.info().await.unwrap().state.messages;
    let mut letters = Vec::new();
    for sequence in 1..=messages {
        let letter = dead.get_raw_message(sequence).await.unwrap();
        assert!(letter.headers.get("Midgard-Reason").is_some());
        let part = letter.headers.get("Midgard-Part");
        let part = part.map(|part| part.as_str().to_owned());
        letters.push((part, letter.payload.to_vec()));
    }
    letters
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "filled")]
#[publish]
struct Filled {
    number: usize,
}

#[test]
fn stream_that_is_full_is_sent_each_message_once_as_it_is_drained() {
    const EVENTS: usize = 100;
    let name = "stream_that_is_full_is_sent_each_message_once_as_it_is_drained";
    let Some(server) = servers::nats(name) else {
        return;
    };
    let address = server.address();
    runtime().block_on(async {
        // The server knows nothing again soon: what is sent twice is there twice.
        let options = NatsOptions::new(&address).with_duplicate_window(Duration::from_millis(100));
        let bus = NatsBus::new(options);
        let queue = queue("filled", "filled");
        bus.declare(&queue).await.unwrap();
        edit(&address, "MIDGARD", |config| config.max_messages = 5).await;
        let store = MemoryStore::new();
        let name = StreamName::new("tank-1").unwrap();
        let events: Vec<_> = (0..EVENTS)
            .map(|number| NewEvent::encode(&Filled { number }).unwrap())
            .collect();
        let append = Append::to(name, ExpectedVersion::Any, events);
        let all = store.append(append).await.unwrap().position.unwrap();
        let midgard = Midgard::new(store).outbox(Outbox::new("tanks").publish::<Filled>(), bus);
        let handle = midgard.handle();
        let running = tokio::spawn(midgard.run());
        let is_full = handle.wait_until("outbox", PATIENCE, |status| {
            let error = status.last_error.as_ref();
            error.is_some_and(|error| error.message.contains("and not the next one"))
        });
        is_full.await.unwrap();
        let mut deliveries = subscribe(&open(&address), &queue).await;
        for number in 0..EVENTS {
            let received = next(&mut deliveries).await;
            let filled: Filled =
                serde_json::from_slice(&received.content.as_ref().unwrap().payload).unwrap();
            assert_eq!(filled.number, number, "once, and in order");
            received.acknowledge().await.unwrap();
        }
        let done = handle.wait_for("outbox", Place::main(all), PATIENCE);
        done.await.unwrap();
        let mut stream = stream(&address, "MIDGARD").await;
        let state = &stream.info().await.unwrap().state;
        assert_eq!((state.messages, state.last_sequence), (0, EVENTS as u64));
        handle.stop();
        running.await.unwrap().unwrap();
    });
}

#[test]
fn message_over_a_limit_of_the_stream_is_refused_and_nothing_of_its_batch_is_sent() {
    let name = "message_over_a_limit_of_the_stream_is_refused_and_nothing_of_its_batch_is_sent";
    let Some(server) = servers::nats(name) else {
        return;
    };
    let address = server.address();
    runtime().block_on(async {
        let bus = open(&address);
        let mut deliveries = subscribe(&bus, &queue("limited", "limited")).await;
        let large = |size: usize| Message::event("tests", "limited", 1, vec![b'7'; size]);
        let refused = |error: BusError, id: &str, why: &str| {
            assert!(
                matches!(&error, BusError::Refused { id: found, .. } if found == id),
                "{error:?}"
            );
            assert!(error.to_string().contains(why), "{error}");
        };
        edit(&address, "MIDGARD", |config| config.max_message_size = 4000).await;
        // This connection is older than the limit: the server says it.
        let sent = [large(5000)];
        let error = bus.publish(&sent).await.unwrap_err();
        refused(error, &sent[0].id, "max_msg_size");
        bus.publish(&[event("limited", "key", 1)]).await.unwrap();
        // This one knows before it sends anything.
        let bus = open(&address);
        let sent = [event("limited", "key", 2), large(5000)];
        let error = bus.publish(&sent).await.unwrap_err();
        refused(error, &sent[1].id, "takes 4000 at most");
        edit(&address, "MIDGARD", |config| config.max_message_size = -1).await;
        let bus = open(&address);
        let long = event("limited", "key", 4).with_subject("s".repeat(70_000));
        let sent = [event("limited", "key", 5), long];
        let error = bus.publish(&sent).await.unwrap_err();
        refused(error, &sent[1].id, "65535");
        bus.publish(&[event("limited", "key", 6)]).await.unwrap();
        assert_eq!(
            [take(&mut deliveries).await, take(&mut deliveries).await],
            [1, 6]
        );
    });
}

#[test]
fn stranger_as_large_as_the_server_takes_is_set_aside_in_parts() {
    let name = "stranger_as_large_as_the_server_takes_is_set_aside_in_parts";
    let Some(server) = servers::nats(name) else {
        return;
    };
    let address = server.address();
    runtime().block_on(async {
        let bus = open(&address);
        let mut deliveries = subscribe(&bus, &queue("huge", "huge")).await;
        let payload: Vec<u8> = (0..LARGEST).map(|at| (at % 251) as u8).collect();
        send(&address, "midgard.event.huge", payload.clone()).await;
        super::kit::publish(&bus, &[event("huge", "key", 1)]).await;
        let received = next(&mut deliveries).await;
        assert!(received.content.is_err());
        received.set_aside("not ours").await.unwrap();
        assert_eq!(take(&mut deliveries).await, 1);
        let letters = letters(&address).await;
        let parts: Vec<_> = letters.iter().map(|(part, _)| part.as_deref()).collect();
        assert_eq!(parts, [Some("1/2"), Some("2/2")]);
        let whole: Vec<u8> = letters.into_iter().flat_map(|(_, data)| data).collect();
        assert!(whole == payload, "nothing of it is lost");
    });
}

#[test]
fn message_that_cannot_be_set_aside_comes_again_after_a_while_and_holds_nobody_up() {
    let name = "message_that_cannot_be_set_aside_comes_again_after_a_while_and_holds_nobody_up";
    let Some(server) = servers::nats(name) else {
        return;
    };
    let address = server.address();
    runtime().block_on(async {
        let bus = open(&address);
        let mut deliveries = subscribe(&bus, &queue("aside", "aside")).await;
        // Room for a reason and some of the payload, and for one message.
        edit(&address, "MIDGARD_DEAD", |config| {
            config.max_messages = 1;
            config.max_message_size = 1500;
        })
        .await;
        let bus_of_now = open(&address);
        drop(deliveries);
        deliveries = subscribe(&bus_of_now, &queue("aside", "aside")).await;
        send(&address, "midgard.event.aside", b"first".to_vec()).await;
        send(&address, "midgard.event.aside", vec![b'2'; 2000]).await;
        super::kit::publish(&bus, &[event("aside", "key", 3)]).await;
        let first = next(&mut deliveries).await;
        first.set_aside(&"why? ".repeat(2000)).await.unwrap();
        let second = next(&mut deliveries).await;
        let third = next(&mut deliveries).await;
        third.acknowledge().await.unwrap();
        let began = Instant::now();
        let error = second.set_aside("not ours").await.unwrap_err();
        assert!(error.to_string().contains("maximum messages"), "{error}");
        assert!(began.elapsed() >= Duration::from_millis(900), "not at once");
        let again = next(&mut deliveries).await;
        edit(&address, "MIDGARD_DEAD", |config| config.max_messages = -1).await;
        again.set_aside("not ours").await.unwrap();
        let letters = letters(&address).await;
        assert_eq!(letters[0], (None, b"first".to_vec()));
        let whole: Vec<u8> = letters[1..]
            .iter()
            .flat_map(|(_, data)| data.clone())
            .collect();
        assert_eq!(whole, vec![b'2'; 2000]);
        let more = tokio::time::timeout(Duration::from_millis(300), deliveries.next());
        assert!(more.await.is_err(), "nothing is left");
    });
}

#[test]
fn headers_that_cannot_be_read_are_set_aside_beside_a_payload_as_large_as_can_be() {
    let name = "headers_that_cannot_be_read_are_set_aside_beside_a_payload_as_large_as_can_be";
    let Some(server) = servers::nats(name) else {
        return;
    };
    let address = server.address();
    runtime().block_on(async {
        let bus = open(&address);
        let mut deliveries = subscribe(&bus, &queue("raw", "raw")).await;
        let headers = b"NATS/1.0\r\nname: gr\xfc\xdfe\r\n\r\n";
        let body = vec![b'x'; LARGEST - headers.len()];
        super::strangers::publish(&address, "midgard.event.raw", headers, &body).await;
        super::kit::publish(&bus, &[event("raw", "key", 1)]).await;
        loop {
            let received = within("it comes", deliveries.next()).await.unwrap();
            assert_eq!(received.content.as_ref().unwrap().payload, b"1");
            if received.acknowledge().await.is_ok() {
                break;
            }
        }
        let whole = letters(&address).await.into_iter();
        let whole: Vec<u8> = whole.flat_map(|(_, data)| data).collect();
        assert!(whole == body, "nothing of it is lost");
    });
}
