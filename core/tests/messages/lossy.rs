//! A bus whose connection does not last.

use super::kit::{Scene, Script, Service, noted, parking, start, told, unavailable, within};
use event_listener::Event as Notify;
use midgard::bus::{BusError, Deliveries, Message, Queue, Received, Settle, Subscriber, Verdict};
use midgard::{MemoryStore, Midgard};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

/// A bus that loses its connection after so many messages, and gives what was not acknowledged anew then.
#[derive(Clone)]
struct Lossy(Arc<LossyState>);

struct LossyState {
    after: usize,
    queue: Mutex<LossyQueue>,
    changed: Notify,
}

#[derive(Default)]
struct LossyQueue {
    waiting: BTreeMap<usize, Message>,
    given: BTreeMap<usize, Message>,
    connection: usize,
    given_by_connection: usize,
    /// How often a message was given.
    deliveries: usize,
}

impl Lossy {
    fn new(after: usize, messages: impl IntoIterator<Item = Message>) -> Self {
        let queue = LossyQueue {
            waiting: messages.into_iter().enumerate().collect(),
            ..LossyQueue::default()
        };
        Lossy(Arc::new(LossyState {
            after,
            queue: Mutex::new(queue),
            changed: Notify::new(),
        }))
    }

    fn wait_until_empty(&self) {
        within(async {
            loop {
                let changed = self.0.changed.listen();
                let is_empty = {
                    let queue = self.0.queue.lock().unwrap();
                    queue.waiting.is_empty() && queue.given.is_empty()
                };
                if is_empty {
                    return;
                }
                changed.await;
            }
        });
    }

    fn deliveries(&self) -> usize {
        self.0.queue.lock().unwrap().deliveries
    }
}

impl Subscriber for Lossy {
    type Deliveries = Lossy;

    async fn declare(&self, _: &Queue) -> Result<(), BusError> {
        Ok(())
    }

    async fn subscribe(&self, _: &Queue) -> Result<Lossy, BusError> {
        Ok(self.clone())
    }
}

impl Deliveries for Lossy {
    async fn next(&mut self) -> Result<Received, BusError> {
        loop {
            let changed = self.0.changed.listen();
            {
                let mut queue = self.0.queue.lock().unwrap();
                let queue = &mut *queue;
                if queue.given_by_connection == self.0.after {
                    (queue.connection, queue.given_by_connection) = (queue.connection + 1, 0);
                    queue.waiting.append(&mut queue.given);
                    return Err(unavailable());
                }
                if let Some((number, message)) = queue.waiting.pop_first() {
                    queue.given_by_connection += 1;
                    queue.deliveries += 1;
                    queue.given.insert(number, message.clone());
                    let settling = Settling(self.clone(), queue.connection, number);
                    return Ok(Received::new(Ok(message), false, settling));
                }
            }
            changed.await;
        }
    }
}

struct Settling(Lossy, usize, usize);

impl Settle for Settling {
    fn settle(
        self: Box<Self>,
        _: Verdict,
    ) -> Pin<Box<dyn Future<Output = Result<(), BusError>> + Send>> {
        Box::pin(async move {
            let Settling(Lossy(state), connection, number) = *self;
            let mut queue = state.queue.lock().unwrap();
            if connection != queue.connection {
                return Err(unavailable());
            }
            queue.given.remove(&number);
            drop(queue);
            state.changed.notify(usize::MAX);
            Ok(())
        })
    }
}

/// Gives a hundred messages to a service, and says how many deliveries that took.
fn deliveries(after: usize, turns: u32) -> usize {
    let scene = Scene::<MemoryStore>::new();
    let script = Arc::<Script>::default();
    script.turns.store(turns, Ordering::SeqCst);
    let messages = (0..100).map(|number| told(&format!("key-{}", number % 10), number));
    let bus = Lossy::new(after, messages);
    let midgard = Midgard::new(scene.store.clone()).outbox_elsewhere();
    let running = start(midgard.inbox_with(Service(script), bus.clone(), parking()));
    bus.wait_until_empty();
    running.stop().unwrap();
    for key in 0..10 {
        let wanted: Vec<_> = (0..100).filter(|number| number % 10 == key).collect();
        assert_eq!(noted(&scene.store, &format!("key-{key}")), wanted);
    }
    bus.deliveries()
}

#[test]
fn what_was_received_is_handled_before_more_is_received() {
    for after in [1, 2, 7, 60, 99] {
        let deliveries = deliveries(after, 0);
        assert!(deliveries <= 110, "after {after}: {deliveries} deliveries");
    }
}

#[test]
fn handlers_that_take_their_time_are_given_fewer_messages_when_connections_do_not_last() {
    for after in [1, 2, 7, 60, 99] {
        let deliveries = deliveries(after, 9);
        assert!(deliveries <= 300, "after {after}: {deliveries} deliveries");
    }
}
