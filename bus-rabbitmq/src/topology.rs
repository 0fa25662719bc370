//! What the bus creates on the broker: an exchange, and for each queue the queue itself, its dead letters, and the
//! record of its declarations.

use crate::options::RabbitMqOptions;
use crate::trouble::{Trouble, declared_differently, is_not_found};
use futures_util::future::try_join_all;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, ExchangeKind};
use midgard::bus::{Queue, Topic};
use std::time::Duration;

/// How long a temporary queue outlives the last connection of its receiver: long enough to reconnect.
const EXPIRES: Duration = Duration::from_secs(60);
/// A limit that is never reached. By default, RabbitMQ 4 would drop messages that come back more than 20 times.
const NEVER: u32 = 1_000_000_000;

/// The names of a queue and its companions.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) exchange: ShortString,
    pub(crate) queue: ShortString,
    /// The queue of messages that were set aside.
    pub(crate) dead: ShortString,
    /// The queue with the record of the topics that the queue wants.
    pub(crate) declared: ShortString,
}

impl Names {
    pub(crate) fn of(queue: &Queue, options: &RabbitMqOptions) -> Result<Self, Trouble> {
        let base = [&options.queue_prefix, queue.name()].concat();
        Ok(Names {
            exchange: name(&options.exchange)?,
            dead: name(format!("{base}.dead"))?,
            declared: name(format!("{base}.declared"))?,
            queue: name(base)?,
        })
    }
}

/// Returns a name for the broker.
fn name(text: impl Into<String>) -> Result<ShortString, Trouble> {
    let text = text.into();
    ShortString::try_new(&*text).map_err(|_| {
        let bytes = text.len();
        Trouble::unusable(format!(
            "the name \"{text}\" has {bytes} bytes and RabbitMQ allows 255; use a shorter one"
        ))
    })
}

pub(crate) async fn declare_exchange(
    channel: &Channel,
    options: &RabbitMqOptions,
) -> Result<(), Trouble> {
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let (name, arguments) = (name(&options.exchange)?, FieldTable::default());
    let declared = channel.exchange_declare(name, ExchangeKind::Topic, durable, arguments);
    declared
        .await
        .map_err(|error| declared_differently("exchange", &options.exchange, error))
}

/// Creates what is missing of a queue, without its bindings.
pub(crate) async fn declare(
    channel: &Channel,
    queue: &Queue,
    names: &Names,
    options: &RabbitMqOptions,
) -> Result<(), Trouble> {
    declare_exchange(channel, options).await?;
    if queue.is_temporary() {
        return declare_queue(channel, &names.queue, temporary()).await;
    }
    declare_dead(channel, names).await?;
    declare_queue(channel, &names.declared, single(quorum(NEVER))).await?;
    let mut arguments = single(quorum(options.delivery_limit));
    // The default exchange, which routes a message to the queue that its routing key names.
    set(&mut arguments, "x-dead-letter-exchange", text(""));
    set(
        &mut arguments,
        "x-dead-letter-routing-key",
        text(names.dead.as_str()),
    );
    // A dead letter stays until its new queue has it, which the broker offers only with this overflow policy.
    set(
        &mut arguments,
        "x-dead-letter-strategy",
        text("at-least-once"),
    );
    set(&mut arguments, "x-overflow", text("reject-publish"));
    declare_queue(channel, &names.queue, arguments).await
}

/// Returns whether the queue exists. If it does not, the channel is closed, so this consumes the channel.
pub(crate) async fn is_there(channel: Channel, names: &Names) -> Result<bool, Trouble> {
    let look = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let found = channel.queue_declare(names.queue.clone(), look, FieldTable::default());
    match found.await {
        Ok(_) => Ok(true),
        Err(error) if is_not_found(&error) => Ok(false),
        Err(error) => Err(Trouble::new("declare a queue", error)),
    }
}

/// Creates the queue for messages that are set aside, if it is missing.
pub(crate) async fn declare_dead(channel: &Channel, names: &Names) -> Result<(), Trouble> {
    declare_queue(channel, &names.dead, quorum(NEVER)).await
}

async fn declare_queue(
    channel: &Channel,
    name: &ShortString,
    arguments: FieldTable,
) -> Result<(), Trouble> {
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(name.clone(), durable, arguments);
    match declared.await {
        Ok(_) => Ok(()),
        Err(error) => Err(declared_differently("queue", name.as_str(), error)),
    }
}

/// Binds the queue to topics.
pub(crate) async fn bind<'t>(
    channel: &Channel,
    names: &Names,
    topics: impl IntoIterator<Item = &'t Topic>,
) -> Result<(), Trouble> {
    let bound = topics.into_iter().map(async |topic| {
        let (queue, exchange) = (names.queue.clone(), names.exchange.clone());
        let (key, options) = (key(topic)?, QueueBindOptions::default());
        let bound = channel.queue_bind(queue, exchange, key, options, FieldTable::default());
        bound
            .await
            .map_err(|error| Trouble::new("bind a queue", error))
    });
    try_join_all(bound).await.map(|_| ())
}

/// Returns the routing key of a topic.
fn key(topic: &Topic) -> Result<ShortString, Trouble> {
    ShortString::try_new(topic.as_str()).map_err(|_| {
        let bytes = topic.as_str().len();
        Trouble::unusable(format!(
            "the topic {topic} has {bytes} bytes and RabbitMQ allows 255; use a shorter name"
        ))
    })
}

/// Returns the settings of a queue that is kept on disk by a majority of the nodes.
fn quorum(delivery_limit: u32) -> FieldTable {
    let mut arguments = FieldTable::default();
    set(&mut arguments, "x-queue-type", text("quorum"));
    let limit = AMQPValue::LongLongInt(i64::from(delivery_limit));
    set(&mut arguments, "x-delivery-limit", limit);
    arguments
}

/// Quorum queues can be neither exclusive nor deleted automatically, so this is a classic one.
fn temporary() -> FieldTable {
    let mut arguments = FieldTable::default();
    set(&mut arguments, "x-queue-type", text("classic"));
    let expires = i64::try_from(EXPIRES.as_millis()).unwrap_or(i64::MAX);
    set(&mut arguments, "x-expires", AMQPValue::LongLongInt(expires));
    single(arguments)
}

/// Restricts a queue to one receiver at a time.
fn single(mut arguments: FieldTable) -> FieldTable {
    let single = AMQPValue::Boolean(true);
    set(&mut arguments, "x-single-active-consumer", single);
    arguments
}

fn set(arguments: &mut FieldTable, name: &'static str, value: AMQPValue) {
    // All names are short.
    arguments.insert(ShortString::from(name), value);
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}
