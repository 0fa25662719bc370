//! Publishes through the bus and with a bare client, the same bytes to the same kind of queue, in turns:
//! `cargo run --release -p midgard-bus-rabbitmq --example rabbitmq_throughput -- amqp://guest:guest@127.0.0.1:5672/%2f`.

use futures_util::future::try_join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueuePurgeOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use midgard::bus::{Message, Publisher, Queue, Subscriber, Topic};
use midgard_bus_rabbitmq::RabbitMqBus;
use std::error::Error;
use std::io::Write;
use std::time::Instant;

const MESSAGES: usize = 100_000;
const BATCH: usize = 1000;
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address =
        address.ok_or("say the address of a broker: amqp://user:password@host:port/%2f")?;
    let bus = RabbitMqBus::connect(&address).await?;
    let topic = Topic::event("measured");
    let queue = Queue::new("throughput", [topic.clone()]);
    bus.declare(&queue).await?;

    let client = Connection::connect(&address, ConnectionProperties::default()).await?;
    let channel = client.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;

    let messages: Vec<_> = (0..MESSAGES).map(message).collect();
    let mut out = std::io::stdout();
    let (mut bare, mut bused, mut awaited) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let started = Instant::now();
        for batch in messages.chunks(BATCH) {
            publish_bare(&channel, &topic, batch).await?;
        }
        let bare_seconds = started.elapsed().as_secs_f64();
        channel
            .queue_purge("throughput".into(), QueuePurgeOptions::default())
            .await?;

        let started = Instant::now();
        for batch in messages.chunks(BATCH) {
            bus.publish(batch).await?;
        }
        let bus_seconds = started.elapsed().as_secs_f64();
        channel
            .queue_purge("throughput".into(), QueuePurgeOptions::default())
            .await?;

        let started = Instant::now();
        for batch in messages.chunks(BATCH) {
            publish_awaited(&channel, &topic, batch).await?;
        }
        let awaited_seconds = started.elapsed().as_secs_f64();
        channel
            .queue_purge("throughput".into(), QueuePurgeOptions::default())
            .await?;
        // The first round is for warming up.
        if round > 0 {
            bare.push(bare_seconds);
            bused.push(bus_seconds);
            awaited.push(awaited_seconds);
            writeln!(
                out,
                "round {round}: bare {bare_seconds:.2} s, bus {bus_seconds:.2} s, bare, each write awaited {awaited_seconds:.2} s"
            )?;
        }
    }
    let (bare, bused, awaited) = (median(&mut bare), median(&mut bused), median(&mut awaited));
    let per_second = |seconds: f64| MESSAGES as f64 / seconds;
    writeln!(
        out,
        "medians: bare {:.0}/s, bus {:.0}/s, ratio {:.2}; bare with each write awaited {:.0}/s",
        per_second(bare),
        per_second(bused),
        bare / bused,
        per_second(awaited),
    )?;
    Ok(())
}

/// About 300 bytes of payload.
fn message(number: usize) -> Message {
    let data = format!("{{\"number\":{number},\"text\":\"{}\"}}", "x".repeat(270));
    Message::event("throughput", "measured", 1, data.into_bytes())
        .with_key(format!("key-{}", number % 100))
}

/// The properties that the bus sends, so that the bytes are the same.
fn properties(message: &Message) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in message.attributes() {
        if name != "datacontenttype" {
            let value = AMQPValue::LongString(LongString::from(value.into_owned()));
            headers.insert(format!("cloudEvents:{name}").into(), value);
        }
    }
    BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_type("application/json".into())
        .with_message_id(message.id.as_str().into())
        .with_type(message.name.as_str().into())
        .with_headers(headers)
}

fn options() -> BasicPublishOptions {
    BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    }
}

/// All writes at once, then all confirmations.
async fn publish_bare(channel: &Channel, topic: &Topic, batch: &[Message]) -> lapin::Result<()> {
    let writes = batch.iter().map(|message| {
        let key = topic.as_str().into();
        channel.basic_publish(
            "midgard".into(),
            key,
            options(),
            &message.payload,
            properties(message),
        )
    });
    let confirms = try_join_all(writes).await?;
    try_join_all(confirms).await?;
    Ok(())
}

/// Each write is awaited before the next, as in most examples; the confirmations come together.
async fn publish_awaited(channel: &Channel, topic: &Topic, batch: &[Message]) -> lapin::Result<()> {
    let mut confirms = Vec::new();
    for message in batch {
        let key = topic.as_str().into();
        let write = channel.basic_publish(
            "midgard".into(),
            key,
            options(),
            &message.payload,
            properties(message),
        );
        confirms.push(write.await?);
    }
    try_join_all(confirms).await?;
    Ok(())
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
