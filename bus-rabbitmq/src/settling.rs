//! Settling received messages.

use crate::envelope;
use crate::link;
use crate::publishing::Outgoing;
use crate::receiving::{Line, Source};
use crate::topology;
use crate::trouble::Trouble;
use lapin::Acker;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use midgard::bus::{BusError, Settle, Verdict};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};

/// The longest reason that is stored, in bytes.
const REASON: usize = 4096;
/// Headers that are instructions to the broker, and must not be followed again.
const INSTRUCTIONS: [&str; 2] = ["CC", "BCC"];

/// How long to try to set a message aside before it comes again: a program that stops waits for this.
const PATIENCE: Duration = Duration::from_secs(30);
const SET_ASIDE: &str = "set a message aside";
const ACKNOWLEDGE: &str = "acknowledge a message";

/// Settles a message.
pub(crate) struct Settling {
    source: Arc<Source>,
    line: Arc<Line>,
    acker: Acker,
    /// Room for another message, once this one is settled; `None` when it was released.
    room: Option<OwnedSemaphorePermit>,
    original: Original,
}

/// The stored part of a message.
#[derive(Default)]
struct Original {
    exchange: ShortString,
    routing_key: ShortString,
    properties: BasicProperties,
    body: Vec<u8>,
}

impl Settling {
    pub(crate) fn new(
        source: Arc<Source>,
        line: Arc<Line>,
        delivery: Delivery,
        room: OwnedSemaphorePermit,
    ) -> Self {
        Settling {
            source,
            line,
            acker: delivery.acker,
            room: Some(room),
            original: Original {
                exchange: delivery.exchange,
                routing_key: delivery.routing_key,
                properties: delivery.properties,
                body: delivery.data,
            },
        }
    }

    async fn acknowledge(&mut self) -> Result<(), Trouble> {
        let acknowledged = async {
            let acknowledged = self.acker.ack(BasicAckOptions::default()).await;
            acknowledged.map_err(|error| Trouble::new(ACKNOWLEDGE, error))
        };
        if link::while_open(&self.line.channel, ACKNOWLEDGE, acknowledged).await? {
            // Releases the room.
            drop(self.room.take());
            return Ok(());
        }
        let why = "it came over a connection that is gone, and is delivered again";
        Err(Trouble::unavailable(ACKNOWLEDGE, why))
    }

    /// Moves the message to the dead letters, and only then removes it from its queue.
    ///
    /// If that fails, the broker still counts the message among those in flight at this receiver, for good. So the receiver
    /// reconnects, after a wait, and gets the message again.
    async fn set_aside(&mut self, reason: &str) -> Result<(), Trouble> {
        let giving_up = GivingUp(Some(Arc::clone(&self.line)));
        let late = |_| Trouble::unavailable(SET_ASIDE, "the broker accepts no messages now");
        let put = timeout(PATIENCE, self.put_aside(reason)).await;
        match put.map_err(late).flatten() {
            Ok(()) => {
                self.source.not_aside.store(0, Ordering::Release);
                giving_up.forget();
                self.acknowledge().await
            }
            Err(trouble) => {
                let failures = self.source.not_aside.fetch_add(1, Ordering::AcqRel);
                // Each redelivery counts towards the delivery limit.
                sleep(link::wait(failures.saturating_add(3))).await;
                self.line.give_up(trouble.clone());
                Err(trouble)
            }
        }
    }

    async fn put_aside(&mut self, reason: &str) -> Result<(), Trouble> {
        let original = std::mem::take(&mut self.original);
        let (bus, names) = (&self.source.bus, &self.source.names);
        let channel = bus.receiving.channel().await?;
        let declared = topology::declare_dead(&channel, names);
        link::while_open(&channel, SET_ASIDE, declared).await?;
        let letter = original.letter(reason, names.dead.clone());
        match bus.publishing.publish(vec![letter]).await {
            Ok(unheard) if unheard.is_empty() => Ok(()),
            Ok(_) => {
                let why = format!("the queue \"{}\" was deleted", names.dead);
                Err(Trouble::unavailable(SET_ASIDE, why))
            }
            Err(Trouble::Refused { reason, .. } | Trouble::Full { reason, .. }) => {
                let why = format!("the queue \"{}\" does not accept it: {reason}", names.dead);
                Err(Trouble::unavailable(SET_ASIDE, why))
            }
            Err(trouble) => Err(trouble),
        }
    }
}

/// Closes the receiver's channel when it is dropped: a message was not set aside.
struct GivingUp(Option<Arc<Line>>);

impl GivingUp {
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for GivingUp {
    fn drop(&mut self) {
        if let Some(line) = self.0.take() {
            let why = "the program gave it up in the middle";
            line.give_up(Trouble::unavailable(SET_ASIDE, why));
        }
    }
}

impl Original {
    fn letter(self, reason: &str, dead: ShortString) -> Outgoing {
        let mut headers = FieldTable::default();
        let given = self.properties.headers().iter().flat_map(FieldTable::inner);
        for (name, value) in given {
            if !INSTRUCTIONS.contains(&name.as_str()) {
                headers.insert(name.clone(), value.clone());
            }
        }
        let mut text = |name: &'static str, text: &str| {
            let value = AMQPValue::LongString(LongString::from(text));
            headers.insert(ShortString::from(name), value);
        };
        text(
            "midgard-reason",
            &reason[..reason.floor_char_boundary(REASON)],
        );
        text("midgard-exchange", self.exchange.as_str());
        text("midgard-routing-key", self.routing_key.as_str());
        let mut properties = plain(&self.properties).with_headers(headers);
        envelope::shorten(&mut properties);
        Outgoing {
            exchange: ShortString::default(),
            key: dead,
            properties,
            body: self.body,
        }
    }
}

/// Returns the properties of a message without those that the broker would act upon: its expiration, and its owner.
fn plain(given: &BasicProperties) -> BasicProperties {
    let mut properties = BasicProperties::default().with_delivery_mode(2);
    if let Some(kind) = given.content_type() {
        properties = properties.with_content_type(kind.clone());
    }
    if let Some(encoding) = given.content_encoding() {
        properties = properties.with_content_encoding(encoding.clone());
    }
    if let Some(id) = given.correlation_id() {
        properties = properties.with_correlation_id(id.clone());
    }
    if let Some(to) = given.reply_to() {
        properties = properties.with_reply_to(to.clone());
    }
    if let Some(id) = given.message_id() {
        properties = properties.with_message_id(id.clone());
    }
    if let Some(time) = given.timestamp() {
        properties = properties.with_timestamp(*time);
    }
    if let Some(kind) = given.kind() {
        properties = properties.with_type(kind.clone());
    }
    if let Some(program) = given.app_id() {
        properties = properties.with_app_id(program.clone());
    }
    properties
}

impl Settle for Settling {
    fn settle(
        mut self: Box<Self>,
        verdict: Verdict,
    ) -> Pin<Box<dyn Future<Output = Result<(), BusError>> + Send>> {
        Box::pin(async move {
            let location = self.source.bus.location.clone();
            let settled = match (link::runtime(), verdict) {
                (Err(trouble), _) => Err(trouble),
                (Ok(_), Verdict::Acknowledge) => self.acknowledge().await,
                (Ok(_), Verdict::SetAside { reason }) => self.set_aside(&reason).await,
            };
            settled.map_err(|trouble| trouble.at(&location))
        })
    }
}

impl Drop for Settling {
    /// If it was not settled, the broker still considers it with the receiver.
    fn drop(&mut self) {
        if let Some(room) = self.room.take() {
            room.forget();
        }
    }
}
