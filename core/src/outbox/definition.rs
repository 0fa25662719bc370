//! The outbox: events of the log, and the commands and replies in it, leave the service.
//!
//! Nothing is published when events are appended: the log is the outbox. A relay reads it from its checkpoint and publishes
//! messages, so a bus that is down neither fails an append nor slows it, and there is never a message without its event, or
//! an event without its message.

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

/// An event that may be published to other services as it is. Add `#[publish]` alongside `#[event(..)]`:
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
    /// Whether the event has a key of its own.
    const HAS_KEY: bool;

    /// Returns the key within which its message stays in order. Without one, this is its stream.
    fn key(&self) -> Option<Cow<'_, str>>;
}

/// Defines which events leave a service, and in which form. The commands that its process managers send, and the replies of
/// its inbox, leave with them.
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
/// // What others learn when an order was packed: not a word about shelves.
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
/// Each event becomes one message, with the event's id, and is published at least once, in the order of the log. A receiver
/// recognises the messages that it has handled. An old version of an event leaves as the newest that the program knows.
///
/// While the bus cannot be reached, the outbox retries with growing waits, as its [status](crate::consumer::Status)
/// shows. An event that the bus refuses as such (because it is too large, for example) is parked as a [dead
/// letter](crate::consumer::DeadLetter), with the later events of its stream; a reply, with the later ones to the same
/// process.
///
/// # Messages that no queue wants
///
/// An event that no queue wants [waits, or is discarded](Unheard). A command or a reply is parked at once as a [dead
/// letter](crate::consumer::DeadLetter), with the later ones of its key to the same service (of its process, where it has
/// no key), and all others leave. It is retried automatically: the outbox checks, at intervals of up to five seconds, whether a
/// queue now wants its topic. A reply is retried for a minute, because the sender of a command may have made up the topic of
/// its answer, and then waits for [`retry`](crate::MidgardHandle::retry). [`evict`](crate::MidgardHandle::evict) gives up a
/// message for good; those parked behind it are then retried. The reply to a [`CommandClient`](crate::CommandClient) that is
/// gone is discarded. The [status](crate::consumer::Status) shows how many messages are parked, and the last topic.
///
/// Old and new releases may run at once: one that publishes fewer events, or reads fewer versions of one, stands by, as its
/// status shows, so that it skips nothing that others publish. See [`ConsumerOptions::drops`].
///
/// Once [stopped](crate::MidgardHandle::stop), it no longer waits for the bus: messages not confirmed by then are published
/// again in its next run. When [drained](crate::MidgardHandle::drain), it publishes what the log has now, or fails after a
/// few tries if the bus does not take it.
#[must_use = "pass it to `Midgard::outbox`"]
pub struct Outbox {
    pub(super) source: String,
    name: String,
    /// The bus that it publishes to, if it was named.
    bus: Option<String>,
    /// Where it begins, if that was set.
    pub(super) start: Option<StartFrom>,
    pub(super) routes: HashMap<&'static str, Box<Route>>,
    /// The events that are published.
    pub(super) events: Vec<&'static EventDescriptor>,
    pub(super) unheard: Unheard,
    /// Whether the commands and replies of the log leave with it, too.
    pub(crate) carries_commands: bool,
    pub(super) options: ConsumerOptions,
}

/// The name of the checkpoint of an unnamed outbox.
pub(super) const DEFAULT_NAME: &str = "outbox";

/// What happens to an event that no queue wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Unheard {
    /// Retried until a queue wants it, backing off to every five seconds: nothing is lost when the other services start
    /// later. The events after it wait.
    #[default]
    Wait,
    /// Discarded, as nobody is interested. Commands and replies are [parked](Outbox#messages-that-no-queue-wants) in any
    /// case.
    Discard,
}

impl Outbox {
    /// Creates the outbox of the service of this name, which is the source of its messages.
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

    /// Gives its checkpoint a name other than `outbox`, for programs that have several outboxes.
    ///
    /// The name is part of what is stored: with another name it is a new outbox, which must say [where it
    /// begins](Self::from).
    ///
    /// Commands and replies leave only with the first outbox that is added to a [`Midgard`](crate::Midgard): so add the one
    /// of their bus first. They have one checkpoint for the whole store, whatever the name: an outbox that carries them
    /// continues where the one before it was. Of all outboxes that carry them, in any program, one is active at a time, and
    /// the others stand by; let an outbox of another program carry [only events](Self::events_only). Where several publish
    /// the same event to one bus under different names, give each a source of its own: a receiver treats messages of one
    /// source and id as the same message.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets where it begins to publish events if it has never run; it has no effect later. Commands and replies always
    /// continue where they are.
    ///
    /// By default, the first outbox of a store begins with the first event, so that other services can build their state
    /// from all of history, and logs a warning if the log has events.
    ///
    /// It is required for a new outbox on a store where another program's outbox has run: the new one may well be the same
    /// under another name, and would publish all of history again. Without a start, such an outbox
    /// [fails](crate::consumer::RunError::NewOutbox).
    pub const fn from(mut self, start: StartFrom) -> Self {
        self.start = Some(start);
        self
    }

    /// Leaves commands and replies to another outbox, of this or of another program on the store.
    pub const fn events_only(mut self) -> Self {
        self.carries_commands = false;
        self
    }

    /// Names the bus that it publishes to, by any text of 1 to 100 bytes without slashes. Messages published to one bus do
    /// not count for another: to a bus with a new id, it publishes everything in the log, including commands and replies;
    /// receivers recognise what they have handled. So give a new id to a broker that has lost its messages, or was set up
    /// again. With an earlier id, it continues where it was.
    ///
    /// By default, the bus counts as one bus without an id.
    pub fn bus_id(mut self, id: impl Into<String>) -> Self {
        self.bus = Some(id.into());
        self
    }

    /// Publishes an event as it is.
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

    /// Publishes an event in a public form; or, with `None`, not at all.
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

    /// Sets what happens to an event that no queue wants; by default, it [waits](Unheard::Wait).
    pub const fn unheard(mut self, unheard: Unheard) -> Self {
        self.unheard = unheard;
        self
    }

    /// Sets how long a worker may be silent before others take over. See [`ConsumerOptions::lease`].
    pub fn lease(mut self, silence: Duration) -> Self {
        self.options = self.options.lease(silence);
        self
    }

    /// Replaces the default options, which park at once what the bus refuses, and after five retries an event whose public
    /// form fails. The failure policy does not apply to an unreachable bus, or to messages that no queue wants: both are
    /// retried for as long as it takes.
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

    /// Returns the prefix of the keys of its notes.
    pub(super) fn kind(&self) -> String {
        match &self.bus {
            Some(bus) => format!("outbox@{bus}"),
            None => "outbox".to_owned(),
        }
    }

    /// Returns the keys of its notes. Outboxes that carry commands share the lease of the unnamed outbox, which carries
    /// them in most programs.
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
