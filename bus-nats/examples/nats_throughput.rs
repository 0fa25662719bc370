//! How fast the bus publishes, against a bare client that sends the same bytes: batches of 1,000 messages of
//! 300 bytes, rounds of both in turn, and the medians.
//!
//! `cargo run --release -p midgard-bus-nats --example nats_throughput -- nats://127.0.0.1:4222`; without an address it
//! starts a server.

use async_nats::HeaderMap;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, consumer::pull, context::ContextBuilder, stream};
use midgard::EventId;
use midgard::bus::{Message, Publisher, Queue, Subscriber, Topic};
use midgard_bus_nats::{NatsBus, NatsOptions};
use midgard_test_servers::Nats;
use std::error::Error;
use std::io::Write as _;
use std::time::Instant;

const BATCHES: usize = 5;
const BATCH: usize = 1_000;
const ROUNDS: usize = 5;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut own = None;
    let address = match std::env::args().nth(1) {
        Some(address) => address,
        None => own.insert(Nats::start()?).address(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(compare(&address))
}

async fn compare(address: &str) -> Outcome<()> {
    let options = NatsOptions::new(address)
        .with_stream("BENCH")
        .with_prefix("bench");
    let bus = NatsBus::new(options);
    bus.declare(&Queue::new("bench", [Topic::event("order.placed")]))
        .await?;
    let client = async_nats::connect(address).await?;
    let bare = ContextBuilder::new()
        .max_ack_inflight(BATCH * 2)
        .build(client);
    let stream = stream::Config {
        name: "BARE".to_owned(),
        subjects: vec!["bare.>".to_owned()],
        retention: stream::RetentionPolicy::Interest,
        discard: stream::DiscardPolicy::New,
        ..Default::default()
    };
    let stream = bare.create_stream(stream).await?;
    let consumer = pull::Config {
        durable_name: Some("bare".to_owned()),
        filter_subjects: vec!["bare.event.order.placed".to_owned()],
        ..Default::default()
    };
    stream.create_consumer(consumer).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut out = std::io::stdout().lock();
    for round in 0..=ROUNDS {
        let batches = Vec::from_iter((0..BATCHES).map(|_| batch()));
        let began = Instant::now();
        for batch in &batches {
            bus.publish(batch).await?;
        }
        let our = began.elapsed();
        let batches = Vec::from_iter((0..BATCHES).map(|_| batch()));
        let encoded = Vec::from_iter(
            batches
                .iter()
                .map(|batch| Vec::from_iter(batch.iter().map(encode))),
        );
        let began = Instant::now();
        for batch in encoded {
            publish_bare(&bare, batch).await?;
        }
        let their = began.elapsed();
        // The first round warms up.
        if round > 0 {
            ours.push(our);
            theirs.push(their);
        }
    }
    let rate = |times: &mut Vec<std::time::Duration>| {
        times.sort_unstable();
        (BATCHES * BATCH) as f64 / times[times.len() / 2].as_secs_f64()
    };
    let (ours, theirs) = (rate(&mut ours), rate(&mut theirs));
    writeln!(
        out,
        "the bus {ours:.0} messages/s, a bare client {theirs:.0}, ratio {:.2}",
        ours / theirs
    )?;
    Ok(())
}

fn batch() -> Vec<Message> {
    let data = format!("{{\"note\":\"{}\"}}", "x".repeat(289)).into_bytes();
    let message = |number: usize| {
        Message::event("orders", "order.placed", 1, data.clone())
            .with_subject(format!("order-{number}"))
            .with_key(format!("customer-{}", number % 50))
    };
    (0..BATCH).map(message).collect()
}

/// The same bytes, made before.
fn encode(message: &Message) -> (HeaderMap, Vec<u8>) {
    let mut headers = HeaderMap::new();
    for (name, value) in message.attributes() {
        headers.insert(&*format!("ce-{name}"), &*value);
    }
    let id = format!("{}/{}/{}", message.source, message.id, EventId::new());
    headers.insert("Nats-Msg-Id", &id[..id.len() - 17]);
    (headers, message.payload.clone())
}

async fn publish_bare(bare: &jetstream::Context, batch: Vec<(HeaderMap, Vec<u8>)>) -> Outcome<()> {
    let mut unconfirmed = Vec::with_capacity(batch.len());
    for (headers, data) in batch {
        let publish = PublishMessage::build()
            .headers(headers)
            .payload(data.into());
        unconfirmed.push(
            bare.send_publish("bare.event.order.placed", publish)
                .await?,
        );
    }
    for next in unconfirmed {
        next.await?;
    }
    Ok(())
}
