//! What leaves the service: events of the log, and the commands and replies in it.
//!
//! Nothing is published when events are appended: the log is the outbox. A relay reads it from its checkpoint and
//! publishes what is to leave, so a bus that is down neither fails an append nor slows it, and no message
//! is without its event, or an event without its message.

use super::leaving::{Leaving, Public, Route, RouteError, events_of, public};
use crate::consumer::notes::Keys;
use crate::consumer::start::StartFrom;
use crate::consumer::{ConsumerOptions, FailurePolicy};
use crate::event::record::RecordedEventRef;
use crate::event::{Encoded, Event, EventDescriptor};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// An event that other services may be told of as it is. Marked with `#[publish]` beside `#[event(..)]`:
///
/// ```
/// use midgard::Event;
/// use midgard::outbox::Publish;
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
/// use midgard::{Event, Outbox};
/// use midgard::outbox::Publish;
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
/// While the bus cannot be reached, it is tried again, with growing waits; the [status](crate::consumer::Status) says so. An event
/// that the bus refuses for what it is (too large, say) is parked as a [dead letter](crate::consumer::DeadLetter), with the later
/// events of its stream; a reply, with the later ones to the same process.
///
/// # What nobody asks for
///
/// An event that nobody has a queue for [waits, or is discarded](Unheard). A command or a reply goes out of the way at once: it is
/// a [dead letter](crate::consumer::DeadLetter), with the later ones of its key to the same service (of its process, where it has no key),
/// and all others leave. It comes back by itself: every five seconds at last it is looked whether somebody asks for its topic by now.
/// A reply is tried for a minute, as anyone who sends a command may have made up where the answer goes, and then waits for
/// [`retry`](crate::MidgardHandle::retry). [`evict`](crate::MidgardHandle::evict) gives up what is not to leave any more; what followed that comes back, too. The reply to a
/// [`CommandClient`](crate::CommandClient) that is gone is passed over. The [status](crate::consumer::Status) says how many are parked, and names
/// the last topic.
///
/// Old and new releases may run at once: one that publishes fewer events, or reads fewer versions of one, stands by, as its
/// status says, so that it passes over nothing that others publish. See [`ConsumerOptions::drops`].
///
/// [Stopped](crate::MidgardHandle::stop), it no longer waits for the bus: what is not confirmed by then is published again when
/// it is run the next time. [Drained](crate::MidgardHandle::drain), it publishes what the log has now, or fails, after
/// a few tries, when the bus does not take it.
#[must_use = "pass it to `Midgard::outbox`"]
pub struct Outbox {
    pub(super) source: String,
    name: String,
    /// Which bus it publishes to, where that was said.
    bus: Option<String>,
    /// Where it begins, where that was said.
    pub(super) start: Option<StartFrom>,
    pub(super) routes: HashMap<&'static str, Box<Route>>,
    /// The events that are published.
    pub(super) events: Vec<&'static EventDescriptor>,
    pub(super) unheard: Unheard,
    /// Whether the commands and replies of the log leave with it, too.
    pub(crate) carries_commands: bool,
    pub(super) options: ConsumerOptions,
}

/// The name of the checkpoint of an outbox that is given none.
pub(super) const DEFAULT_NAME: &str = "outbox";

/// What is done with a message that nobody has a queue for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Unheard {
    /// An event is published again until someone has, every five seconds at last: nothing is lost when the others are
    /// started later. What comes after it waits.
    #[default]
    Wait,
    /// It is passed over, as nobody cares, if it is an event. Commands and replies wait [aside](Outbox#what-nobody-asks-for) in
    /// any case.
    Discard,
}

impl Outbox {
    /// What leaves the service of this name: the source of its messages.
    pub fn new(source: impl Into<String>) -> Self {
        let policy = FailurePolicy::retry(5).then_park();
        Outbox {
            source: source.into(),
            name: DEFAULT_NAME.to_owned(),
            bus: None,
            start: None,
            routes: HashMap::new(),
            events: Vec::new(),
            unheard: Unheard::Wait,
            carries_commands: true,
            options: ConsumerOptions::new().on_failure(policy),
        }
    }

    /// Another name for its checkpoint than `outbox`, where one program has several.
    ///
    /// The name is part of what is stored: under another one it is a new outbox, which is to say [where it begins](Self::from).
    ///
    /// Commands and replies leave with the first that is added to a [`Midgard`](crate::Midgard), and only with it: so it is to be the
    /// one whose bus they go over. Their checkpoint is one for the whole store, whatever the name: an outbox that carries them goes on
    /// where the one before it was. Of those that carry them, in whichever program, one is at work at a time, and the others stand
    /// by; let an outbox of another program carry [only events](Self::events_only). Where several publish the same event to one bus
    /// under different names, give each a source of its own: a receiver takes messages of one source and id for the same.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets where it begins to publish events when it was never run. Later it is of no matter. Commands and replies go on where
    /// they are in any case.
    ///
    /// Without it, the first outbox of a store begins with the first event, so that others can build what they keep from all
    /// of history, and says so as a warning where the log has events.
    ///
    /// On a store that another program's outbox was run on, a new one is to say it: it may well be the same under another
    /// name, and would publish all of history once more. It [fails](crate::consumer::RunError::NewOutbox) else.
    pub const fn from(mut self, start: StartFrom) -> Self {
        self.start = Some(start);
        self
    }

    /// Leaves commands and replies to another outbox, of this or of another program on the store.
    pub const fn events_only(mut self) -> Self {
        self.carries_commands = false;
        self
    }

    /// Says which bus it publishes to, by any text of 1 to 100 bytes without slashes. What was published to one bus is not known to
    /// another: everything that the log has, commands and replies too, is published to a bus of another id; receivers know
    /// again what they have handled. So a broker that has lost what it had, or that was set up anew, is given a
    /// new id. One that is given an earlier id again goes on where that was.
    ///
    /// An outbox that does not say it has a bus like any other, without an id.
    pub fn bus_id(mut self, id: impl Into<String>) -> Self {
        self.bus = Some(id.into());
        self
    }

    /// Lets an event leave as it is.
    pub fn publish<E: Publish>(mut self) -> Self {
        self.leaves::<E>(|leaving, event, to| {
            let is_as_written =
                matches!(leaving, Leaving::Recorded) && event.schema_version == E::VERSION;
            if is_as_written && !E::HAS_KEY {
                to(Public {
                    key: None,
                    encoded: Encoded {
                        name: Cow::Borrowed(E::NAME),
                        schema_version: event.schema_version,
                        codec: event.codec,
                        payload: event.payload.to_vec(),
                    },
                    part: None,
                });
                return Ok(());
            }
            for (decoded, part) in events_of::<E>(leaving, event)? {
                let payload = is_as_written.then_some(event.payload);
                to(public(&decoded, payload, part)?);
            }
            Ok(())
        });
        self
    }

    /// Lets an event leave in the form of another, its public one; or, with `None`, not at all.
    pub fn map<E, P, F>(mut self, form: F) -> Self
    where
        E: Event,
        P: Publish,
        F: Fn(E, &RecordedEventRef<'_>) -> Option<P> + Send + Sync + 'static,
    {
        self.leaves::<E>(move |leaving, event, to| {
            for (decoded, part) in events_of::<E>(leaving, event)? {
                if let Some(form) = form(decoded, event) {
                    to(public(&form, None, part)?);
                }
            }
            Ok(())
        });
        self
    }

    fn leaves<E: Event>(
        &mut self,
        route: impl Fn(
            Leaving<'_>,
            &RecordedEventRef<'_>,
            &mut dyn FnMut(Public),
        ) -> Result<(), RouteError>
        + Send
        + Sync
        + 'static,
    ) {
        if self.routes.insert(E::NAME, Box::new(route)).is_none() {
            self.events.push(E::DESCRIPTOR);
        }
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

    pub(crate) fn bus(&self) -> Option<&str> {
        self.bus.as_deref()
    }

    /// What the keys of its notes begin with.
    pub(super) fn kind(&self) -> String {
        match &self.bus {
            Some(bus) => format!("outbox@{bus}"),
            None => "outbox".to_owned(),
        }
    }

    /// The keys of its notes. Those that carry commands share their lease; it is the one of the outbox that was given no name, which
    /// carries them in most programs.
    pub(crate) fn keys(&self) -> Keys {
        let kind = self.kind();
        let keys = Keys::new(&kind, &self.name);
        if self.carries_commands {
            keys.with_leases_of(Keys::new(&kind, DEFAULT_NAME))
        } else if self.name == DEFAULT_NAME {
            keys.with_leases_of(Keys::new(&format!("{kind}.events"), DEFAULT_NAME))
        } else {
            keys
        }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("source", &self.source)
            .field("name", &self.name)
            .field("bus", &self.bus)
            .field("start", &self.start)
            .field("events", &self.routes.keys())
            .field("unheard", &self.unheard)
            .field("options", &self.options)
            .finish()
    }
}
