//! The messages that a receiver holds: delivered to it, and not settled.
//!
//! # Order
//!
//! Messages are handed out in the order of the stream. When the server delivers some messages again, it sends newer
//! ones at once, and the old ones only when it is sure that nobody works on them. So messages are sometimes kept
//! back: whenever a message may have been delivered elsewhere, to a receiver that was killed or over a connection
//! that broke. That is the case when the connection is new, when the server has pinned this receiver again, and when
//! there is a gap in the numbers of deliveries, which the server counts for each consumer. Then all messages are
//! requested again, and nothing is handed out until as many have come as the server reports as unacknowledged.

use async_nats::Message;
use async_nats::subject::Subject;
use midgard::bus::BusError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::session::Session;
use crate::settled::Settled;

/// The held messages, shared by the receiver's task, its `Deliveries`, and the settlers of messages.
pub(crate) struct Hand {
    state: Mutex<State>,
    /// A message can be handed out now, or receiving has failed.
    pub(crate) changed: Notify,
    /// It was closed.
    pub(crate) closed: Notify,
}

pub(crate) struct State {
    /// By their sequence numbers in the stream.
    held: BTreeMap<u64, Held>,
    /// Messages that can be handed out.
    ready: BTreeSet<u64>,
    /// The number of messages that are handed out.
    out: usize,
    in_flight: usize,
    /// Counts the times at which all messages were requested again.
    epoch: u64,
    /// Whether messages are kept back.
    keeps_back: bool,
    /// The number of the last delivery in this epoch.
    last_delivery: Option<u64>,
    /// When the server last heard of this receiver, for certain.
    heard: Instant,
    takeover_after: Duration,
    /// Counts the messages that were handed out.
    claims: u64,
    settled: Settled,
    session: Option<Arc<Session>>,
    trouble: Option<BusError>,
    is_closed: bool,
    has_ended: bool,
}

struct Held {
    message: Arc<Message>,
    /// The number of its last delivery, and that delivery's epoch.
    delivery: u64,
    epoch: u64,
    published: i128,
    is_redelivered: bool,
    /// When the server was last told that the message is worked on.
    touched: Instant,
    /// The claim under which it is handed out.
    claim: Option<u64>,
}

/// A delivery by the server.
pub(crate) struct Delivery {
    pub(crate) message: Message,
    pub(crate) reply: Subject,
    pub(crate) sequence: u64,
    pub(crate) number: u64,
    pub(crate) published: i128,
    pub(crate) is_redelivered: bool,
}

/// What to do about a delivery.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// Nothing.
    Held,
    /// It was settled before, or is not for this queue: acknowledge it.
    Settled,
}

/// A message that is handed out.
pub(crate) struct Claimed {
    pub(crate) message: Arc<Message>,
    pub(crate) sequence: u64,
    pub(crate) claim: u64,
    pub(crate) published: i128,
    pub(crate) is_redelivered: bool,
}

/// What may be handed out now.
pub(crate) enum Next {
    Message(Claimed),
    Trouble(BusError),
    Ended,
    Nothing,
}

/// The reason why a message can no longer be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Gone {
    #[error("the subscription is closed, and the message was returned to the queue")]
    Closed,
    #[error(
        "the server did not hear from this receiver for too long, and delivers the message to another"
    )]
    GivenAway,
}

impl Hand {
    pub(crate) fn new(in_flight: u16, takeover_after: Duration) -> Self {
        Hand {
            state: Mutex::new(State {
                held: BTreeMap::new(),
                ready: BTreeSet::new(),
                out: 0,
                in_flight: in_flight.into(),
                epoch: 0,
                keeps_back: true,
                last_delivery: None,
                heard: Instant::now(),
                takeover_after,
                claims: 0,
                settled: Settled::default(),
                session: None,
                trouble: None,
                is_closed: false,
                has_ended: false,
            }),
            changed: Notify::new(),
            closed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the first message that may be handed out.
    pub(crate) fn take(&self) -> Next {
        let mut state = self.state();
        if let Some(trouble) = state.trouble.take() {
            return Next::Trouble(trouble);
        }
        if state.has_ended {
            return Next::Ended;
        }
        if state.keeps_back || state.out >= state.in_flight || !state.is_heard() {
            return Next::Nothing;
        }
        let state = &mut *state;
        let Some(sequence) = state.ready.pop_first() else {
            return Next::Nothing;
        };
        let Some(held) = state.held.get_mut(&sequence) else {
            return Next::Nothing;
        };
        state.claims += 1;
        state.out += 1;
        held.claim = Some(state.claims);
        Next::Message(Claimed {
            message: Arc::clone(&held.message),
            sequence,
            claim: state.claims,
            published: held.published,
            is_redelivered: held.is_redelivered,
        })
    }

    /// Begins a new epoch. Returns the subjects for requesting redelivery of held messages, and for repeating
    /// acknowledgements.
    pub(crate) fn begin(&self, session: &Arc<Session>) -> (Vec<Subject>, Vec<Subject>) {
        let mut state = self.state();
        state.session = Some(Arc::clone(session));
        state.epoch += 1;
        state.keeps_back = true;
        state.last_delivery = None;
        let replies = |held: &Held| held.message.reply.clone();
        let again = state.held.values().filter_map(replies).collect();
        (again, state.settled.replies().cloned().collect())
    }

    /// Holds a delivered message, unless it is for other queues only.
    pub(crate) fn arrive(&self, delivery: Delivery, is_for_others: bool) -> Arrived {
        let mut guard = self.state();
        let state = &mut *guard;
        state.last_delivery = Some(delivery.number);
        let (sequence, published) = (delivery.sequence, delivery.published);
        if is_for_others || state.settled.contains(sequence, published) {
            return Arrived::Settled;
        }
        let (epoch, now) = (state.epoch, Instant::now());
        if let Some(held) = state.held.get_mut(&delivery.sequence) {
            held.delivery = delivery.number;
            held.epoch = epoch;
            held.touched = now;
            held.message = Arc::new(delivery.message);
            return Arrived::Held;
        }
        let held = Held {
            message: Arc::new(delivery.message),
            delivery: delivery.number,
            epoch,
            published: delivery.published,
            is_redelivered: delivery.is_redelivered,
            touched: now,
            claim: None,
        };
        state.held.insert(delivery.sequence, held);
        state.ready.insert(delivery.sequence);
        drop(guard);
        self.changed.notify_one();
        Arrived::Held
    }

    /// Returns whether this delivery number may show that another delivery was lost.
    pub(crate) fn is_gap(&self, number: u64) -> bool {
        let state = self.state();
        match state.last_delivery {
            Some(last) if state.keeps_back => number <= last,
            Some(last) => number != last + 1,
            None => false,
        }
    }

    /// Returns whether messages are being kept back.
    pub(crate) fn is_waiting(&self) -> bool {
        let state = self.state();
        state.keeps_back && !state.held.is_empty()
    }

    /// Takes in the server's number of unacknowledged messages, after this many deliveries. When all of them are
    /// here, they may be handed out.
    pub(crate) fn compare(&self, unacknowledged: usize, deliveries: u64) {
        let mut state = self.state();
        let epoch = state.epoch;
        let here = state.held.values();
        let here = here.filter(|held| held.epoch == epoch && held.delivery <= deliveries);
        let here = here.count();
        tracing::trace!(unacknowledged, here, "messages are kept back");
        if !state.keeps_back || here < unacknowledged {
            return;
        }
        state.keeps_back = false;
        // A message that did not come again no longer belongs to this receiver; one that is handed out may still be
        // settled.
        state
            .held
            .retain(|_, held| held.epoch == epoch || held.claim.is_some());
        let held: BTreeSet<u64> = state.held.keys().copied().collect();
        state.ready.retain(|sequence| held.contains(sequence));
        drop(state);
        self.changed.notify_one();
    }

    /// Notes that the server has received a request that was made at this time.
    pub(crate) fn heard(&self, at: Instant) {
        let mut state = self.state();
        state.heard = state.heard.max(at);
        drop(state);
        self.changed.notify_one();
    }

    /// Returns the subjects for reporting messages as worked on, if that was not done for this long.
    pub(crate) fn touch(&self, after: Duration) -> Vec<Subject> {
        let mut guard = self.state();
        let state = &mut *guard;
        let (epoch, now) = (state.epoch, Instant::now());
        let held = state.held.values_mut();
        let held =
            held.filter(|held| held.epoch == epoch && now.duration_since(held.touched) >= after);
        held.filter_map(|held| {
            held.touched = now;
            held.message.reply.clone()
        })
        .collect()
    }

    /// Returns what is needed to settle a message that is handed out.
    pub(crate) fn claimed(
        &self,
        sequence: u64,
        claim: u64,
    ) -> Result<(Arc<Message>, Arc<Session>), Gone> {
        let state = self.state();
        if state.is_closed {
            return Err(Gone::Closed);
        }
        let held = state
            .held
            .get(&sequence)
            .filter(|held| held.claim == Some(claim));
        let (Some(held), Some(session), true) = (held, &state.session, state.is_heard()) else {
            return Err(Gone::GivenAway);
        };
        Ok((Arc::clone(&held.message), Arc::clone(session)))
    }

    /// Settles a message: it is no longer held, and is remembered.
    pub(crate) fn settle(&self, sequence: u64, claim: u64, published: i128) {
        let mut guard = self.state();
        let state = &mut *guard;
        let held = state.held.get(&sequence);
        let Some(held) = held.filter(|held| held.claim == Some(claim)) else {
            return;
        };
        let reply = held.message.reply.clone();
        state.held.remove(&sequence);
        state.out -= 1;
        if let Some(reply) = reply {
            let in_flight = state.in_flight;
            let delivered = (published, reply);
            state.settled.remember(sequence, delivered, in_flight);
        }
        drop(guard);
        self.changed.notify_one();
    }

    /// Returns an unsettled message, to be handed out again.
    pub(crate) fn give_back(&self, sequence: u64, claim: u64) {
        let mut guard = self.state();
        let state = &mut *guard;
        let held = state.held.get_mut(&sequence);
        let Some(held) = held.filter(|held| held.claim == Some(claim)) else {
            return;
        };
        held.claim = None;
        held.is_redelivered = true;
        state.out -= 1;
        if held.epoch == state.epoch || state.keeps_back {
            state.ready.insert(sequence);
        } else {
            // It did not come again when all messages were requested: it no longer belongs to this receiver.
            state.held.remove(&sequence);
        }
        drop(guard);
        self.changed.notify_one();
    }

    /// Ends receiving; the next call of `next` returns the error.
    pub(crate) fn end(&self, error: BusError) {
        let mut state = self.state();
        state.trouble = Some(error);
        state.has_ended = true;
        drop(state);
        self.changed.notify_one();
    }

    /// Hands out no more messages.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.closed.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Empties a closed hand: returns the subjects for requesting redelivery.
    pub(crate) fn empty(&self) -> Vec<Subject> {
        let mut state = self.state();
        state.ready.clear();
        state.out = 0;
        let held = std::mem::take(&mut state.held);
        held.into_values()
            .filter_map(|held| held.message.reply.clone())
            .collect()
    }
}

impl State {
    /// Returns whether the server has heard of this receiver recently, and cannot have given its place away.
    fn is_heard(&self) -> bool {
        self.heard.elapsed() < self.takeover_after
    }
}
