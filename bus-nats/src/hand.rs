//! What a receiver has in its hand: messages that it was given and that are not settled.
//!
//! # Order
//!
//! Messages are handed out in the order of the stream. A server that delivers some of them again gives newer ones
//! at once, and those only when it is sure that nobody works on them. So at times messages are kept back: whenever
//! a message may have been delivered that did not come here, to a receiver that was killed or over a connection that
//! broke. That is so when the connection is new, when the server has pinned this receiver anew, and when the numbers
//! of deliveries, which the server counts for each consumer, are not without a gap. Then everything is asked for
//! again, and nothing is handed out until as many messages have come as the server says are not acknowledged.

use async_nats::Message;
use async_nats::subject::Subject;
use midgard::bus::BusError;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::session::Session;

/// How many of those that were settled are remembered at least.
const REMEMBERED: usize = 1024;

/// The hand, shared by the receiver's task, its `Deliveries`, and what settles messages.
pub(crate) struct Hand {
    state: Mutex<State>,
    /// Something can be handed out now, or went wrong.
    pub(crate) changed: Notify,
    /// It was closed.
    pub(crate) closed: Notify,
}

pub(crate) struct State {
    /// By their place in the stream.
    held: BTreeMap<u64, Held>,
    /// Those that can be handed out.
    ready: BTreeSet<u64>,
    /// How many are handed out.
    out: usize,
    in_flight: usize,
    /// Counts the times at which everything was asked for again.
    epoch: u64,
    /// Whether messages are kept back.
    keeps_back: bool,
    /// The number of the last delivery in this epoch.
    last_delivery: Option<u64>,
    /// When the server heard last of this receiver, for sure.
    heard: Instant,
    takeover_after: Duration,
    /// Counts those that were handed out.
    claims: u64,
    settled: Settled,
    session: Option<Arc<Session>>,
    trouble: Option<BusError>,
    is_closed: bool,
    has_ended: bool,
}

struct Held {
    message: Arc<Message>,
    /// The last number of its delivery, and the epoch of that.
    delivery: u64,
    epoch: u64,
    published: i128,
    is_redelivered: bool,
    /// When the server was told last that it is worked on.
    touched: Instant,
    /// Under which claim it is handed out.
    claim: Option<u64>,
}

/// What was settled a short while ago: its acknowledgement may be lost.
#[derive(Default)]
struct Settled {
    order: VecDeque<u64>,
    replies: BTreeMap<u64, (i128, Subject)>,
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

/// What is to be done about a delivery.
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

/// Why a message cannot be settled any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Gone {
    #[error("the subscription is closed, and the message is given back")]
    Closed,
    #[error(
        "the server did not hear of this receiver for too long, and gives the message to another"
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

    /// The first message that may be handed out.
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

    /// Begins a new epoch: gives where to say that what is held is to be delivered again, and where to say once
    /// more that it was handled.
    pub(crate) fn begin(&self, session: &Arc<Session>) -> (Vec<Subject>, Vec<Subject>) {
        let mut state = self.state();
        state.session = Some(Arc::clone(session));
        state.epoch += 1;
        state.keeps_back = true;
        state.last_delivery = None;
        let replies = |held: &Held| held.message.reply.clone();
        let again = state.held.values().filter_map(replies).collect();
        let settled = state.settled.replies.values();
        (again, settled.map(|(_, reply)| reply.clone()).collect())
    }

    /// Takes a delivery into the hand; but not one that is for other queues only.
    pub(crate) fn arrive(&self, delivery: Delivery, is_for_others: bool) -> Arrived {
        let mut guard = self.state();
        let state = &mut *guard;
        state.last_delivery = Some(delivery.number);
        let settled = state.settled.replies.get(&delivery.sequence);
        if is_for_others || settled.is_some_and(|(published, _)| *published == delivery.published) {
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

    /// Whether a delivery of this number may show that another did not come.
    pub(crate) fn is_gap(&self, number: u64) -> bool {
        let state = self.state();
        match state.last_delivery {
            Some(last) if state.keeps_back => number <= last,
            Some(last) => number != last + 1,
            None => false,
        }
    }

    /// Whether messages are kept back, and there are some.
    pub(crate) fn is_waiting(&self) -> bool {
        let state = self.state();
        state.keeps_back && !state.held.is_empty()
    }

    /// The server says how many messages are not acknowledged, after so many deliveries. When all of them are here,
    /// they may be handed out.
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
        // What did not come again is not ours any more; what is handed out may still be settled.
        state
            .held
            .retain(|_, held| held.epoch == epoch || held.claim.is_some());
        let held: BTreeSet<u64> = state.held.keys().copied().collect();
        state.ready.retain(|sequence| held.contains(sequence));
        drop(state);
        self.changed.notify_one();
    }

    /// The server has heard of a request that was made at this time.
    pub(crate) fn heard(&self, at: Instant) {
        let mut state = self.state();
        state.heard = state.heard.max(at);
        drop(state);
        self.changed.notify_one();
    }

    /// Where to say that messages are worked on, which nobody said for so long.
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

    /// What a message that is handed out needs to be settled.
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

    /// A message is settled: it leaves the hand, and is remembered.
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
            let most = REMEMBERED.max(4 * state.in_flight);
            state.settled.remember(sequence, published, reply, most);
        }
        drop(guard);
        self.changed.notify_one();
    }

    /// A message that was handed out is not settled, and is handed out again.
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
            // It did not come again when everything was asked for: it is not ours any more.
            state.held.remove(&sequence);
        }
        drop(guard);
        self.changed.notify_one();
    }

    /// It is of no use to go on; the next call of `next` says so.
    pub(crate) fn end(&self, error: BusError) {
        let mut state = self.state();
        state.trouble = Some(error);
        state.has_ended = true;
        drop(state);
        self.changed.notify_one();
    }

    /// Nothing is handed out any more.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.closed.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Takes everything out of a closed hand: gives where to say that it is to be delivered again.
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
    /// Whether the server has heard of this receiver a short while ago, and cannot have given its place away.
    fn is_heard(&self) -> bool {
        self.heard.elapsed() < self.takeover_after
    }
}

impl Settled {
    fn remember(&mut self, sequence: u64, published: i128, reply: Subject, most: usize) {
        if self.replies.insert(sequence, (published, reply)).is_none() {
            self.order.push_back(sequence);
        }
        while self.order.len() > most {
            if let Some(oldest) = self.order.pop_front() {
                self.replies.remove(&oldest);
            }
        }
    }
}
