//! What the tests share.

use midgard::bus::{Deliveries, Message, Publisher, Queue, Received, Subscriber, Topic};
use midgard_bus_nats::{NatsBus, NatsDeliveries, NatsOptions};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// The runtime of all tests in this program.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().unwrap()
    })
}

/// A connection of its own, whose receivers are succeeded after a second of silence.
pub(crate) fn open(address: &str) -> NatsBus {
    NatsBus::new(NatsOptions::new(address).with_takeover_after(Duration::from_secs(1)))
}

pub(crate) fn event(name: &str, key: &str, number: usize) -> Message {
    Message::event("tests", name.to_owned(), 1, number.to_string().into_bytes()).with_key(key)
}

pub(crate) fn queue(name: &str, event: &str) -> Queue {
    Queue::new(name, [Topic::event(event)])
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("{what}, but not within {PATIENCE:?}"),
    }
}

pub(crate) async fn next(deliveries: &mut NatsDeliveries) -> Received {
    within("there is a message", deliveries.next())
        .await
        .unwrap()
}

/// The key and the number of a message.
pub(crate) fn parts(received: &Received) -> (String, usize) {
    let message = received.content.as_ref().unwrap();
    let number = str::from_utf8(&message.payload).unwrap().parse().unwrap();
    (message.key.clone(), number)
}

/// Receives a message and acknowledges it; gives its number.
pub(crate) async fn take(deliveries: &mut NatsDeliveries) -> usize {
    let received = next(deliveries).await;
    let (_, number) = parts(&received);
    received.acknowledge().await.unwrap();
    number
}

/// Publishes messages, again and again until they are confirmed.
pub(crate) async fn publish(bus: &NatsBus, messages: &[Message]) {
    let publish = async {
        while bus.publish(messages).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("messages are confirmed", publish).await;
}

pub(crate) async fn subscribe(bus: &NatsBus, queue: &Queue) -> NatsDeliveries {
    bus.subscribe(queue).await.unwrap()
}
