//! Receives from queues.

use crate::bus::Bus;
use crate::envelope;
use crate::link;
use crate::settling::Settling;
use crate::topology::{self, Names};
use crate::trouble::Trouble;
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueDeleteOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Consumer};
use midgard::bus::{BusError, Deliveries, Queue, Received};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

/// How long the broker may take to admit a receiver.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often to check that the channel is still open.
const LOOK: Duration = Duration::from_secs(1);

/// The deliveries of a queue of a [`RabbitMqBus`](crate::RabbitMqBus).
pub struct RabbitMqDeliveries {
    source: Arc<Source>,
    state: State,
}

/// The queue that messages come from.
pub(crate) struct Source {
    pub(crate) bus: Arc<Bus>,
    pub(crate) queue: Queue,
    pub(crate) names: Names,
    /// How many messages the broker sends ahead; the receiver is handed no more than the queue allows.
    pub(crate) prefetch: u16,
    /// How many times in a row a message could not be set aside.
    pub(crate) not_aside: AtomicU32,
}

enum State {
    /// Kept here, so that dropping the future of `next` does not start it again.
    Opening(Pin<Box<dyn Future<Output = Result<Box<Consuming>, Trouble>> + Send>>),
    Consuming(Box<Consuming>),
}

/// The channel that messages come over, shared with unsettled messages.
pub(crate) struct Line {
    pub(crate) channel: Channel,
    /// The reason why it was given up here.
    trouble: Mutex<Option<Trouble>>,
}

impl Line {
    /// Gives it up, so that all unsettled messages come again, over another channel, and after a wait.
    pub(crate) fn give_up(&self, trouble: Trouble) {
        let mut why = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        why.get_or_insert(trouble);
        link::close(&self.channel);
    }

    fn trouble(&self) -> Option<Trouble> {
        let mut why = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        why.take()
    }
}

/// Receiving over one channel, until it is lost.
struct Consuming {
    line: Arc<Line>,
    consumer: Consumer,
    /// The messages that were sent ahead.
    waiting: VecDeque<Delivery>,
    /// How many more the receiver may have.
    room: Arc<Semaphore>,
}

impl RabbitMqDeliveries {
    pub(crate) async fn open(source: Source) -> Result<Self, Trouble> {
        let source = Arc::new(source);
        let consuming = Source::open(Arc::clone(&source)).await?;
        Ok(RabbitMqDeliveries {
            source,
            state: State::Consuming(consuming),
        })
    }

    fn reopen(&mut self) {
        self.state = State::Opening(Box::pin(Source::open(Arc::clone(&self.source))));
    }
}

impl Source {
    /// Begins to receive, and creates everything again that is missing.
    async fn open(source: Arc<Source>) -> Result<Box<Consuming>, Trouble> {
        let link = &source.bus.receiving;
        let channel = link.channel().await?;
        let late = |_| Trouble::unavailable("receive", "the broker did not answer in time");
        let opened = timeout(PATIENCE, source.consume(channel)).await;
        match opened.map_err(late).flatten() {
            Ok(consuming) => {
                link.worked().await;
                Ok(consuming)
            }
            Err(trouble) => {
                link.failed().await;
                Err(trouble)
            }
        }
    }

    async fn consume(&self, channel: Channel) -> Result<Box<Consuming>, Trouble> {
        let (names, options) = (&self.names, &self.bus.options);
        topology::declare(&channel, &self.queue, names, options).await?;
        topology::bind(&channel, names, self.queue.topics()).await?;
        let failed = |error| Trouble::new("receive", error);
        let limit = channel.basic_qos(self.prefetch, BasicQosOptions::default());
        limit.await.map_err(failed)?;
        let (queue, tag) = (names.queue.clone(), ShortString::default());
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(queue, tag, options, FieldTable::default());
        Ok(Box::new(Consuming {
            consumer: consumer.await.map_err(failed)?,
            line: Arc::new(Line {
                channel,
                trouble: Mutex::default(),
            }),
            waiting: VecDeque::new(),
            room: Arc::new(Semaphore::new(self.queue.in_flight().into())),
        }))
    }
}

impl Consuming {
    /// Returns the next message, once the receiver has room for it. Dropping the future loses no message.
    async fn next(&mut self) -> Result<(Delivery, OwnedSemaphorePermit), Trouble> {
        let lost = |why: &str| Trouble::unavailable("receive", why);
        loop {
            // Messages sent ahead over a closed channel belong to another receiver now.
            if !self.line.channel.status().connected() {
                if let Some(trouble) = self.line.trouble() {
                    return Err(trouble);
                }
                // The client may not report the cause.
                return match timeout(LOOK, self.consumer.next()).await {
                    Ok(Some(Err(error))) => Err(Trouble::new("receive", error)),
                    _ => Err(lost("the connection was lost")),
                };
            }
            if !self.waiting.is_empty()
                && let Ok(room) = Arc::clone(&self.room).try_acquire_owned()
                && let Some(delivery) = self.waiting.pop_front()
            {
                return Ok((delivery, room));
            }
            tokio::select! {
                biased;
                delivery = self.consumer.next() => match delivery {
                    Some(Ok(delivery)) => self.waiting.push_back(delivery),
                    Some(Err(error)) => return Err(Trouble::new("receive", error)),
                    None => return Err(lost("the broker ended it: the queue was deleted or has moved")),
                },
                _ = self.room.acquire(), if !self.waiting.is_empty() => {}
                // Nor does it always report that the channel is closed.
                () = sleep(LOOK) => {}
            }
        }
    }
}

impl Drop for Consuming {
    fn drop(&mut self) {
        link::close(&self.line.channel);
    }
}

impl Deliveries for RabbitMqDeliveries {
    async fn next(&mut self) -> Result<Received, BusError> {
        link::runtime().map_err(|trouble| trouble.at(&self.source.bus.location))?;
        loop {
            let trouble = match &mut self.state {
                State::Opening(opening) => match opening.await {
                    Ok(consuming) => {
                        self.state = State::Consuming(consuming);
                        continue;
                    }
                    Err(trouble) => trouble,
                },
                State::Consuming(consuming) => match consuming.next().await {
                    Ok((delivery, room)) => {
                        let line = Arc::clone(&consuming.line);
                        return Ok(self.received(delivery, line, room));
                    }
                    Err(trouble) => {
                        self.source.bus.receiving.failed().await;
                        trouble
                    }
                },
            };
            self.reopen();
            return Err(trouble.at(&self.source.bus.location));
        }
    }
}

impl RabbitMqDeliveries {
    fn received(
        &self,
        delivery: Delivery,
        line: Arc<Line>,
        room: OwnedSemaphorePermit,
    ) -> Received {
        let content = envelope::read(&delivery.properties, &delivery.data);
        let is_redelivered = delivery.redelivered;
        let settling = Settling::new(Arc::clone(&self.source), line, delivery, room);
        Received::new(content, is_redelivered, settling)
    }
}

impl Drop for RabbitMqDeliveries {
    fn drop(&mut self) {
        if !self.source.queue.is_temporary() {
            return;
        }
        let Ok(handle) = tokio::runtime::Handle::try_current() else {
            // It expires.
            return;
        };
        self.reopen();
        let source = Arc::clone(&self.source);
        handle.spawn(async move {
            let unused = QueueDeleteOptions {
                if_unused: true,
                ..QueueDeleteOptions::default()
            };
            // The broker may still be removing the receiver.
            for wait in [50, 200, 1000, 5000] {
                let Ok(channel) = source.bus.receiving.channel().await else {
                    return;
                };
                let queue = source.names.queue.clone();
                let deleted = async {
                    let deleted = channel.queue_delete(queue, unused).await;
                    deleted.map_err(|error| Trouble::new("remove a queue", error))
                };
                if link::while_open(&channel, "remove a queue", deleted)
                    .await
                    .is_ok()
                {
                    return;
                }
                sleep(Duration::from_millis(wait)).await;
            }
            tracing::debug!(
                queue = source.queue.name(),
                "a temporary queue is left to expire"
            );
        });
    }
}

impl fmt::Debug for RabbitMqDeliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMqDeliveries")
            .field("queue", &self.source.names.queue.as_str())
            .finish_non_exhaustive()
    }
}
