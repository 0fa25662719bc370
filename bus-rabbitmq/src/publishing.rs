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
/// How many bytes of a batch wait to be written, before more are added.
const WINDOW: usize = 4 << 20;
/// How often it is looked whether waiting for confirmations is still of use.
const LOOK: Duration = Duration::from_secs(5);
/// For how long they are waited for, while the broker takes messages.
const LONGEST: Duration = Duration::from_secs(60);
/// How many messages are sent one by one after the broker has not taken one.
const ONE_BY_ONE: usize = 1000;

/// Who publishes.
pub(crate) struct Publishing {
    options: Arc<RabbitMqOptions>,
    link: Link,
    /// Channels that nobody uses now. Each carries one batch at a time, so that what is returned belongs to it.
    idle: Mutex<Vec<Channel>>,
    slots: Arc<Semaphore>,
    /// The largest payload that the broker takes, as far as it has said so.
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

    /// Publishes, in order; gives those that no queue takes, by their index.
    ///
    /// Dropped before there is a slot, or while the broker takes no messages, it sends nothing. Dropped later, it adds
    /// nothing to what the client has: that goes its way, in a task that keeps the slot until the channel is empty.
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

    /// Makes the connection, if there is none.
    pub(crate) async fn reach(&self) -> Result<(), Trouble> {
        let channel = self.take().await?;
        self.put_back(channel);
        Ok(())
    }

    /// Publishes over a channel, for as long as somebody waits for what comes of it.
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
                // Over this channel something could be confirmed that nobody knows of, so it is closed then.
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
                // A broker that was started again may take more.
                self.largest.store(usize::MAX, Ordering::Release);
                self.link.failed().await;
            }
        }
        // Whoever asked may be gone.
        let _ = tell.send(sent);
    }

    /// A channel that nobody uses.
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

    /// Looks whether the broker would refuse a message, before one is sent.
    fn check(&self, batch: &[Outgoing]) -> Result<(), Trouble> {
        let largest = self.largest.load(Ordering::Acquire);
        let frame = self.link.largest_frame().unwrap_or(usize::MAX);
        // The broker adds to what it delivers again.
        let room = envelope::LARGEST.min(frame - frame / 8);
        for (index, message) in batch.iter().enumerate() {
            let refused = |reason| Err(Trouble::Refused { index, reason });
            let size = message.body.len();
            if size > largest {
                return refused(format!(
                    "its payload has {size} bytes and the broker takes {largest}; store it elsewhere and send where it is, or raise `max_message_size` of the broker"
                ));
            }
            let size = envelope::size(&message.properties);
            if size > room {
                return refused(format!(
                    "its attributes and headers have {size} bytes and the broker takes {room}; put what is long into the payload, or raise `frame_max` of the broker, which is {frame}"
                ));
            }
        }
        Ok(())
    }

    /// Waits for what is sent over a channel, as long as there is something to wait for.
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
    /// All at once: but once the broker has not taken one, the next ones are sent one by one for a while, so that those
    /// behind one that it does not take are not there before it.
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
                // It is none already when others have sent as many.
                let _ = self.one_by_one.fetch_update(set, get, less);
            }
            from = to;
        }
        Ok(unheard)
    }

    /// What the client says, with the message that is to blame, if the broker names a size that it does not take.
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

/// The broker has not taken the message of this index.
fn full(confirmed: usize, mut unheard: Vec<usize>) -> Trouble {
    unheard.retain(|index| *index < confirmed);
    Trouble::Full {
        confirmed,
        unheard,
        reason: "a queue that asks for it takes no more (a policy with `max-length` and `reject-publish`), or has no majority of its nodes; look at the queues, and make room".to_owned(),
    }
}

/// What came of messages.
struct Sent {
    /// Those that no queue takes, by their index.
    unheard: Vec<usize>,
    /// The first that the broker has not taken.
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
    // What is returned comes with some confirmation, not always with its own: it is known by what it is.
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

/// What tells a message from others of its batch.
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
        // Polled once, it is in line to be written.
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
