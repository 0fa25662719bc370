//! The queues, their messages, and their receivers.

use super::LOCATION;
use super::settled::Unsettled;
use crate::bus::{BusError, ForeignMessage, Message, Queue, Topic};
use event_listener::Event as Notify;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

pub(super) type Content = Result<Message, ForeignMessage>;

/// All queues of a bus, behind one lock. Nothing is woken while the lock is held: the wakers, and values that wake others
/// when dropped, are handed out.
#[derive(Default)]
pub(super) struct State {
    queues: HashMap<Arc<str>, QueueState>,
    /// The queues that subscribe to a topic.
    subscribers: HashMap<Topic, Vec<Arc<str>>>,
    /// Counters for receivers, arrivals and deliveries.
    numbers: u64,
    woken: Woken,
}

/// One queue, with what waits in it, and who receives.
#[derive(Default)]
struct QueueState {
    topics: BTreeSet<Topic>,
    is_temporary: bool,
    /// By their arrival.
    waiting: BTreeMap<u64, Waiting>,
    /// The unsettled messages of the active receiver, by delivery, with their arrival.
    given: HashMap<u64, (u64, Waiting)>,
    /// The first is active, the others stand by.
    receivers: VecDeque<Receiver>,
    set_aside: Vec<(String, Arc<Content>)>,
}

/// A message in one queue.
pub(super) struct Waiting {
    content: Arc<Content>,
    is_redelivered: bool,
    _awaited: Option<Arc<Unsettled>>,
}

#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) number: u64,
    in_flight: usize,
    pub(super) wake: Arc<Notify>,
}

/// A message that is handed to a receiver.
pub(super) struct Given {
    pub(super) delivery: u64,
    pub(super) content: Arc<Content>,
    pub(super) is_redelivered: bool,
}

/// Receivers that have something to do.
#[derive(Default)]
#[must_use]
pub(super) struct Woken(Vec<Arc<Notify>>);

impl Woken {
    pub(super) fn wake(self) {
        for receiver in self.0 {
            receiver.notify(1);
        }
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn take_woken(&mut self) -> Woken {
        std::mem::take(&mut self.woken)
    }

    pub(super) fn declare(&mut self, queue: &Queue) -> Result<(), BusError> {
        let name: Arc<str> = queue.name().into();
        let state = self
            .queues
            .entry(name.clone())
            .or_insert_with(|| QueueState {
                is_temporary: queue.is_temporary(),
                ..QueueState::default()
            });
        if state.is_temporary != queue.is_temporary() {
            let kind = |is_temporary| {
                if is_temporary {
                    "temporary"
                } else {
                    "permanent"
                }
            };
            return Err(BusError::Unusable {
                location: LOCATION.to_owned(),
                reason: format!(
                    "queue \"{name}\" was declared {} and is now declared {}; use another name",
                    kind(state.is_temporary),
                    kind(queue.is_temporary())
                ),
            });
        }
        let before = std::mem::replace(&mut state.topics, queue.topics().clone());
        queue.warn_of_removed(before.difference(queue.topics()).map(Topic::as_str));
        for topic in before.difference(queue.topics()) {
            self.unsubscribe(topic, &name);
        }
        for topic in queue.topics().difference(&before) {
            let subscribers = self.subscribers.entry(topic.clone()).or_default();
            subscribers.push(name.clone());
        }
        Ok(())
    }

    fn unsubscribe(&mut self, topic: &Topic, name: &Arc<str>) {
        if let Some(subscribers) = self.subscribers.get_mut(topic) {
            subscribers.retain(|other| other != name);
            if subscribers.is_empty() {
                self.subscribers.remove(topic);
            }
        }
    }

    pub(super) fn subscribe(&mut self, queue: &Queue) -> Result<Receiver, BusError> {
        self.declare(queue)?;
        let receiver = Receiver {
            number: self.number(),
            in_flight: queue.in_flight().into(),
            wake: Arc::default(),
        };
        if let Some(state) = self.queues.get_mut(queue.name()) {
            state.receivers.push_back(receiver.clone());
        }
        Ok(receiver)
    }

    pub(super) fn is_heard(&self, topic: &Topic) -> bool {
        self.subscribers.contains_key(topic)
    }

    /// Puts a message into the queues that subscribe to a topic.
    pub(super) fn put(
        &mut self,
        topic: &Topic,
        content: &Arc<Content>,
        unsettled: Option<&Arc<Unsettled>>,
    ) {
        let arrival = self.number();
        for name in self.subscribers.get(topic).into_iter().flatten() {
            let Some(state) = self.queues.get_mut(name) else {
                continue;
            };
            let is_first = state.waiting.is_empty();
            let waiting = Waiting {
                content: content.clone(),
                is_redelivered: false,
                _awaited: unsettled.cloned(),
            };
            state.waiting.insert(arrival, waiting);
            // With more than one waiting, the receiver is awake already, or holds as many as it may.
            if is_first {
                self.woken.0.extend(state.at_work());
            }
        }
    }

    /// Hands the oldest waiting message to a receiver, if it is the active one and may hold another.
    pub(super) fn give(&mut self, queue: &str, receiver: u64) -> Option<Given> {
        let delivery = self.number();
        let state = self.queues.get_mut(queue)?;
        let at_work = state.receivers.front()?;
        if at_work.number != receiver || state.given.len() >= at_work.in_flight {
            return None;
        }
        let (arrival, waiting) = state.waiting.pop_first()?;
        let given = Given {
            delivery,
            content: waiting.content.clone(),
            is_redelivered: waiting.is_redelivered,
        };
        state.given.insert(delivery, (arrival, waiting));
        Some(given)
    }

    /// Takes a message out of its queue, to be dropped without the lock; `None` when it was given back meanwhile.
    pub(super) fn settle(
        &mut self,
        queue: &str,
        delivery: u64,
        set_aside: Option<String>,
    ) -> Option<(Waiting, Woken)> {
        let state = self.queues.get_mut(queue)?;
        let (_, waiting) = state.given.remove(&delivery)?;
        if let Some(reason) = set_aside {
            state.set_aside.push((reason, waiting.content.clone()));
        }
        Some((waiting, state.woken()))
    }

    /// Puts a message back in its place.
    pub(super) fn give_back(&mut self, queue: &str, delivery: u64) -> Woken {
        let Some(state) = self.queues.get_mut(queue) else {
            return Woken::default();
        };
        if let Some((arrival, waiting)) = state.given.remove(&delivery) {
            state.put_back(arrival, waiting);
        }
        state.woken()
    }

    /// Removes a receiver, and with its last receiver a temporary queue, which is to be dropped without the lock.
    pub(super) fn leave(
        &mut self,
        queue: &str,
        receiver: u64,
    ) -> (Woken, Option<impl Sized + use<>>) {
        let Some(state) = self.queues.get_mut(queue) else {
            return (Woken::default(), None);
        };
        let was_at_work = state.receivers.front().map(|one| one.number) == Some(receiver);
        state.receivers.retain(|one| one.number != receiver);
        if was_at_work {
            for (arrival, waiting) in std::mem::take(&mut state.given).into_values() {
                state.put_back(arrival, waiting);
            }
        }
        let woken = state.woken();
        if !state.is_temporary || !state.receivers.is_empty() {
            return (woken, None);
        }
        let removed = self.queues.remove_entry(queue);
        if let Some((name, state)) = &removed {
            for topic in &state.topics {
                self.unsubscribe(topic, name);
            }
        }
        (woken, removed)
    }

    pub(super) fn set_aside(&self, queue: &str) -> Vec<(String, Arc<Content>)> {
        let state = self.queues.get(queue);
        state
            .map(|state| state.set_aside.clone())
            .unwrap_or_default()
    }
}

impl QueueState {
    fn at_work(&self) -> Option<Arc<Notify>> {
        self.receivers.front().map(|receiver| receiver.wake.clone())
    }

    /// Returns the active receiver, if it has something to do now.
    fn woken(&self) -> Woken {
        let at_work = self.at_work().filter(|_| !self.waiting.is_empty());
        Woken(at_work.into_iter().collect())
    }

    fn put_back(&mut self, arrival: u64, waiting: Waiting) {
        let waiting = Waiting {
            is_redelivered: true,
            ..waiting
        };
        self.waiting.insert(arrival, waiting);
    }
}
