//! Publishes batches: all of a batch at once, and then waits for the broker to confirm all of it.

use crate::envelope;
use crate::link::{self, Link};
use crate::options::RabbitMqOptions;
use crate::topology;
use crate::trouble::{self, Trouble};
use futures_util::poll;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};
use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout};

/// How many batches are published at the same time.
const AT_ONCE: usize = 16;
/// How many bytes of a batch may wait to be written before more are added.
const WINDOW: usize = 4 << 20;
/// How often to check whether waiting for confirmations is still of use.
const LOOK: Duration = Duration::from_secs(5);
/// How long to wait for them while the broker accepts messages.
const LONGEST: Duration = Duration::from_secs(60);
/// How many messages are sent one by one after the broker has refused one.
const ONE_BY_ONE: usize = 1000;

/// The publishing side of the bus.
pub(crate) struct Publishing {
    options: Arc<RabbitMqOptions>,
    link: Link,
    /// Unused channels. Each carries one batch at a time, so that returned messages belong to that batch.
    idle: Mutex<Vec<Channel>>,
    slots: Arc<Semaphore>,
    /// The largest payload that the broker accepts, as far as it has reported one.
    largest: AtomicUsize,
    /// How many messages are still to be sent one by one.
    one_by_one: AtomicUsize,
}

/// A message, as it is sent.
pub(crate) struct Outgoing {
    pub(crate) exchange: ShortString,
    pub(crate) key: ShortString,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Vec<u8>,
}

impl Publishing {
    pub(crate) fn new(options: Arc<RabbitMqOptions>) -> Arc<Self> {
        Arc::new(Publishing {
            link: Link::new(Arc::clone(&options), "publishing"),
            options,
            idle: Mutex::default(),
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            largest: AtomicUsize::new(usize::MAX),
            one_by_one: AtomicUsize::new(0),
        })
    }

    /// Publishes messages in order; returns the indexes of those that no queue wants.
    ///
    /// If it is dropped before it has a slot, or while the broker accepts no messages, nothing is sent. If it is
    /// dropped later, no messages are added to those that the client has; these are sent by a task that keeps the
    /// slot until the channel is empty.
    pub(crate) async fn publish(
        self: &Arc<Self>,
        batch: Vec<Outgoing>,
    ) -> Result<Vec<usize>, Trouble> {
        let handle = link::runtime()?;
        // It is never closed.
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        self.link.until_unblocked().await;
        let channel = self.take().await?;
        if let Err(trouble) = self.check(&batch) {
            self.put_back(channel);
            return Err(trouble);
        }
        let (tell, told) = oneshot::channel();
        let publishing = Arc::clone(self);
        handle.spawn(async move {
            let _slot = slot;
            publishing.publish_over(channel, batch, tell).await;
        });
        told.await
            .unwrap_or_else(|_| Err(Trouble::unavailable("publish", "publishing ended early")))
    }

    /// Connects, unless it is connected.
    pub(crate) async fn reach(&self) -> Result<(), Trouble> {
        let channel = self.take().await?;
        self.put_back(channel);
        Ok(())
    }

    /// Publishes over a channel, as long as somebody waits for the result.
    async fn publish_over(
        &self,
        channel: Channel,
        batch: Vec<Outgoing>,
        mut tell: oneshot::Sender<Result<Vec<usize>, Trouble>>,
    ) {
        let sent = tokio::select! {
            sent = self.watch(&channel, self.send(&channel, &batch)) => sent,
            () = tell.closed() => {
                drop(batch);
                let written = async {
                    let confirmed = channel.wait_for_confirms().await;
                    confirmed.map_err(|error| Trouble::new("publish", error))
                };
                // A message could be confirmed over this channel without anybody knowing, so it is closed.
                let _ = self.watch(&channel, written).await;
                return;
            }
        };
        match &sent {
            Ok(_) | Err(Trouble::Full { .. }) => {
                self.link.worked().await;
                self.put_back(channel);
            }
            // The broker closes the channel, and is well.
            Err(Trouble::Refused { .. }) => {}
            Err(_) => {
                // A restarted broker may accept more.
                self.largest.store(usize::MAX, Ordering::Release);
                self.link.failed().await;
            }
        }
        // The caller may be gone.
        let _ = tell.send(sent);
    }

    /// Returns an unused channel.
    async fn take(&self) -> Result<Channel, Trouble> {
        while let Some(channel) = self.idle().pop() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let channel = self.link.channel().await?;
        let made = async {
            topology::declare_exchange(&channel, &self.options).await?;
            let confirms = channel.confirm_select(ConfirmSelectOptions::default());
            confirms
                .await
                .map_err(|error| Trouble::new("open a channel", error))
        };
        if let Err(trouble) = link::while_open(&channel, "open a channel", made).await {
            self.link.failed().await;
            return Err(trouble);
        }
        Ok(channel)
    }

    fn put_back(&self, channel: Channel) {
        self.idle().push(channel);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks whether the broker would refuse a message, before any is sent.
    fn check(&self, batch: &[Outgoing]) -> Result<(), Trouble> {
        let largest = self.largest.load(Ordering::Acquire);
        let frame = self.link.largest_frame().unwrap_or(usize::MAX);
        // The broker adds to the properties when it redelivers.
        let room = envelope::LARGEST.min(frame - frame / 8);
        for (index, message) in batch.iter().enumerate() {
            let refused = |reason| Err(Trouble::Refused { index, reason });
            let size = message.body.len();
            if size > largest {
                return refused(format!(
                    "its payload has {size} bytes and the broker accepts {largest}; store it elsewhere and send where it is, or raise `max_message_size` of the broker"
                ));
            }
            let size = envelope::size(&message.properties);
            if size > room {
                return refused(format!(
                    "its attributes and headers have {size} bytes and the broker accepts {room}; move long values into the payload, or raise `frame_max` of the broker, which is {frame}"
                ));
            }
        }
        Ok(())
    }

    /// Waits for messages sent over a channel, as long as waiting is of use.
    async fn watch<T>(
        &self,
        channel: &Channel,
        sending: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let mut sending = pin!(sending);
        let (started, mut unblocked) = (Instant::now(), Instant::now());
        loop {
            if let Ok(sent) = timeout(LOOK, &mut sending).await {
                return sent;
            }
            let lost = |why: String| Err(Trouble::unavailable("publish", why));
            if !channel.status().connected() {
                return lost("the connection was lost".to_owned());
            }
            if self.link.is_blocked().await {
                unblocked = Instant::now();
                self.link.tell_blocked(started.elapsed());
            } else if unblocked.elapsed() > LONGEST {
                return lost(format!(
                    "it was not confirmed within {} s; a queue may have no majority of its nodes",
                    unblocked.elapsed().as_secs()
                ));
            }
        }
    }

    /// Sends all messages, and waits until all are confirmed.
    ///
    /// All are sent at once. But after the broker has refused a message, the next ones are sent one by one for a
    /// while, so that no message is accepted before an earlier one that is refused.
    async fn send(&self, channel: &Channel, batch: &[Outgoing]) -> Result<Vec<usize>, Trouble> {
        let (mut unheard, mut from) = (Vec::new(), 0);
        while from < batch.len() {
            let is_one = self.one_by_one.load(Ordering::Acquire) > 0;
            let to = if is_one { from + 1 } else { batch.len() };
            let sent = send_at_once(channel, &batch[from..to]).await;
            let sent = sent.map_err(|error| self.refused(from, batch, error))?;
            unheard.extend(sent.unheard.iter().map(|index| from + index));
            if let Some(index) = sent.not_taken {
                self.one_by_one.store(ONE_BY_ONE, Ordering::Release);
                return Err(full(from + index, unheard));
            }
            if is_one {
                let less = |left: usize| left.checked_sub(1);
                let (set, get) = (Ordering::AcqRel, Ordering::Acquire);
                // Others may have used up the count already.
                let _ = self.one_by_one.fetch_update(set, get, less);
            }
            from = to;
        }
        Ok(unheard)
    }

    /// Returns the client's error, with the message to blame, if the broker names a size that it does not accept.
    fn refused(&self, from: usize, batch: &[Outgoing], error: lapin::Error) -> Trouble {
        let Some(largest) = trouble::largest_message(&error) else {
            return Trouble::new("publish", error);
        };
        self.largest.store(largest, Ordering::Release);
        match self.check(batch) {
            Err(refused) => refused,
            Ok(()) => {
                let messages = batch.len() - from;
                let why = format!("the broker refuses one of {messages} messages ({error})");
                Trouble::unavailable("publish", why)
            }
        }
    }
}

/// Returns the error when the broker has refused the message of this index.
fn full(confirmed: usize, mut unheard: Vec<usize>) -> Trouble {
    unheard.retain(|index| *index < confirmed);
    Trouble::Full {
        confirmed,
        unheard,
        reason: "a queue that wants it accepts no more (a policy with `max-length` and `reject-publish`), or has no majority of its nodes; check the queues, and make room".to_owned(),
    }
}

/// The result of sending messages.
struct Sent {
    /// The indexes of those that no queue wants.
    unheard: Vec<usize>,
    /// The first that the broker has refused.
    not_taken: Option<usize>,
}

/// Sends messages without a wait between them, and waits until all are confirmed.
async fn send_at_once(channel: &Channel, batch: &[Outgoing]) -> lapin::Result<Sent> {
    let confirms = write(channel, batch).await?;
    let (mut unheard, mut not_taken) = (Vec::new(), None);
    for (index, confirm) in confirms.into_iter().enumerate() {
        match confirm.await? {
            Confirmation::Ack(None) => {}
            Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
                unheard.push(returned);
            }
            Confirmation::Nack(None) | Confirmation::NotRequested => {
                not_taken.get_or_insert(index);
            }
        }
    }
    // A returned message comes with some confirmation, not always with its own, so it is recognised by its id.
    let mut returned: HashMap<_, usize> = HashMap::new();
    for message in &unheard {
        let which = (message.routing_key.clone(), id(&message.properties));
        *returned.entry(which).or_default() += 1;
    }
    let indices = batch.iter().enumerate().filter(|(_, message)| {
        if returned.is_empty() {
            return false;
        }
        let which = (message.key.clone(), id(&message.properties));
        let left = returned.get_mut(&which).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    });
    Ok(Sent {
        unheard: indices.map(|(index, _)| index).collect(),
        not_taken,
    })
}

/// Returns what distinguishes a message from others of its batch.
fn id(properties: &BasicProperties) -> Option<String> {
    let id = properties.message_id().as_ref();
    id.map(ToString::to_string)
        .or_else(|| envelope::id(properties))
}

/// Hands all messages to the connection, in order.
async fn write(channel: &Channel, batch: &[Outgoing]) -> lapin::Result<Vec<PublisherConfirm>> {
    let options = BasicPublishOptions {
        mandatory: true,
        immediate: false,
    };
    let mut confirms = Vec::with_capacity(batch.len());
    let (mut waiting, mut bytes) = (VecDeque::new(), 0);
    for message in batch {
        let (exchange, key) = (message.exchange.clone(), message.key.clone());
        let properties = message.properties.clone();
        let mut writing =
            Box::pin(channel.basic_publish(exchange, key, options, &message.body, properties));
        // One poll puts it in line to be written.
        match poll!(&mut writing) {
            Poll::Ready(confirm) => confirms.push(confirm?),
            Poll::Pending => {
                bytes += message.body.len();
                waiting.push_back((writing, message.body.len()));
            }
        }
        while bytes > WINDOW
            && let Some((writing, size)) = waiting.pop_front()
        {
            bytes -= size;
            confirms.push(writing.await?);
        }
    }
    for (writing, _) in waiting {
        confirms.push(writing.await?);
    }
    Ok(confirms)
}
