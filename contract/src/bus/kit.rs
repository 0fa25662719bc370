//! Shared code of the cases: unique names, numbered messages, and waits with an end.

pub(super) use super::{BusFixture, SetAside, Stranger};
use futures_timer::Delay;
use futures_util::future::{Either, select};
use midgard::EventId;
pub(super) use midgard::bus::{
    BusError, Deliveries, Message, Published, Publisher, Purpose, Queue, Received, Subscriber,
    Topic,
};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// How long a case waits for an expected message.
const PATIENCE: Duration = Duration::from_secs(180);

/// Connects to a bus that all cases may share.
pub(super) fn shared<F: BusFixture>(case: &str) -> Option<F> {
    F::new(case)
}

/// Reports that a case does not apply to a bus.
#[allow(clippy::print_stderr)]
pub(super) fn leave_out(case: &str, why: &str) {
    eprintln!("left out: {case}: {why}");
}

/// A run of a case: a connection, and names that no other run has.
pub(super) struct Scene<'f, F: BusFixture> {
    pub(super) fixture: &'f F,
    pub(super) bus: F::Bus,
    run: String,
}

impl<'f, F: BusFixture> Scene<'f, F> {
    pub(super) async fn new(fixture: &'f F) -> Self {
        let id = EventId::new().to_string();
        let (_, random) = id.rsplit_once('-').unwrap_or_default();
        Scene {
            fixture,
            bus: fixture.open().await,
            run: format!("contract-{random}"),
        }
    }

    /// Returns a name of this run.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.run)
    }

    pub(super) fn topic(&self, event: &str) -> Topic {
        Topic::event(&self.name(event))
    }

    /// Returns a queue for events of these names.
    pub(super) fn queue(&self, name: &str, events: &[&str]) -> Queue {
        let topics = events.iter().map(|event| self.topic(event));
        Queue::new(self.name(name), topics)
    }

    /// Returns an event of this name, whose payload is a number.
    pub(super) fn message(&self, event: &str, key: &str, number: usize) -> Message {
        let data = number.to_string().into_bytes();
        Message::event("contract", self.name(event), 1, data).with_key(key)
    }

    /// Returns events of this name with one key and these numbers.
    pub(super) fn messages(
        &self,
        event: &str,
        numbers: impl IntoIterator<Item = usize>,
    ) -> Vec<Message> {
        let numbers = numbers.into_iter();
        numbers
            .map(|number| self.message(event, "key", number))
            .collect()
    }

    pub(super) async fn declare(&self, queue: &Queue) {
        if let Err(error) = self.bus.declare(queue).await {
            panic!("the queue {} can be declared, but: {error}", queue.name());
        }
    }

    pub(super) async fn subscribe(&self, queue: &Queue) -> <F::Bus as Subscriber>::Deliveries {
        subscribe(&self.bus, queue).await
    }

    /// Publishes messages, each of which some queue wants.
    pub(super) async fn send(&self, messages: &[Message]) {
        send::<F>(&self.bus, messages).await;
    }

    /// Waits until this many messages were set aside, and returns them.
    pub(super) async fn set_aside(&self, queue: &Queue, many: usize) -> Vec<SetAside> {
        let wait = async {
            loop {
                let found = self.fixture.set_aside(queue.name()).await;
                if found.len() >= many {
                    return found;
                }
                Delay::new(Duration::from_millis(50)).await;
            }
        };
        within("what is set aside is kept at the bus", wait).await
    }
}

pub(super) async fn subscribe<B: Subscriber>(bus: &B, queue: &Queue) -> B::Deliveries {
    match bus.subscribe(queue).await {
        Ok(deliveries) => deliveries,
        Err(error) => panic!(
            "the queue {} can be received from, but: {error}",
            queue.name()
        ),
    }
}

/// Publishes messages, each of which some queue wants, and waits until they are in their queues.
pub(super) async fn send<F: BusFixture>(bus: &F::Bus, messages: &[Message]) {
    let outcome = {
        let mut publish = pin!(bus.publish(messages));
        if F::CONFIRMS_WHEN_HANDLED {
            match futures_util::poll!(publish.as_mut()) {
                Poll::Ready(outcome) => outcome,
                // The future waits until they are handled; they are in their queues already.
                Poll::Pending => Ok(Published::all()),
            }
        } else {
            within("a bus confirms what was published", publish).await
        }
    };
    match outcome {
        Ok(published) => assert_eq!(
            published,
            Published::all(),
            "some queue asks for every one of these messages"
        ),
        Err(error) => panic!("messages can be published, but: {error}"),
    }
}

/// Waits for an event that must happen within the patience of the cases.
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match select(pin!(future), Delay::new(PATIENCE)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => panic!("{what}, but not within {PATIENCE:?}"),
    }
}

/// Returns the messages that come within a few milliseconds.
pub(super) async fn briefly<T>(future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), Delay::new(Duration::from_millis(2))).await {
        Either::Left((outcome, _)) => Some(outcome),
        Either::Right(_) => None,
    }
}

/// Returns the next message.
pub(super) async fn next(deliveries: &mut impl Deliveries) -> Received {
    match within("there is a message to be received", deliveries.next()).await {
        Ok(received) => received,
        Err(error) => panic!("messages can be received, but: {error}"),
    }
}

/// Asserts that no message comes, for as long as the bus allows.
pub(super) async fn nothing<F: BusFixture>(deliveries: &mut impl Deliveries) {
    let next = pin!(deliveries.next());
    if let Either::Left((outcome, _)) = select(next, Delay::new(F::QUIET)).await {
        panic!("there is nothing to be received now, but this came: {outcome:?}");
    }
}

/// Returns the received message.
pub(super) fn message(received: &Received) -> &Message {
    match &received.content {
        Ok(message) => message,
        Err(foreign) => panic!("a message of Midgard's is received as one, but: {foreign}"),
    }
}

/// Returns the received number.
pub(super) fn number(received: &Received) -> usize {
    let data = &message(received).payload;
    let number = str::from_utf8(data).ok().and_then(|text| text.parse().ok());
    number.unwrap_or_else(|| panic!("a payload is a number here, and not {data:?}"))
}

pub(super) async fn acknowledge(received: Received) {
    if let Err(error) = received.acknowledge().await {
        panic!("a message that was received can be acknowledged, but: {error}");
    }
}

/// Receives a message and acknowledges it; returns its number.
pub(super) async fn take(deliveries: &mut impl Deliveries) -> usize {
    let received = next(deliveries).await;
    let number = number(&received);
    acknowledge(received).await;
    number
}

/// Receives and acknowledges this many messages; returns their numbers.
pub(super) async fn take_all(deliveries: &mut impl Deliveries, many: usize) -> Vec<usize> {
    let mut numbers = Vec::with_capacity(many);
    for _ in 0..many {
        numbers.push(take(deliveries).await);
    }
    numbers
}
