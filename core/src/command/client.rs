//! Commands from programs without a process manager: one at a time, with the answer as a result.

use super::payload::encode_command;
use super::replies::{PendingReply, Replies};
use super::{Refused, RemoteCommand};
use crate::bus::{BusError, Message, MessageError, Publisher, Purpose, Subscriber, Topic};
use crate::error::{Classify, ErrorKind};
use crate::event::Event as _;
use crate::event::codec::EncodeError;
use crate::event::metadata::check_headers;
use crate::event::metadata::{EventId, Metadata};
use crate::limits::LimitError;
use crate::time::Timestamp;
use futures_timer::Delay;
use futures_util::future::{Either, select};
use std::fmt;
use std::pin::pin;
use std::time::Duration;

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
    replies: Replies<B::Deliveries>,
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

impl Classify for SendError {
    fn kind(&self) -> ErrorKind<'_> {
        match self {
            SendError::Limit(_) => ErrorKind::Invalid,
            SendError::Bus(BusError::Unavailable { .. }) => ErrorKind::OutcomeUnknown,
            SendError::Bus(BusError::Full { .. }) | SendError::Unheard { .. } => {
                ErrorKind::Unavailable
            }
            SendError::Encode(_) | SendError::Bus(_) => ErrorKind::Internal,
        }
    }
}

impl Classify for AskError {
    fn kind(&self) -> ErrorKind<'_> {
        match self {
            AskError::Refused(refused) => ErrorKind::Rejected(&refused.reason),
            // The bus may have failed after it took the command.
            AskError::TimedOut { .. } | AskError::Bus(_) => ErrorKind::OutcomeUnknown,
            AskError::Send(error) => error.kind(),
            AskError::Unreadable(_) => ErrorKind::Internal,
        }
    }
}

impl<B: Publisher + Subscriber> CommandClient<B> {
    /// Creates a client of this name, which is the source of its commands.
    pub fn new(name: impl Into<String>, bus: B) -> Self {
        let name = name.into();
        CommandClient {
            replies: Replies::to(&name),
            name,
            bus,
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
        message.reply_to = Some(self.replies.name().to_owned());
        message.expires = after(timeout);
        let pending = self.replies.pending(&self.bus, id);
        let answer = pin!(self.answer::<C>(message, &pending));
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
        pending: &PendingReply<'_, B>,
    ) -> Result<Message, AskError> {
        // Before the command, so that no reply comes too early for the queue.
        pending.subscribed().await.map_err(AskError::Bus)?;
        self.publish::<C>(message).await?;
        pending.received().await.map_err(AskError::Bus)
    }
}

/// This long after now.
fn after(timeout: Duration) -> Option<Timestamp> {
    let micros = u64::try_from(timeout.as_micros()).ok()?;
    let after = Timestamp::now().as_micros().checked_add(micros)?;
    Some(Timestamp::from_micros(after))
}

impl<B: Subscriber> fmt::Debug for CommandClient<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandClient")
            .field("name", &self.name)
            .field("reply_to", &self.replies.name())
            .finish_non_exhaustive()
    }
}
