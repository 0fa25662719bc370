//! The task that receives for a queue: it requests messages from the server, and reports which are still worked on.

mod leaving;

use crate::Shared;
use crate::hand::{Arrived, Delivery, Hand};
use crate::queues::{self, GROUP};
use crate::session::Session;
use crate::{interest, topics, unreadable};
use async_nats::jetstream::consumer::Info;
use async_nats::{Message, StatusCode, Subject, Subscriber, jetstream};
use futures_util::StreamExt as _;
use futures_util::future::{Fuse, FusedFuture as _, FutureExt as _};
use midgard::bus::{BusError, Queue};
use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

const ACTION: &str = "deliver messages";
/// How many messages are requested at once. The server delivers no more than may be unacknowledged.
const BATCH: usize = 10_000;
/// The wait between two checks that all unacknowledged messages are here.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// How long the server keeps the request of a receiver that stands by.
const STANDING_BY: Duration = Duration::from_secs(30);
/// After this many consecutive lost connections, a cause is searched for.
const SUSPICIOUS: u32 = 2;
/// The waits after failures.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How an epoch ended without an error.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// The hand was closed.
    Closed,
}

/// Receives until the hand is closed, over one connection after another.
///
/// Signals when the server knows of it, or when the server cannot be reached: so the first subscriber is the one at
/// work.
pub(crate) async fn receive(
    shared: Arc<Shared>,
    queue: Queue,
    hand: Arc<Hand>,
    begun: oneshot::Sender<()>,
) {
    let mut receiver = Receiver {
        shared,
        queue,
        hand,
        pin: None,
        begun: Some(begun),
        has_received: false,
        lost: 0,
    };
    let mut wait = SHORTEST_WAIT;
    loop {
        let began = Instant::now();
        let error = match receiver.connect().await {
            Ok(Ended::Closed) => return,
            Err(error) => error,
        };
        // The waiting subscriber stops waiting.
        receiver.begun = None;
        let name = receiver.queue.name();
        if !matches!(error, BusError::Unavailable { .. }) {
            tracing::error!(queue = name, %error, "the queue cannot be received from");
            return receiver.hand.end(error);
        }
        tracing::warn!(queue = name, %error, "the queue cannot be received from at the moment");
        if std::mem::take(&mut receiver.has_received) {
            wait = SHORTEST_WAIT;
        }
        if began.elapsed() > LONGEST_WAIT {
            receiver.lost = 0;
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = receiver.hand.closed.notified() => return,
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

struct Receiver {
    shared: Arc<Shared>,
    queue: Queue,
    hand: Arc<Hand>,
    /// The server's id for this receiver, while it is the one at work.
    pin: Option<String>,
    /// The subscriber that waits until the server knows of this receiver.
    begun: Option<oneshot::Sender<()>>,
    /// Whether any message came over the connection.
    has_received: bool,
    /// How many consecutive connections were lost soon after they were made.
    lost: u32,
}

/// Receiving over one connection.
struct Connection<'r> {
    receiver: &'r mut Receiver,
    session: Arc<Session>,
    subscriber: Subscriber,
    inbox: String,
    next_request: String,
    takeover_after: Duration,
    /// The subjects that the queue no longer wants, and up to where in the stream their messages are still for it.
    removed: HashMap<String, u64>,
    /// The number of the last request, when it was made, and how many messages may still come of it.
    request: u64,
    requested: Instant,
    expected: usize,
}

impl Receiver {
    /// Receives over one connection, as long as it lasts.
    async fn connect(&mut self) -> Result<Ended, BusError> {
        if self.hand.is_closed() {
            return Ok(Ended::Closed);
        }
        let session = self.shared.session().await?;
        let options = &self.shared.options;
        let name = self.queue.name();
        let info = interest::consumer(&session, &options.stream, name).await?;
        let removed = info
            .as_ref()
            .map(|info| topics::removed(&info.config.metadata));
        let takeover_after = match info {
            Some(info) => info.config.ack_wait,
            None => {
                tracing::warn!(queue = name, "the queue was deleted, and is created again");
                queues::declare(&session, options, &self.queue).await?;
                options.takeover_after
            }
        };
        if self.lost >= SUSPICIOUS {
            unreadable::set_aside(&session, options, &self.queue).await?;
            self.lost = 0;
        }
        self.lost += 1;
        let inbox = session.client.new_inbox();
        let subscribe = session.client.subscribe(format!("{inbox}.*"));
        let subscriber = session.answer(ACTION, subscribe).await?;
        let next_request = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{name}", options.stream);
        let mut connection = Connection {
            receiver: self,
            session,
            subscriber,
            inbox,
            next_request,
            takeover_after,
            removed: removed.unwrap_or_default(),
            request: 0,
            requested: Instant::now(),
            expected: 0,
        };
        connection.run().await
    }
}

impl Connection<'_> {
    async fn run(&mut self) -> Result<Ended, BusError> {
        self.begin().await?;
        self.ask_for_messages().await?;
        if let Some(begun) = self.receiver.begun.take() {
            // The server answers the requests of one connection in order.
            self.look(Duration::ZERO).await?;
            // The subscriber may have given up.
            let _ = begun.send(());
        }
        let hand = Arc::clone(&self.receiver.hand);
        let session = Arc::clone(&self.session);
        let mut lost = pin!(session.lost());
        let mut tick = interval(self.takeover_after / 6);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // While messages are kept back, the queue's state is requested from the server repeatedly.
        let mut comparison: Pin<Box<Fuse<_>>> = Box::pin(Fuse::terminated());
        loop {
            tokio::select! {
                () = hand.closed.notified() => return self.leave().await,
                () = &mut lost => return Err(session.unavailable(ACTION, "the connection was lost")),
                message = self.subscriber.next() => match message {
                    Some(message) => {
                        self.receive(message).await?;
                        if hand.is_waiting() && comparison.is_terminated() {
                            comparison.set(self.look(Duration::ZERO).fuse());
                        }
                    }
                    None => return Err(session.unavailable(ACTION, "the subscription ended")),
                },
                info = &mut comparison => {
                    if let Some((asked, info)) = info? {
                        self.compare(asked, &info);
                    }
                    if hand.is_waiting() {
                        comparison.set(self.look(ASK_AGAIN).fuse());
                    }
                },
                _ = tick.tick() => self.tick().await?,
            }
        }
    }

    /// Requests all messages again that may have been lost, and keeps messages back until they are here.
    async fn begin(&self) -> Result<(), BusError> {
        let (again, settled) = self.receiver.hand.begin(&self.session);
        for reply in settled {
            self.tell(reply, "+ACK").await?;
        }
        for reply in again {
            self.tell(reply, "-NAK").await?;
        }
        Ok(())
    }

    async fn tell(&self, reply: Subject, what: &'static str) -> Result<(), BusError> {
        let tell = self.session.client.publish(reply, what.into());
        self.session.answer(ACTION, tell).await
    }

    /// Returns the server's state of the queue, after a while, and when it was requested.
    fn look(
        &self,
        after: Duration,
    ) -> impl Future<Output = Result<Option<(Instant, Info)>, BusError>> + Send + use<> {
        let session = Arc::clone(&self.session);
        let stream = self.receiver.shared.options.stream.clone();
        let name = self.receiver.queue.name().to_owned();
        async move {
            sleep(after).await;
            let asked = Instant::now();
            let info = interest::consumer(&session, &stream, &name).await?;
            Ok(info.map(|info| (asked, info)))
        }
    }

    /// Checks whether all messages that the server reports as unacknowledged are here, and whether this is the
    /// receiver at work.
    fn compare(&self, asked: Instant, info: &Info) {
        let pin = self.receiver.pin.as_deref();
        let mut groups = info.priority_groups.iter();
        if pin.is_some() && groups.any(|group| group.pinned_client_id.as_deref() == pin) {
            self.receiver.hand.heard(asked);
        }
        let hand = &self.receiver.hand;
        hand.compare(info.num_ack_pending, info.delivered.consumer_sequence);
    }

    /// Returns how long the server keeps a request for messages: while this receiver stands by, long enough that the
    /// first in line stays first; while it is at work, short enough that the server hears from it.
    fn patience(&self) -> Duration {
        match &self.receiver.pin {
            Some(_) => self.takeover_after / 6,
            None => STANDING_BY,
        }
    }

    /// Requests messages. These requests also show the server that this receiver is still there.
    async fn ask_for_messages(&mut self) -> Result<(), BusError> {
        self.request += 1;
        self.requested = Instant::now();
        self.expected = BATCH;
        let expires = self.patience().as_nanos();
        let id = match &self.receiver.pin {
            Some(pin) => format!(r#","id":"{pin}""#),
            None => String::new(),
        };
        let request = format!(r#"{{"batch":{BATCH},"expires":{expires},"group":"{GROUP}"{id}}}"#);
        let reply = format!("{}.{}", self.inbox, self.request);
        let subject = self.next_request.clone();
        let ask = self
            .session
            .client
            .publish_with_reply(subject, reply, request.into());
        self.session.answer(ACTION, ask).await
    }

    /// Reports that messages are worked on, and requests more when the last request has expired.
    async fn tick(&mut self) -> Result<(), BusError> {
        for reply in self.receiver.hand.touch(self.takeover_after / 3) {
            self.tell(reply, "+WPI").await?;
        }
        let is_overdue = self.requested.elapsed() > self.patience() + self.takeover_after / 6;
        if self.expected == 0 || is_overdue {
            self.ask_for_messages().await?;
        }
        Ok(())
    }

    /// Handles a message, or the server's status for a request.
    async fn receive(&mut self, message: Message) -> Result<(), BusError> {
        self.receiver.has_received = true;
        // A message has its own subject; a stranger can set a status on it, too.
        let is_answer = message.subject.starts_with(&*self.inbox);
        let (true, Some(status)) = (is_answer, message.status) else {
            return self.arrive(message).await;
        };
        let description = message.description.as_deref().unwrap_or_default();
        tracing::trace!(%status, description, "NATS answered a request for messages");
        match status {
            StatusCode::IDLE_HEARTBEAT => Ok(()),
            StatusCode::NOT_FOUND | StatusCode::TIMEOUT => {
                if message.subject.rsplit('.').next() == Some(&*self.request.to_string()) {
                    self.receiver.hand.heard(self.requested);
                    self.ask_for_messages().await?;
                }
                Ok(())
            }
            StatusCode::PIN_ID_MISMATCH => {
                tracing::info!(
                    queue = self.receiver.queue.name(),
                    "another receiver is at work now"
                );
                self.receiver.pin = None;
                self.begin().await?;
                self.ask_for_messages().await
            }
            StatusCode::REQUEST_TERMINATED if description != "Consumer Deleted" => {
                // The next tick requests again.
                self.expected = 0;
                Ok(())
            }
            _ => Err(self.session.unavailable(
                ACTION,
                format!("the server answered {status} {description}"),
            )),
        }
    }

    async fn arrive(&mut self, message: Message) -> Result<(), BusError> {
        self.expected = self.expected.saturating_sub(1);
        let is_last = self.expected == 0;
        if let Some(pin) = pinned(&message)
            && self.receiver.pin.as_deref() != Some(pin)
        {
            self.receiver.pin = Some(pin.to_owned());
            self.begin().await?;
            // From now on the server expects to hear from it.
            self.ask_for_messages().await?;
        }
        if let Some(delivery) = delivery(&self.session, message) {
            if self.receiver.hand.is_gap(delivery.number) {
                self.begin().await?;
            }
            let reply = delivery.reply.clone();
            let until = self.removed.get(delivery.message.subject.as_str());
            let is_for_others = until.is_some_and(|until| delivery.sequence > *until);
            if self.receiver.hand.arrive(delivery, is_for_others) == Arrived::Settled {
                self.tell(reply, "+ACK").await?;
            }
        }
        if is_last {
            self.receiver.hand.heard(self.requested);
            self.ask_for_messages().await?;
        }
        Ok(())
    }
}

/// Returns the server's id for the receiver of this message.
fn pinned(message: &Message) -> Option<&str> {
    let headers = message.headers.as_ref()?;
    // The last header is the server's; an earlier one may be a stranger's.
    let pin = headers.get_last(async_nats::header::NATS_PIN_ID)?;
    Some(pin.as_str())
}

/// Returns the delivery, as described in the subject for its acknowledgement.
fn delivery(session: &Session, message: Message) -> Option<Delivery> {
    let message = jetstream::Message {
        message,
        context: session.jetstream.clone(),
    };
    let info = message.info().ok()?;
    let (sequence, number) = (info.stream_sequence, info.consumer_sequence);
    let (published, is_redelivered) = (info.published.unix_timestamp_nanos(), info.delivered > 1);
    let message = message.message;
    Some(Delivery {
        reply: message.reply.clone()?,
        message,
        sequence,
        number,
        published,
        is_redelivered,
    })
}
