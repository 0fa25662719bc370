//! A bus on which messages come twice, and late.

use futures_util::future::join;
use midgard::bus::{BusError, Message, Published, Publisher, Queue, Subscriber};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Publishes some messages twice, at once or much later, and some publishes only after they seem to have failed.
#[derive(Clone)]
pub(crate) struct Unruly<B> {
    bus: B,
    state: Arc<Mutex<State>>,
    repeated: Arc<AtomicUsize>,
}

struct State {
    random: fastrand::Rng,
    /// Messages that were published before.
    old: Vec<Message>,
}

impl<B> Unruly<B> {
    pub(crate) fn new(bus: B, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let state = State {
            random,
            old: Vec::new(),
        };
        Unruly {
            bus,
            state: Arc::new(Mutex::new(state)),
            repeated: Arc::default(),
        }
    }

    /// How many messages were published once more than they should be.
    pub(crate) fn repeated(&self) -> usize {
        self.repeated.load(Ordering::SeqCst)
    }

    /// What is published with a batch: old messages again, before and after it. And whether it seems to fail.
    fn plan(&self, messages: &[Message]) -> (Vec<Message>, Vec<Message>, bool) {
        let mut state = self.state.lock().unwrap();
        let State { random, old } = &mut *state;
        let some = |random: &mut fastrand::Rng, of: &[Message]| {
            let picked = of.iter().filter(|_| random.u8(..8) == 0);
            picked.take(50).cloned().collect::<Vec<_>>()
        };
        let before = some(random, old);
        let after = some(random, messages);
        old.extend_from_slice(messages);
        let too_many = old.len().saturating_sub(400);
        old.drain(..too_many);
        (before, after, random.u8(..4) == 0)
    }
}

impl<B: Publisher> Publisher for Unruly<B> {
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        let (before, after, fails) = self.plan(messages);
        let repeated = before.len() + after.len();
        self.repeated.fetch_add(repeated, Ordering::SeqCst);
        // At once: a bus in one process confirms what is handled, and nobody handles a key of which something waits.
        let again = join(self.bus.publish(&before), self.bus.publish(messages));
        let (again, published) = again.await;
        again?;
        self.bus.publish(&after).await?;
        if fails {
            self.repeated.fetch_add(messages.len(), Ordering::SeqCst);
            return Err(BusError::Unavailable {
                location: "the unruly bus".to_owned(),
                action: "confirm what it has",
                cause: "it was only slow".into(),
            });
        }
        published
    }
}

impl<B: Subscriber> Subscriber for Unruly<B> {
    type Deliveries = B::Deliveries;

    fn declare(&self, queue: &Queue) -> impl Future<Output = Result<(), BusError>> + Send {
        self.bus.declare(queue)
    }

    fn subscribe(
        &self,
        queue: &Queue,
    ) -> impl Future<Output = Result<B::Deliveries, BusError>> + Send {
        self.bus.subscribe(queue)
    }
}
