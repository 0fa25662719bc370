//! The relay to NATS, and async-nats by hand.

use super::outgoing::Outgoing;
use super::{AT_ONCE, per_second};
use crate::contest::{Samples, rounds};
use crate::{Bench, Outcome};
use async_nats::HeaderMap;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, context::ContextBuilder};
use futures_util::{StreamExt, TryStreamExt, stream};
use midgard::bus::{Message, Queue, Subscriber};
use midgard_bus_nats::{NatsBus, NatsOptions};
use midgard_test_servers::Nats;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// A shared disk may be slow.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn contest(
    bench: &Bench,
    runtime: &Runtime,
    outgoing: &Outgoing,
    server: &Nats,
) -> Outcome<(Samples, Samples)> {
    let address = server.address();
    let client = runtime.block_on(async_nats::connect(&address))?;
    // It starts a task.
    let entered = runtime.enter();
    let client = ContextBuilder::new()
        .max_ack_inflight(2 * AT_ONCE)
        .timeout(PATIENCE)
        .build(client);
    drop(entered);
    let place = |name: String| Place {
        address: &address,
        client: &client,
        name,
    };
    let (mut relayed, mut by_hand) = (0, 0);
    let mut relay = || {
        relayed += 1;
        let place = place(format!("relayed-{relayed}"));
        let bus = runtime.block_on(place.make(outgoing))?;
        let rate = outgoing.relay(runtime, &place.name, bus)?;
        runtime.block_on(place.remove(outgoing))?;
        Ok(rate)
    };
    let mut publish = || {
        by_hand += 1;
        let place = place(format!("by-hand-{by_hand}"));
        let rate = runtime.block_on(async {
            // The queue is that of the bus, but the connection is not.
            drop(place.make(outgoing).await?);
            place.publish(&outgoing.messages).await
        })?;
        runtime.block_on(place.remove(outgoing))?;
        Ok(rate)
    };
    // To warm up.
    let _ = (relay()?, publish()?);
    let [ours, raw] = rounds(bench.rounds, [&mut relay, &mut publish])?;
    Ok((ours, raw))
}

/// A separate stream for each turn: it does not recognise earlier messages.
struct Place<'p> {
    address: &'p str,
    client: &'p jetstream::Context,
    name: String,
}

impl Place<'_> {
    /// Creates the stream, with a queue.
    async fn make(&self, outgoing: &Outgoing) -> Outcome<NatsBus> {
        let options = NatsOptions::new(self.address)
            .with_stream(&self.name)
            .with_prefix(&self.name);
        let bus = NatsBus::new(options);
        let topics = outgoing.messages.first().map(Message::topic);
        bus.declare(&Queue::new("relayed", topics)).await?;
        Ok(bus)
    }

    /// Publishes prepared messages, this many at a time; returns messages per second.
    async fn publish(&self, messages: &[Message]) -> Outcome<f64> {
        let made: Vec<_> = messages.iter().map(|message| self.made(message)).collect();
        let began = Instant::now();
        stream::iter(made)
            .map(async |(subject, publish)| {
                self.client.send_publish(subject, publish).await?.await?;
                Outcome::Ok(())
            })
            .buffered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(per_second(messages.len(), began.elapsed()))
    }

    /// A message as the bus sends it.
    fn made(&self, message: &Message) -> (String, PublishMessage) {
        let mut headers = HeaderMap::new();
        for (name, value) in message.attributes() {
            headers.insert(format!("ce-{name}").as_str(), &*value);
        }
        // The bus adds since when the queue is there, in nanoseconds.
        let id = format!("{}/{}/{:019}", message.source, message.id, 1);
        let publish = PublishMessage::build()
            .headers(headers)
            .message_id(id)
            .payload(message.payload.clone().into());
        (format!("{}.{}", self.name, message.topic()), publish)
    }

    /// Deletes the stream, which must contain all events.
    async fn remove(&self, outgoing: &Outgoing) -> Outcome<()> {
        let stream = self.client.get_stream(&self.name).await?;
        let count = stream.cached_info().state.messages;
        if usize::try_from(count)? != outgoing.messages.len() {
            return Err(format!("{count} messages were in the stream").into());
        }
        self.client.delete_stream(&self.name).await?;
        Ok(())
    }
}
