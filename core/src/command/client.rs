//! Commands from programs without a process manager: one at a time, with the answer as a result.

use super::payload::encode_command;
use super::{Refused, RemoteCommand};
use crate::bus::{
    BusError, Deliveries, Message, MessageError, Publisher, Purpose, Queue, Received, Subscriber,
    Topic,
};
use crate::event::Event as _;
use crate::event::codec::EncodeError;
use crate::event::metadata::check_headers;
use crate::event::metadata::{EventId, Metadata};
use crate::limits::LimitError;
use crate::time::Timestamp;
use event_listener::Event as Notify;
use futures_timer::Delay;
use futures_util::future::{Either, select};
use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The prefix of the names under which clients wait for answers. Permanent queues have no dot in their names.
const CLIENT: &str = "client.";
/// How long to wait before a lost queue for answers is created again.
const AGAIN: Duration = Duration::from_millis(100);

/// Whether replies of this name go to a client, which does not come back once it is gone.
pub(crate) fn is_client(reply_to: &str) -> bool {
    reply_to.starts_with(CLIENT)
}

/// Sends commands to other services from any program: a web server, a tool, a test. Share one client behind an `Arc`: many
/// callers may use it at once.
///
/// A command is published at once, and is in no log: it may be lost when the program ends before the bus has confirmed it.
/// A [`ProcessManager`](crate::ProcessManager) sends commands that cannot be lost.
///
/// While anyone waits for an answer, the client has one temporary queue, shared by all callers. Nothing runs in the
/// background: one of the waiting callers receives for all. So poll the future of `ask` until it is done, or drop it: while
/// it is kept and not polled, the others may wait for their answers in vain.
///
/// ```
/// # use futures_util::future::{Either, select};
/// # use midgard::bus::InProcessBus;
/// # use midgard::{Done, Handle, HandlerError, Inbox, MemoryStore, MessageContext, Midgard, Outbox, Refused};
/// use midgard::command::AskError;
/// use midgard::{CommandClient, RemoteCommand};
/// use serde::{Deserialize, Serialize};
/// use std::time::Duration;
///
/// #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
/// #[remote_command(name = "shop.close", service = "shop")]
/// struct CloseShop { hour: u32 }
/// # #[derive(Inbox)]
/// # #[inbox(name = "shop", commands(CloseShop))]
/// # struct Shop;
/// # impl Handle<CloseShop> for Shop {
/// #     async fn handle(&self, command: CloseShop, _: &mut MessageContext<'_>) -> Result<Done, HandlerError> {
/// #         if command.hour < 18 { Err(Refused::new("it is too early").into()) } else { Ok(Done {}) }
/// #     }
/// # }
///
/// # midgard::block_on(async {
/// # let bus = InProcessBus::new();
/// # let shop = Midgard::new(MemoryStore::new()).inbox(Shop, bus.clone()).outbox(Outbox::new("shop"), bus.clone());
/// # shop.declare().await?;
/// # let running = Box::pin(shop.run());
/// # let asking = Box::pin(async {
/// let client = CommandClient::new("website", bus);
/// let timeout = Duration::from_secs(5);
/// client.ask(&CloseShop { hour: 20 }, timeout).await?;
/// let early = client.ask(&CloseShop { hour: 9 }, timeout).await;
/// assert!(matches!(early, Err(AskError::Refused(refused)) if refused.reason == "it is too early"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # });
/// # let Either::Right((asked, _)) = select(running, asking).await else { panic!("it ended") };
/// # asked
/// # }).unwrap();
/// ```
pub struct CommandClient<B: Subscriber> {
    name: String,
    bus: B,
    /// The name under which the client waits for answers.
    reply_to: String,
    desk: Mutex<ReplyDesk<B::Deliveries>>,
}

/// The callers that wait, and the seat of the one that receives for all.
struct ReplyDesk<D> {
    waiting: HashMap<EventId, Waiting>,
    seat: Seat<D>,
    /// Whether the queue for answers exists.
    is_subscribed: bool,
}

struct Waiting {
    reply: Option<Message>,
    told: Arc<Notify>,
}

/// The seat from which one caller receives for all.
enum Seat<D> {
    Free(Option<D>),
    Taken,
}

/// Why a command was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The command cannot be written as JSON that reads back.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// It has more or longer headers than events may have: no receiver would read it.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The bus did not confirm it: it may have been sent nevertheless.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// No service has a queue for it: it is lost.
    #[error(
        "nobody has a queue for {topic}, and the command is lost; start the service \"{service}\", or let it list the command in its inbox"
    )]
    Unheard {
        /// The service that handles the command.
        service: &'static str,
        /// The topic that a queue must subscribe to.
        topic: Topic,
    },
}

/// Why there is no answer to a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The command was refused: this is the answer.
    #[error("the command was refused: {0}")]
    Refused(Refused),
    /// There was no answer in time. Whether the command was handled, or will be, is unknown.
    #[error(
        "no answer to command {id} ({command}) from \"{service}\" within {timeout:?}; it may be handled all the same, or be refused as it comes too late: check whether that service runs, and what it has parked"
    )]
    TimedOut {
        /// The id of the command.
        id: EventId,
        /// Its name.
        command: &'static str,
        /// The service that handles the command.
        service: &'static str,
        /// The timeout.
        timeout: Duration,
    },
    /// The answer does not have the command's reply type. The command was handled.
    #[error("the command was handled, but its answer cannot be read: {0}")]
    Unreadable(MessageError),
    /// The command was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The bus cannot be used to wait for an answer.
    #[error(transparent)]
    Bus(BusError),
}

impl<B: Publisher + Subscriber> CommandClient<B> {
    /// Creates a client of this name, which is the source of its commands.
    pub fn new(name: impl Into<String>, bus: B) -> Self {
        let name = name.into();
        let plain: String = name.chars().map(plain).collect();
        CommandClient {
            reply_to: format!("{CLIENT}{plain}.{}", EventId::new()),
            name,
            bus,
            desk: Mutex::new(ReplyDesk {
                waiting: HashMap::new(),
                seat: Seat::Free(None),
                is_subscribed: false,
            }),
        }
    }

    /// Sends a command, and waits until the bus has stored it safely. No answer is sent back.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send<C: RemoteCommand>(&self, command: &C) -> Result<(), SendError> {
        self.send_with(command, &Metadata::new()).await
    }

    /// Sends a command with its cause, as metadata, and headers.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send_with<C: RemoteCommand>(
        &self,
        command: &C,
        metadata: &Metadata,
    ) -> Result<(), SendError> {
        let message = self.message(EventId::new(), command, metadata)?;
        self.publish::<C>(message).await
    }

    /// Sends a command, and waits for the answer. Dropping the future ends the wait; the command is handled all the same.
    ///
    /// A command that reaches its service after the timeout is refused there, as nobody waits for its answer; the clock of
    /// the service decides. On RabbitMQ it does not even get there, but ends up among the messages that were set aside.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask<C: RemoteCommand>(
        &self,
        command: &C,
        timeout: Duration,
    ) -> Result<C::Reply, AskError> {
        self.ask_with(command, timeout, &Metadata::new()).await
    }

    /// Sends a command with its cause, as metadata, and headers, and waits for the answer.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask_with<C: RemoteCommand>(
        &self,
        command: &C,
        timeout: Duration,
        metadata: &Metadata,
    ) -> Result<C::Reply, AskError> {
        let id = EventId::new();
        let mut message = self.message(id, command, metadata)?;
        message.reply_to = Some(self.reply_to.clone());
        message.expires = after(timeout);
        let place = Place::new(self, id);
        let answer = pin!(self.answer::<C>(message, &place));
        let reply = match select(answer, Delay::new(timeout)).await {
            Either::Left((reply, _)) => reply?,
            Either::Right(_) => {
                return Err(AskError::TimedOut {
                    id,
                    command: C::NAME,
                    service: C::SERVICE,
                    timeout,
                });
            }
        };
        if reply.name == Refused::NAME {
            return Err(AskError::Refused(
                reply.decode().map_err(AskError::Unreadable)?,
            ));
        }
        let read = C::__read_reply(&reply.encoded());
        read.map_err(|reason| AskError::Unreadable(reply.unreadable(reason)))
    }

    fn message<C: RemoteCommand>(
        &self,
        id: EventId,
        command: &C,
        metadata: &Metadata,
    ) -> Result<Message, SendError> {
        check_headers(metadata.headers())?;
        let purpose = Purpose::Command {
            service: C::SERVICE.to_owned(),
        };
        let id_text = id.to_string();
        let key = command.key();
        let key = key.map_or_else(|| id_text.clone(), Into::into);
        let encoded = encode_command(command)?;
        let message = Message::of(purpose, id_text, key, &*self.name, encoded);
        Ok(Message {
            time: Some(Timestamp::now()),
            correlation_id: metadata.correlation_id().or(Some(id)),
            causation_id: metadata.causation_id(),
            headers: metadata.headers().to_owned(),
            ..message
        })
    }

    async fn publish<C: RemoteCommand>(&self, message: Message) -> Result<(), SendError> {
        let messages = [message];
        let published = self.bus.publish(&messages).await?;
        if published.unheard.is_empty() {
            return Ok(());
        }
        Err(SendError::Unheard {
            service: C::SERVICE,
            topic: messages[0].topic(),
        })
    }

    async fn answer<C: RemoteCommand>(
        &self,
        message: Message,
        place: &Place<'_, B>,
    ) -> Result<Message, AskError> {
        self.subscribed(place).await.map_err(AskError::Bus)?;
        self.publish::<C>(message).await?;
        loop {
            let told = place.told.listen();
            if let Some(reply) = place.reply() {
                return Ok(reply);
            }
            match Sitting::begin(self) {
                Some(mut sitting) => sitting.receive_for_all(place).await?,
                None => told.await,
            }
        }
    }

    /// Makes sure that the queue for answers exists.
    async fn subscribed(&self, place: &Place<'_, B>) -> Result<(), BusError> {
        loop {
            let told = place.told.listen();
            if self.lock().is_subscribed {
                return Ok(());
            }
            if let Some(mut sitting) = Sitting::begin(self) {
                sitting.subscribe().await?;
                return Ok(());
            }
            told.await;
        }
    }
}

/// This long after now.
fn after(timeout: Duration) -> Option<Timestamp> {
    let micros = u64::try_from(timeout.as_micros()).ok()?;
    let after = Timestamp::now().as_micros().checked_add(micros)?;
    Some(Timestamp::from_micros(after))
}

/// The letters of names of queues and topics.
fn plain(letter: char) -> char {
    let is_plain = letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if is_plain { letter } else { '-' }
}

impl<B: Subscriber> CommandClient<B> {
    fn lock(&self) -> MutexGuard<'_, ReplyDesk<B::Deliveries>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D> ReplyDesk<D> {
    /// Tells all waiting callers that the seat is free. Telling one is not enough: that one may still be sending its
    /// command, or may no longer be polled.
    fn offer_seat(&self) {
        if let Seat::Free(_) = &self.seat {
            self.tell_all();
        }
    }

    fn tell_all(&self) {
        for waiting in self.waiting.values() {
            waiting.told.notify(usize::MAX);
        }
    }
}

impl<B: Subscriber> fmt::Debug for CommandClient<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandClient")
            .field("name", &self.name)
            .field("reply_to", &self.reply_to)
            .finish_non_exhaustive()
    }
}

/// A caller that waits. It is removed on drop.
struct Place<'c, B: Subscriber> {
    client: &'c CommandClient<B>,
    id: EventId,
    told: Arc<Notify>,
}

impl<'c, B: Subscriber> Place<'c, B> {
    fn new(client: &'c CommandClient<B>, id: EventId) -> Self {
        let told = Arc::<Notify>::default();
        let waiting = Waiting {
            reply: None,
            told: told.clone(),
        };
        client.lock().waiting.insert(id, waiting);
        Place { client, id, told }
    }

    fn reply(&self) -> Option<Message> {
        let mut desk = self.client.lock();
        desk.waiting.get_mut(&self.id)?.reply.take()
    }
}

impl<B: Subscriber> Drop for Place<'_, B> {
    fn drop(&mut self) {
        let mut desk = self.client.lock();
        desk.waiting.remove(&self.id);
        desk.offer_seat();
        let is_last = desk.waiting.is_empty();
        let unused = match &mut desk.seat {
            // Answers that nobody waits for any more must not be kept, nor block their senders.
            Seat::Free(deliveries) if is_last => deliveries.take(),
            _ => None,
        };
        if unused.is_some() {
            desk.is_subscribed = false;
        }
        drop(desk);
        drop(unused);
    }
}

/// The caller that receives for all. It gives up the seat on drop.
struct Sitting<'c, B: Subscriber> {
    client: &'c CommandClient<B>,
    deliveries: Option<B::Deliveries>,
}

impl<'c, B: Subscriber> Sitting<'c, B> {
    /// Takes the seat, if it is free.
    fn begin(client: &'c CommandClient<B>) -> Option<Self> {
        let mut desk = client.lock();
        match std::mem::replace(&mut desk.seat, Seat::Taken) {
            Seat::Free(deliveries) => Some(Sitting { client, deliveries }),
            Seat::Taken => None,
        }
    }

    async fn subscribe(&mut self) -> Result<&mut B::Deliveries, BusError> {
        if self.deliveries.is_none() {
            let CommandClient { reply_to, bus, .. } = self.client;
            // A new name each time: the queue before may be about to be removed.
            let name = format!("client-{}", EventId::new());
            let queue = Queue::new(name, [Topic::replies(reply_to)]).temporary();
            self.deliveries = Some(bus.subscribe(&queue).await?);
            let mut desk = self.client.lock();
            desk.is_subscribed = true;
            desk.tell_all();
        }
        self.deliveries.as_mut().ok_or_else(|| BusError::Closed {
            location: "the client's queue".to_owned(),
        })
    }

    /// Receives until the caller in this seat has its own answer.
    async fn receive_for_all(&mut self, place: &Place<'_, B>) -> Result<(), AskError> {
        while !self.has_reply(place) {
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
                    Delay::new(AGAIN).await;
                }
                Err((_, error)) => {
                    self.lose();
                    return Err(AskError::Bus(error));
                }
            }
        }
        Ok(())
    }

    fn lose(&mut self) {
        self.deliveries = None;
        self.client.lock().is_subscribed = false;
    }

    fn has_reply(&self, place: &Place<'_, B>) -> bool {
        let desk = self.client.lock();
        desk.waiting
            .get(&place.id)
            .is_some_and(|waiting| waiting.reply.is_some())
    }

    /// Hands an answer to its caller. Without one, it was answered before, or is too late.
    async fn hand_over(&self, received: Received) {
        if let Ok(message) = &received.content
            && let Some(command) = message.causation_id
            && let Some(waiting) = self.client.lock().waiting.get_mut(&command)
        {
            waiting.reply = Some(message.clone());
            waiting.told.notify(usize::MAX);
        }
        if let Err(error) = received.acknowledge().await {
            tracing::debug!(%error, "an answer was received but not acknowledged");
        }
    }
}

impl<B: Subscriber> Drop for Sitting<'_, B> {
    fn drop(&mut self) {
        let mut desk = self.client.lock();
        desk.seat = Seat::Free(self.deliveries.take());
        desk.offer_seat();
    }
}
