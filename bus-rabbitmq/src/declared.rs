//! Records the declarations of a queue on the broker.
//!
//! AMQP can bind and unbind, but cannot list bindings. So that a topic that is no longer wanted can be unbound by a
//! program that did not see it bound, declarations are recorded: as messages in a queue alongside the queue,
//! `<queue>.declared`. One receiver at a time reads them, which makes it a lock as well.
//!
//! A declaration (1) records its topics as an intent, (2) binds them, (3) reads up to its intent, and then holds the
//! lock, (4) records that it is done, and reads up to that record, so that it has seen everything recorded before,
//! (5) unbinds the topics that others recorded and it did not, and (6) acknowledges its intent and the obsolete
//! records of others. A crash in between leaves at most too many records, and nothing unbound that should be bound.
//! Topics that stay are never touched, so none of their messages is lost.
//!
//! The greatest number of messages in flight is recorded too. Quorum queues put the messages of a dead receiver
//! behind those that already came back, so order is kept only if the next receiver takes all of them at once. It
//! does: it prefetches as many as any receiver before it, until the queue is seen empty.

use crate::link;
use crate::options::RabbitMqOptions;
use crate::publishing::{Outgoing, Publishing};
use crate::topology::{self, Names};
use crate::trouble::Trouble;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Consumer};
use midgard::bus::Queue;
use midgard::{EventId, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a declaration waits for another one of the same queue.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it waits for the confirmation of its record. There may be none when the broker runs out of memory; then
/// receiving is more important than recording.
const WRITING: Duration = Duration::from_secs(5);

/// After this time, the writer of another intent counts as dead.
const STALE: Duration = Duration::from_secs(3600);

/// A record of a declaration.
#[derive(Debug, Default)]
struct Record {
    topics: BTreeSet<String>,
    prefetch: u16,
    is_done: bool,
    /// Its time, in microseconds since 1970.
    at: u64,
}

/// Declares a queue with exactly its topics. Returns how many messages its receivers must prefetch.
pub(crate) async fn declare(
    channel: &Channel,
    publishing: &Arc<Publishing>,
    queue: &Queue,
    names: &Names,
    options: &RabbitMqOptions,
) -> Result<u16, Trouble> {
    topology::declare(channel, queue, names, options).await?;
    if queue.is_temporary() {
        topology::bind(channel, names, queue.topics()).await?;
        return Ok(queue.in_flight());
    }
    let failed = |error| Trouble::new("declare a queue", error);
    let consumer = channel.basic_consume(
        names.declared.clone(),
        ShortString::default(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    let mut written = consumer.await.map_err(failed)?;

    // Declared after the consumer, so that it is dropped first.
    let _closing = Closing(channel);
    let topics: BTreeSet<_> = queue.topics().iter().map(ToString::to_string).collect();
    let in_flight = queue.in_flight();
    let record = |is_done, prefetch| Record {
        topics: topics.clone(),
        prefetch,
        is_done,
        at: Timestamp::now().as_micros(),
    };
    let intent = record(false, in_flight);
    let Ok(intent) = timeout(WRITING, write(publishing, names, &intent)).await else {
        tracing::warn!(
            queue = queue.name(),
            "RabbitMQ does not take messages now, so topics that the queue no longer asks for are not removed"
        );
        topology::bind(channel, names, queue.topics()).await?;
        return Ok(in_flight);
    };
    let intent = intent?;
    topology::bind(channel, names, queue.topics()).await?;

    let mut before = Before::default();
    before.read_until(&mut written, &intent).await?;
    let done = write(publishing, names, &record(true, in_flight)).await?;
    before.read_until(&mut written, &done).await?;
    let prefetch = if in_flight >= before.prefetch || is_idle(channel, names).await? {
        in_flight
    } else {
        write(publishing, names, &record(true, before.prefetch)).await?;
        before.prefetch
    };
    let removed = before.topics.difference(&topics);
    queue.warn_of_removed(removed.clone().map(String::as_str));
    unbind(channel, names, removed).await?;
    for delivery in before.over {
        let acknowledged = delivery.ack(BasicAckOptions::default());
        acknowledged.await.map_err(failed)?;
    }
    Ok(prefetch)
}

/// Closes a channel when it is dropped.
struct Closing<'c>(&'c Channel);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        link::close(self.0);
    }
}

/// The earlier records.
#[derive(Default)]
struct Before {
    topics: BTreeSet<String>,
    prefetch: u16,
    /// Records that need not be kept.
    over: Vec<Delivery>,
}

impl Before {
    /// Reads up to the record that this declaration wrote under this id.
    async fn read_until(&mut self, written: &mut Consumer, id: &str) -> Result<(), Trouble> {
        let reading = async {
            while let Some(delivery) = written.next().await {
                let delivery = delivery.map_err(|error| Trouble::new("declare a queue", error))?;
                let record = read(&delivery.data);
                let is_own = is(&delivery, id);
                let now = Timestamp::now().as_micros();
                let is_stale = Duration::from_micros(now.saturating_sub(record.at)) > STALE;
                if !is_own {
                    self.topics.extend(record.topics);
                    self.prefetch = self.prefetch.max(record.prefetch);
                }
                // An intent is removed by its writer; a record that is done describes what is bound.
                if is_own != record.is_done || (!record.is_done && is_stale) {
                    self.over.push(delivery);
                }
                if is_own {
                    return Ok(());
                }
            }
            Err(Trouble::unavailable(
                "declare a queue",
                "the broker ended it",
            ))
        };
        let why = "another program has been declaring it for too long";
        let late = |_| Trouble::unavailable("declare a queue", why);
        timeout(PATIENCE, reading).await.map_err(late)?
    }
}

/// Records a declaration; returns the record's id.
async fn write(
    publishing: &Arc<Publishing>,
    names: &Names,
    record: &Record,
) -> Result<String, Trouble> {
    let id = EventId::new().to_string();
    let body = json!({
        "topics": record.topics,
        "prefetch": record.prefetch,
        "done": record.is_done,
        "at": record.at,
    });
    let properties = BasicProperties::default().with_delivery_mode(2);
    let message = Outgoing {
        exchange: ShortString::default(),
        key: names.declared.clone(),
        properties: match ShortString::try_new(&*id) {
            Ok(id) => properties.with_message_id(id),
            Err(_) => properties,
        },
        body: body.to_string().into_bytes(),
    };
    let unheard = publishing.publish(vec![message]).await?;
    if unheard.is_empty() {
        Ok(id)
    } else {
        let why = format!("the queue \"{}\" was deleted", names.declared);
        Err(Trouble::unavailable("declare a queue", why))
    }
}

fn is(delivery: &Delivery, id: &str) -> bool {
    let own = delivery.properties.message_id().as_ref();
    own.is_some_and(|own| own.as_str() == id)
}

/// Reads a record; an unknown format gives an empty one.
fn read(body: &[u8]) -> Record {
    let record: Value = serde_json::from_slice(body).unwrap_or_default();
    let topics = record["topics"].as_array().into_iter().flatten();
    let prefetch = record["prefetch"].as_u64().unwrap_or_default();
    Record {
        topics: topics
            .filter_map(|topic| topic.as_str().map(ToOwned::to_owned))
            .collect(),
        prefetch: u16::try_from(prefetch).unwrap_or(u16::MAX),
        is_done: record["done"].as_bool().unwrap_or_default(),
        at: record["at"].as_u64().unwrap_or_default(),
    }
}

/// Returns whether the queue is empty, with no message of it at a receiver.
async fn is_idle(channel: &Channel, names: &Names) -> Result<bool, Trouble> {
    let look = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let found = channel.queue_declare(names.queue.clone(), look, FieldTable::default());
    let found = found
        .await
        .map_err(|error| Trouble::new("declare a queue", error))?;
    Ok(found.message_count() == 0 && found.consumer_count() == 0)
}

async fn unbind<'t>(
    channel: &Channel,
    names: &Names,
    topics: impl IntoIterator<Item = &'t String>,
) -> Result<(), Trouble> {
    let unbound = topics.into_iter().map(async |topic| {
        let Ok(key) = ShortString::try_new(&**topic) else {
            // It was never bound.
            return Ok(());
        };
        let (queue, exchange) = (names.queue.clone(), names.exchange.clone());
        let unbound = channel.queue_unbind(queue, exchange, key, FieldTable::default());
        unbound
            .await
            .map_err(|error| Trouble::new("unbind a queue", error))
    });
    try_join_all(unbound).await.map(|_| ())
}
