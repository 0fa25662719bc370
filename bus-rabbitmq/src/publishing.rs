//! Publishes batches: all of a batch at once, and then waits for the broker to confirm all of it.

use crate::envelope;
use crate::link::Link;
use crate::options::RabbitMqOptions;
use crate::topology;
use crate::trouble::Trouble;
use futures_util::poll;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};
use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// How many batches are published at the same time.
const AT_ONCE: usize = 16;
/// How many bytes of a batch wait to be written, before more are added.
const WINDOW: usize = 4 << 20;
/// How often it is looked whether waiting for confirmations is still of use.
const LOOK: Duration = Duration::from_secs(5);
/// For how long they are waited for, while the broker takes messages.
const LONGEST: Duration = Duration::from_secs(60);

/// Who publishes.
pub(crate) struct Publishing {
    options: Arc<RabbitMqOptions>,
    link: Link,
    /// Channels that nobody uses now. Each carries one batch at a time, so that what is returned belongs to it.
    idle: Mutex<Vec<Channel>>,
    slots: Semaphore,
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
            slots: Semaphore::new(AT_ONCE),
        })
    }

    /// Publishes, in order; gives those that no queue takes, by their index.
    ///
    /// It goes on in a task of its own: dropped in the middle, it would leave the channel in an unknown state.
    pub(crate) async fn publish(
        self: &Arc<Self>,
        batch: Vec<Outgoing>,
    ) -> Result<Vec<usize>, Trouble> {
        let Ok(handle) = tokio::runtime::Handle::try_current() else {
            // It says what is wrong.
            return self.link.channel().await.map(|_| Vec::new());
        };
        let publishing = Arc::clone(self);
        let task = handle.spawn(async move { publishing.publish_now(&batch).await });
        task.await.map_err(|error| {
            Trouble::unavailable("publish", format!("publishing ended early: {error}"))
        })?
    }

    /// Makes the connection, if there is none.
    pub(crate) async fn reach(&self) -> Result<(), Trouble> {
        let channel = self.take().await?;
        self.put_back(channel);
        Ok(())
    }

    async fn publish_now(&self, batch: &[Outgoing]) -> Result<Vec<usize>, Trouble> {
        // It is never closed.
        let _slot = self.slots.acquire().await;
        let channel = self.take().await?;
        match self.watch(&channel, send(&channel, batch)).await {
            Ok(unheard) => {
                self.link.worked().await;
                self.put_back(channel);
                Ok(unheard)
            }
            Err(trouble) => {
                self.link.failed().await;
                Err(trouble)
            }
        }
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
        if let Err(trouble) = made.await {
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

    /// Waits for what is sent over a channel, as long as there is something to wait for.
    async fn watch<T>(
        &self,
        channel: &Channel,
        sending: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let mut sending = pin!(sending);
        let started = Instant::now();
        loop {
            if let Ok(sent) = timeout(LOOK, &mut sending).await {
                return sent;
            }
            let lost = |why: String| Err(Trouble::unavailable("publish", why));
            if !channel.status().connected() {
                return lost("the connection was lost".to_owned());
            }
            let waited = started.elapsed();
            if self.link.is_blocked().await {
                tracing::warn!(
                    location = self.options.location(),
                    seconds = waited.as_secs(),
                    "RabbitMQ takes no messages, because it runs out of memory or disk; publishing waits for it"
                );
            } else if waited > LONGEST {
                return lost(format!(
                    "it was not confirmed within {} s; a queue may have no majority of its nodes",
                    waited.as_secs()
                ));
            }
        }
    }
}

/// Sends all messages, and waits until all are confirmed.
async fn send(channel: &Channel, batch: &[Outgoing]) -> Result<Vec<usize>, Trouble> {
    let failed = |error| Trouble::new("publish", error);
    let confirms = write(channel, batch).await.map_err(failed)?;
    let (mut unheard, mut refused) = (Vec::new(), 0);
    for confirm in confirms {
        match confirm.await.map_err(failed)? {
            Confirmation::Ack(None) => {}
            Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
                unheard.push(returned);
            }
            Confirmation::Nack(None) | Confirmation::NotRequested => refused += 1,
        }
    }
    if refused > 0 {
        let why = format!(
            "the broker did not take {refused} of {} messages",
            batch.len()
        );
        return Err(Trouble::unavailable("publish", why));
    }
    if unheard.is_empty() {
        return Ok(Vec::new());
    }
    // What is returned comes with some confirmation, not always with its own: it is known by what it is.
    let mut returned: HashMap<_, usize> = HashMap::new();
    for message in &unheard {
        let which = (message.routing_key.clone(), id(&message.properties));
        *returned.entry(which).or_default() += 1;
    }
    let indices = batch.iter().enumerate().filter(|(_, message)| {
        let which = (message.key.clone(), id(&message.properties));
        let left = returned.get_mut(&which).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    });
    Ok(indices.map(|(index, _)| index).collect())
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
