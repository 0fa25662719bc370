//! The relay to RabbitMQ, and lapin by hand.

use super::outgoing::Outgoing;
use super::{AT_ONCE, per_second};
use crate::contest::{Samples, rounds};
use crate::{Bench, Outcome};
use futures_util::{StreamExt, TryStreamExt, stream};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueuePurgeOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use midgard::bus::{Message, Queue, Subscriber};
use midgard_bus_rabbitmq::RabbitMqBus;
use midgard_test_servers::RabbitMq;
use std::time::Instant;
use tokio::runtime::Runtime;

/// The exchange of the bus.
const EXCHANGE: &str = "midgard";
const QUEUE: &str = "relayed";

pub(super) fn contest(
    bench: &Bench,
    runtime: &Runtime,
    outgoing: &Outgoing,
) -> Outcome<(Samples, Samples)> {
    let server = RabbitMq::start()?;
    let (bus, client) = runtime.block_on(connect(&server.address(), outgoing))?;
    let mut turns = 0;
    let mut relay = || {
        turns += 1;
        let rate = outgoing.relay(runtime, &format!("rabbitmq-{turns}"), bus.clone())?;
        runtime.block_on(client.empty(outgoing))?;
        Ok(rate)
    };
    let mut by_hand = || {
        let rate = runtime.block_on(client.publish(&outgoing.messages))?;
        runtime.block_on(client.empty(outgoing))?;
        Ok(rate)
    };
    // To warm up.
    let _ = (relay()?, by_hand()?);
    let [ours, raw] = rounds(bench.rounds, [&mut relay, &mut by_hand])?;
    Ok((ours, raw))
}

/// A bus with the queue that both sides publish to, and the client.
async fn connect(address: &str, outgoing: &Outgoing) -> Outcome<(RabbitMqBus, Client)> {
    let bus = RabbitMqBus::connect(address).await?;
    let topics = outgoing.messages.first().map(Message::topic);
    bus.declare(&Queue::new(QUEUE, topics)).await?;
    let connection = Connection::connect(address, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let confirms = ConfirmSelectOptions::default();
    channel.confirm_select(confirms).await?;
    let client = Client {
        channel,
        _connection: connection,
    };
    Ok((bus, client))
}

/// lapin by hand.
struct Client {
    channel: Channel,
    _connection: Connection,
}

impl Client {
    /// Publishes prepared messages, this many at a time; returns messages per second.
    async fn publish(&self, messages: &[Message]) -> Outcome<f64> {
        let made: Vec<_> = messages
            .iter()
            .map(|message| (message.topic().as_str().into(), properties(message)))
            .collect();
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let began = Instant::now();
        stream::iter(made.into_iter().zip(messages))
            .map(async |((key, properties), message)| {
                let (exchange, data) = (EXCHANGE.into(), &message.payload);
                let publish = self
                    .channel
                    .basic_publish(exchange, key, options, data, properties);
                match publish.await?.await? {
                    Confirmation::Ack(None) => Outcome::Ok(()),
                    other => Err(format!("a message was not taken: {other:?}").into()),
                }
            })
            .buffered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(per_second(messages.len(), began.elapsed()))
    }

    /// Empties the queue, which must contain all events.
    async fn empty(&self, outgoing: &Outgoing) -> Outcome<()> {
        let options = QueuePurgeOptions::default();
        let count = self.channel.queue_purge(QUEUE.into(), options).await?;
        if usize::try_from(count)? != outgoing.messages.len() {
            return Err(format!("{count} messages were in the queue").into());
        }
        Ok(())
    }
}

/// The properties that the bus gives a message.
fn properties(message: &Message) -> BasicProperties {
    let mut properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_message_id(message.id.as_str().into())
        .with_type(message.name.as_str().into());
    if let Some(id) = message.correlation_id {
        properties = properties.with_correlation_id(id.to_string().into());
    }
    if let Some(time) = message.time {
        properties = properties.with_timestamp(time.as_micros() / 1_000_000);
    }
    let mut headers = FieldTable::default();
    for (name, value) in message.attributes() {
        if name == "datacontenttype" {
            properties = properties.with_content_type(value.into_owned().into());
            continue;
        }
        let value = AMQPValue::LongString(LongString::from(value.into_owned()));
        headers.insert(format!("cloudEvents:{name}").into(), value);
    }
    properties.with_headers(headers)
}
