//! The queue of a client's replies, and the callers that wait for them.
//!
//! Leader and followers: one of the waiting callers receives for all, and when it leaves, another one takes over.

use crate::bus::{BusError, Deliveries, Message, Queue, Received, Subscriber, Topic};
use crate::event::metadata::EventId;
use event_listener::Event as Notify;
use futures_timer::Delay;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The prefix of the names under which clients wait for replies. Permanent queues have no dot in their names.
const CLIENT: &str = "client.";
/// How long to wait before a lost queue is created again.
const RECREATE_AFTER: Duration = Duration::from_millis(100);

/// Whether replies of this name go to a client, which does not come back once it is gone.
pub(crate) fn is_client(reply_to: &str) -> bool {
    reply_to.starts_with(CLIENT)
}

/// The replies to the commands of one client.
pub(super) struct Replies<D> {
    /// The name under which the client waits for replies.
    name: String,
    state: Mutex<State<D>>,
}

struct State<D> {
    callers: HashMap<EventId, Caller>,
    leadership: Leadership<D>,
    /// Whether the queue exists.
    is_subscribed: bool,
}

/// A caller that waits for its reply.
struct Caller {
    reply: Option<Message>,
    woken: Arc<Notify>,
}

/// Whether one of the callers receives for all.
enum Leadership<D> {
    /// No one does. The queue, if there is one, is left for the next leader.
    Vacant(Option<D>),
    Taken,
}

impl<D> Replies<D> {
    /// Returns the replies to a client of this name. No other client, of the same name either, gets them.
    pub(super) fn to(client: &str) -> Self {
        let plain: String = client.chars().map(plain).collect();
        Replies {
            name: format!("{CLIENT}{plain}.{}", EventId::new()),
            state: Mutex::new(State {
                callers: HashMap::new(),
                leadership: Leadership::Vacant(None),
                is_subscribed: false,
            }),
        }
    }

    /// Returns the name under which the client waits for replies.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Begins to wait for the reply to a command.
    pub(super) fn pending<'r, B>(&'r self, bus: &'r B, command: EventId) -> PendingReply<'r, B>
    where
        B: Subscriber<Deliveries = D>,
    {
        let woken = Arc::<Notify>::default();
        let caller = Caller {
            reply: None,
            woken: woken.clone(),
        };
        self.lock().callers.insert(command, caller);
        PendingReply {
            replies: self,
            bus,
            command,
            woken,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<D>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The letters of names of queues and topics.
fn plain(letter: char) -> char {
    let is_plain = letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if is_plain { letter } else { '-' }
}

impl<D> State<D> {
    /// Wakes all callers if there is no leader. Waking one is not enough: that one may still be sending its command, or
    /// may no longer be polled.
    fn elect(&self) {
        if let Leadership::Vacant(_) = &self.leadership {
            self.wake_all();
        }
    }

    fn wake_all(&self) {
        for caller in self.callers.values() {
            caller.woken.notify(usize::MAX);
        }
    }
}

/// A reply that a caller waits for. The caller stops waiting on drop.
pub(super) struct PendingReply<'r, B: Subscriber> {
    replies: &'r Replies<B::Deliveries>,
    bus: &'r B,
    command: EventId,
    woken: Arc<Notify>,
}

impl<B: Subscriber> PendingReply<'_, B> {
    /// Waits until the queue for replies exists.
    pub(super) async fn subscribed(&self) -> Result<(), BusError> {
        loop {
            let woken = self.woken.listen();
            if self.replies.lock().is_subscribed {
                return Ok(());
            }
            if let Some(mut leader) = self.lead() {
                leader.subscribe().await?;
                return Ok(());
            }
            woken.await;
        }
    }

    /// Waits for the reply, and receives for all callers while no other one does.
    pub(super) async fn received(&self) -> Result<Message, BusError> {
        loop {
            let woken = self.woken.listen();
            if let Some(reply) = self.take() {
                return Ok(reply);
            }
            match self.lead() {
                Some(mut leader) => leader.receive_for_all().await?,
                None => woken.await,
            }
        }
    }

    fn take(&self) -> Option<Message> {
        let mut state = self.replies.lock();
        state.callers.get_mut(&self.command)?.reply.take()
    }

    fn is_answered(&self) -> bool {
        let state = self.replies.lock();
        let caller = state.callers.get(&self.command);
        caller.is_some_and(|caller| caller.reply.is_some())
    }

    /// Makes this caller the leader, if there is none.
    fn lead(&self) -> Option<Leader<'_, B>> {
        let mut state = self.replies.lock();
        match std::mem::replace(&mut state.leadership, Leadership::Taken) {
            Leadership::Vacant(deliveries) => Some(Leader {
                own: self,
                deliveries,
            }),
            Leadership::Taken => None,
        }
    }
}

impl<B: Subscriber> Drop for PendingReply<'_, B> {
    fn drop(&mut self) {
        let mut state = self.replies.lock();
        state.callers.remove(&self.command);
        state.elect();
        let is_last = state.callers.is_empty();
        let unused = match &mut state.leadership {
            // Replies that nobody waits for any more must not be kept, nor block their senders.
            Leadership::Vacant(deliveries) if is_last => deliveries.take(),
            _ => None,
        };
        if unused.is_some() {
            state.is_subscribed = false;
        }
        drop(state);
        drop(unused);
    }
}

/// The caller that receives for all. It leaves the queue to the next leader on drop.
struct Leader<'p, B: Subscriber> {
    /// What this caller waits for itself.
    own: &'p PendingReply<'p, B>,
    deliveries: Option<B::Deliveries>,
}

impl<B: Subscriber> Leader<'_, B> {
    async fn subscribe(&mut self) -> Result<&mut B::Deliveries, BusError> {
        if self.deliveries.is_none() {
            let PendingReply { replies, bus, .. } = self.own;
            // A new name each time: the queue before may be about to be removed.
            let name = format!("client-{}", EventId::new());
            let queue = Queue::new(name, [Topic::replies(&replies.name)]).temporary();
            self.deliveries = Some(bus.subscribe(&queue).await?);
            let mut state = replies.lock();
            state.is_subscribed = true;
            state.wake_all();
        }
        self.deliveries.as_mut().ok_or_else(|| BusError::Closed {
            location: "the client's queue".to_owned(),
        })
    }

    /// Receives until the leader has its own reply.
    async fn receive_for_all(&mut self) -> Result<(), BusError> {
        while !self.own.is_answered() {
            let received = match self.subscribe().await {
                Ok(deliveries) => deliveries.next().await.map_err(|error| (true, error)),
                Err(error) => Err((false, error)),
            };
            match received {
                Ok(received) => self.hand_over(received).await,
                // The next call of `next` restores it.
                Err((true, BusError::Unavailable { .. })) => {}
                Err((true, BusError::Closed { .. }) | (false, BusError::Unavailable { .. })) => {
                    self.lose();
                    Delay::new(RECREATE_AFTER).await;
                }
                Err((_, error)) => {
                    self.lose();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn lose(&mut self) {
        self.deliveries = None;
        self.own.replies.lock().is_subscribed = false;
    }

    /// Hands a reply to its caller. Without one, the command was answered before, or the reply is too late.
    async fn hand_over(&self, received: Received) {
        if let Ok(message) = &received.content
            && let Some(command) = message.causation_id
            && let Some(caller) = self.own.replies.lock().callers.get_mut(&command)
        {
            caller.reply = Some(message.clone());
            caller.woken.notify(usize::MAX);
        }
        if let Err(error) = received.acknowledge().await {
            tracing::debug!(%error, "an answer was received but not acknowledged");
        }
    }
}

impl<B: Subscriber> Drop for Leader<'_, B> {
    fn drop(&mut self) {
        let mut state = self.own.replies.lock();
        state.leadership = Leadership::Vacant(self.deliveries.take());
        state.elect();
    }
}
