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
    queues: HashMap<Arc<str>, Place>,
    /// The queues that subscribe to a topic.
    asking: HashMap<Topic, Vec<Arc<str>>>,
    /// Counters for receivers, arrivals and deliveries.
    numbers: u64,
    woken: Woken,
}

/// One queue.
#[derive(Default)]
struct Place {
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
        let place = self.queues.entry(name.clone()).or_insert_with(|| Place {
            is_temporary: queue.is_temporary(),
            ..Place::default()
        });
        if place.is_temporary != queue.is_temporary() {
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
                    kind(place.is_temporary),
                    kind(queue.is_temporary())
                ),
            });
        }
        let before = std::mem::replace(&mut place.topics, queue.topics().clone());
        queue.warn_of_removed(before.difference(queue.topics()).map(Topic::as_str));
        for topic in before.difference(queue.topics()) {
            self.ask_no_more(topic, &name);
        }
        for topic in queue.topics().difference(&before) {
            let asking = self.asking.entry(topic.clone()).or_default();
            asking.push(name.clone());
        }
        Ok(())
    }

    fn ask_no_more(&mut self, topic: &Topic, name: &Arc<str>) {
        if let Some(asking) = self.asking.get_mut(topic) {
            asking.retain(|other| other != name);
            if asking.is_empty() {
                self.asking.remove(topic);
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
        if let Some(place) = self.queues.get_mut(queue.name()) {
            place.receivers.push_back(receiver.clone());
        }
        Ok(receiver)
    }

    pub(super) fn is_heard(&self, topic: &Topic) -> bool {
        self.asking.contains_key(topic)
    }

    /// Puts a message into the queues that subscribe to a topic.
    pub(super) fn put(
        &mut self,
        topic: &Topic,
        content: &Arc<Content>,
        unsettled: Option<&Arc<Unsettled>>,
    ) {
        let arrival = self.number();
        for name in self.asking.get(topic).into_iter().flatten() {
            let Some(place) = self.queues.get_mut(name) else {
                continue;
            };
            let is_first = place.waiting.is_empty();
            let waiting = Waiting {
                content: content.clone(),
                is_redelivered: false,
                _awaited: unsettled.cloned(),
            };
            place.waiting.insert(arrival, waiting);
            // With more than one waiting, the receiver is awake already, or holds as many as it may.
            if is_first {
                self.woken.0.extend(place.at_work());
            }
        }
    }

    /// Hands the oldest waiting message to a receiver, if it is the active one and may hold another.
    pub(super) fn give(&mut self, queue: &str, receiver: u64) -> Option<Given> {
        let delivery = self.number();
        let place = self.queues.get_mut(queue)?;
        let at_work = place.receivers.front()?;
        if at_work.number != receiver || place.given.len() >= at_work.in_flight {
            return None;
        }
        let (arrival, waiting) = place.waiting.pop_first()?;
        let given = Given {
            delivery,
            content: waiting.content.clone(),
            is_redelivered: waiting.is_redelivered,
        };
        place.given.insert(delivery, (arrival, waiting));
        Some(given)
    }

    /// Takes a message out of its queue, to be dropped without the lock; `None` when it was given back meanwhile.
    pub(super) fn settle(
        &mut self,
        queue: &str,
        delivery: u64,
        set_aside: Option<String>,
    ) -> Option<(Waiting, Woken)> {
        let place = self.queues.get_mut(queue)?;
        let (_, waiting) = place.given.remove(&delivery)?;
        if let Some(reason) = set_aside {
            place.set_aside.push((reason, waiting.content.clone()));
        }
        Some((waiting, place.woken()))
    }

    /// Puts a message back in its place.
    pub(super) fn give_back(&mut self, queue: &str, delivery: u64) -> Woken {
        let Some(place) = self.queues.get_mut(queue) else {
            return Woken::default();
        };
        if let Some((arrival, waiting)) = place.given.remove(&delivery) {
            place.put_back(arrival, waiting);
        }
        place.woken()
    }

    /// Removes a receiver, and with its last receiver a temporary queue, which is to be dropped without the lock.
    pub(super) fn leave(
        &mut self,
        queue: &str,
        receiver: u64,
    ) -> (Woken, Option<impl Sized + use<>>) {
        let Some(place) = self.queues.get_mut(queue) else {
            return (Woken::default(), None);
        };
        let was_at_work = place.receivers.front().map(|one| one.number) == Some(receiver);
        place.receivers.retain(|one| one.number != receiver);
        if was_at_work {
            for (arrival, waiting) in std::mem::take(&mut place.given).into_values() {
                place.put_back(arrival, waiting);
            }
        }
        let woken = place.woken();
        if !place.is_temporary || !place.receivers.is_empty() {
            return (woken, None);
        }
        let removed = self.queues.remove_entry(queue);
        if let Some((name, place)) = &removed {
            for topic in &place.topics {
                self.ask_no_more(topic, name);
            }
        }
        (woken, removed)
    }

    pub(super) fn set_aside(&self, queue: &str) -> Vec<(String, Arc<Content>)> {
        let place = self.queues.get(queue);
        place
            .map(|place| place.set_aside.clone())
            .unwrap_or_default()
    }
}

impl Place {
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
