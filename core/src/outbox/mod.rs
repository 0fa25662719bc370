//! What leaves the service: events of the log, and the commands and replies in it.
//!
//! Nothing is published when events are appended: the log is the outbox. A relay reads it from its checkpoint and
//! publishes what is to leave, so a bus that is down neither fails an append nor slows it, and no message
//! is without its event, or an event without its message.

mod relay;

pub(crate) use relay::Relay;

use crate::codec::{self, DecodeError, ReadBack};
use crate::consumer::{ConsumerOptions, FailurePolicy};
use crate::event::Event;
use crate::projection::HandlerError;
use crate::record::RecordedEventRef;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// An event that other services may be told of as it is. Marked with `#[publish]` beside `#[event(..)]`:
///
/// ```
/// use midgard::{Event, Publish};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "order.placed")]
/// #[publish(key = customer)] // or `#[publish]`: then its stream is the key
/// struct OrderPlaced { customer: u32, cents: u64 }
///
/// assert_eq!(OrderPlaced { customer: 4, cents: 100 }.key().as_deref(), Some("4"));
/// ```
#[diagnostic::on_unimplemented(
    message = "event `{Self}` may not leave the service",
    label = "this event is not marked `#[publish]`",
    note = "write `#[publish]`, or `#[publish(key = ..)]`, below its `#[event(..)]`"
)]
pub trait Publish: Event {
    /// Whether it has a key of its own.
    const HAS_KEY: bool;

    /// The key within which its message stays in order. Without one, its stream.
    fn key(&self) -> Option<Cow<'_, str>>;
}

/// Which events leave a service, and in which form: the one place that says so. The commands that its process
/// managers send, and the replies of its inbox, leave with them.
///
/// ```
/// use midgard::{Event, Outbox, Publish};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "order.placed")]
/// #[publish(key = customer)]
/// struct OrderPlaced { customer: u32, cents: u64 }
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "order.packed")]
/// struct OrderPacked { shelf: String, carrier: String }
///
/// /// What others are told when an order was packed: no word of shelves.
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "shop.order_on_its_way")]
/// #[publish]
/// struct OrderOnItsWay { carrier: String }
///
/// let outbox = Outbox::new("orders")
///     .publish::<OrderPlaced>()
///     .map(|packed: OrderPacked, _| Some(OrderOnItsWay { carrier: packed.carrier }));
/// // Midgard::new(store).outbox(outbox, bus).run().await?;
/// ```
///
/// Each event becomes one message, with the event's id, in the order of the log; at least once. A receiver that has handled it
/// knows it again. An old version of an event leaves in the newest that the program knows.
///
/// While the bus cannot be reached, it is tried again, with growing waits; the [status](crate::Status) says so. An event
/// that the bus refuses for what it is (too large, say) is parked as a [dead letter](crate::DeadLetter), with the later
/// events of its stream; a reply, with the later ones to the same process.
///
/// Old and new releases may run at once: one that publishes fewer events, or reads fewer versions of one, stands by, as its
/// status says, so that it passes over nothing that others publish. See [`ConsumerOptions::drops`].
///
/// [Stopped](crate::MidgardHandle::stop), it no longer waits for the bus: what is not confirmed by then is published again when
/// it is run the next time. [Drained](crate::MidgardHandle::drain), it publishes what the log has now, or fails, after
/// a few tries, when the bus does not take it.
#[must_use = "pass it to `Midgard::outbox`"]
pub struct Outbox {
    source: String,
    name: String,
    routes: HashMap<&'static str, Box<Route>>,
    /// The newest versions of the events that are published.
    versions: HashMap<&'static str, u32>,
    unheard: Unheard,
    /// Whether the commands and replies of the log leave with it, too.
    pub(crate) carries_commands: bool,
    options: ConsumerOptions,
}

/// What is done with a message that nobody has a queue for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Unheard {
    /// It is published again until someone has, every five seconds at last: nothing is lost when the others are started
    /// later. What comes after it waits.
    #[default]
    Wait,
    /// It is passed over, as nobody cares, if it is an event. Commands wait in any case. A reply waits for half a minute, and
    /// is then parked as a [dead letter](crate::DeadLetter), as anyone who sends a command may ask for one; the reply to
    /// a [`CommandClient`](crate::CommandClient) that is gone is passed over.
    Discard,
}

/// What an event is to others.
pub(crate) struct Public {
    name: &'static str,
    schema_version: u32,
    key: Option<String>,
    data: Vec<u8>,
}

type Route =
    dyn Fn(&RecordedEventRef<'_>) -> Result<Option<Public>, RouteError> + Send + Sync + 'static;

/// Why an event has no message.
pub(crate) enum RouteError {
    Decode(DecodeError),
    Other(HandlerError),
}

impl Outbox {
    /// What leaves the service of this name: the source of its messages.
    pub fn new(source: impl Into<String>) -> Self {
        let policy = FailurePolicy::retry(5).then_park();
        Outbox {
            source: source.into(),
            name: "outbox".to_owned(),
            routes: HashMap::new(),
            versions: HashMap::new(),
            unheard: Unheard::Wait,
            carries_commands: true,
            options: ConsumerOptions::new().on_failure(policy),
        }
    }

    /// Another name for its checkpoint than `outbox`, where one program has several.
    ///
    /// Commands and replies leave with the first that is added to a [`Midgard`](crate::Midgard), and only with it: so it is to be the
    /// one whose bus they go over, and to stay the first. Where several publish the same event to one bus under different
    /// names, give each a source of its own: a receiver takes messages of one source and id for the same.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Lets an event leave as it is.
    pub fn publish<E: Publish>(mut self) -> Self {
        let route = |event: &RecordedEventRef<'_>| {
            let is_as_written =
                event.schema_version == E::VERSION && event.codec == crate::Codec::JSON;
            if !E::HAS_KEY && is_as_written {
                return Ok(Some(Public {
                    name: E::NAME,
                    schema_version: E::VERSION,
                    key: None,
                    data: event.payload.to_vec(),
                }));
            }
            let decoded = codec::decode::<E>(event).map_err(RouteError::Decode)?;
            public(&decoded, is_as_written.then_some(event.payload)).map(Some)
        };
        self.routes.insert(E::NAME, Box::new(route));
        self.versions.insert(E::NAME, E::VERSION);
        self
    }

    /// Lets an event leave in the form of another, its public one; or, with `None`, not at all.
    pub fn map<E, P, F>(mut self, form: F) -> Self
    where
        E: Event,
        P: Publish,
        F: Fn(E, &RecordedEventRef<'_>) -> Option<P> + Send + Sync + 'static,
    {
        let route = move |event: &RecordedEventRef<'_>| {
            let decoded = codec::decode::<E>(event).map_err(RouteError::Decode)?;
            form(decoded, event)
                .map(|form| public(&form, None))
                .transpose()
        };
        self.routes.insert(E::NAME, Box::new(route));
        self.versions.insert(E::NAME, E::VERSION);
        self
    }

    /// What is done with a message that nobody has a queue for; without this, it [waits](Unheard::Wait).
    pub const fn unheard(mut self, unheard: Unheard) -> Self {
        self.unheard = unheard;
        self
    }

    /// For how long a worker may be silent before others take over. See [`ConsumerOptions::lease`].
    pub fn lease(mut self, silence: Duration) -> Self {
        self.options = self.options.lease(silence);
        self
    }

    /// How it is run, instead of parking at once what the bus refuses, and after five retries what has no public form. Its
    /// failure policy does not apply to a bus that cannot be reached, and to what is unheard: both are tried again for as
    /// long as it takes.
    pub fn options(mut self, options: ConsumerOptions) -> Self {
        self.options = options;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The public form of an event; its payload is copied where it is known.
fn public<P: Publish>(event: &P, payload: Option<&[u8]>) -> Result<Public, RouteError> {
    let data = match payload {
        Some(payload) => payload.to_vec(),
        None => {
            codec::encode(event, ReadBack::Yes).map_err(|error| RouteError::Other(error.into()))?
        }
    };
    Ok(Public {
        name: P::NAME,
        schema_version: P::VERSION,
        key: event.key().map(Cow::into_owned),
        data,
    })
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("source", &self.source)
            .field("name", &self.name)
            .field("events", &self.routes.keys())
            .field("unheard", &self.unheard)
            .field("options", &self.options)
            .finish()
    }
}
