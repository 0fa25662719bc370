//! Upcasts: converting records in an old form into the events of today.

use super::codec::DecodeReason;
use super::definition::Event;
use super::descriptor::AnyEvent;
use super::metadata::{EventId, HeadersRef};
use crate::place::{Position, Version};
use crate::time::Timestamp;
use std::fmt;
use std::marker::PhantomData;

/// The record of the old event in an upcast: its name, its version and its metadata.
///
/// The record is an event of a log or a message of another service. A message has no version, and may lack a Midgard
/// id or a time; a payload without a record of its own, such as a deadline or the answer to a command, has only its
/// name and version. Where a unit of work shows a [decision model](crate::DecisionModel) an event that it is about to append, the
/// event has version 1 and position 0, and the time of that moment.
///
/// An upcast runs whenever a record is read, so its result must depend only on the old event and this context: not on
/// the clock, and not on other data.
#[derive(Clone, Copy)]
pub struct UpcastContext<'a> {
    name: &'a str,
    schema_version: u32,
    record: &'a dyn Record,
}

impl<'a> UpcastContext<'a> {
    pub(crate) const fn new(name: &'a str, schema_version: u32, record: &'a dyn Record) -> Self {
        UpcastContext {
            name,
            schema_version,
            record,
        }
    }

    /// Returns the context of a payload that has no record.
    #[must_use]
    pub const fn without_record(name: &'a str, schema_version: u32) -> Self {
        UpcastContext::new(name, schema_version, &NoRecord)
    }

    /// Returns the name under which the event was recorded.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Returns the version in which the payload was written, from 1.
    #[must_use]
    pub const fn schema_version(&self) -> u32 {
        self.schema_version
    }

    /// Returns the id of the recorded event, or of the message if it is a UUID.
    #[must_use]
    pub fn id(&self) -> Option<EventId> {
        self.record.id()
    }

    /// Returns the time at which the event was recorded.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.record.time()
    }

    /// Returns the name of the stream; of a message, its subject.
    #[must_use]
    pub fn stream(&self) -> Option<&'a str> {
        self.record.stream()
    }

    /// Returns the version in the stream.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.record.version()
    }

    /// Returns the position of the event in the log; for a message, its position in the log of its source.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.record.position()
    }

    /// Returns the id that all messages from one cause share.
    #[must_use]
    pub fn correlation_id(&self) -> Option<EventId> {
        self.record.correlation_id()
    }

    /// Returns the id of the message that directly led to the event.
    #[must_use]
    pub fn causation_id(&self) -> Option<EventId> {
        self.record.causation_id()
    }

    /// Returns the free headers.
    #[must_use]
    pub fn headers(&self) -> HeadersRef<'a> {
        self.record.headers()
    }
}

impl fmt::Debug for UpcastContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpcastContext")
            .field("name", &self.name)
            .field("schema_version", &self.schema_version)
            .field("id", &self.id())
            .field("stream", &self.stream())
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

/// The record in which a payload was found.
pub(crate) trait Record: Send + Sync {
    fn id(&self) -> Option<EventId> {
        None
    }

    fn time(&self) -> Option<Timestamp> {
        None
    }

    fn stream(&self) -> Option<&str> {
        None
    }

    fn version(&self) -> Option<Version> {
        None
    }

    fn position(&self) -> Option<Position> {
        None
    }

    fn correlation_id(&self) -> Option<EventId> {
        None
    }

    fn causation_id(&self) -> Option<EventId> {
        None
    }

    fn headers(&self) -> HeadersRef<'_> {
        HeadersRef::default()
    }
}

/// The record of a payload that was not recorded by itself.
pub(crate) struct NoRecord;

impl Record for NoRecord {}

/// The events that one record stands for: nearly always one; none or several after an
/// [upcast](Event#a-record-that-stands-for-several-events-or-for-none).
///
/// They share the record: its id, its place and its metadata.
#[derive(Debug, Clone)]
pub struct Decoded<E>(Events<E>);

#[derive(Debug, Clone)]
enum Events<E> {
    /// As it was recorded, or by upcasts that see only the old event.
    One(E),
    /// By upcasts that see the record, or that may return several events.
    Rewritten(Vec<E>),
}

impl<E> Decoded<E> {
    pub(crate) const fn of(event: E) -> Self {
        Decoded(Events::One(event))
    }

    pub(crate) const fn none() -> Self {
        Decoded(Events::Rewritten(Vec::new()))
    }

    pub(crate) const fn rewritten(events: Vec<E>) -> Self {
        Decoded(Events::Rewritten(events))
    }

    /// Returns whether an upcast made them from more than the record's payload.
    pub(crate) const fn is_rewritten(&self) -> bool {
        matches!(self.0, Events::Rewritten(_))
    }

    /// Returns the number of events.
    #[must_use]
    pub const fn len(&self) -> usize {
        match &self.0 {
            Events::One(_) => 1,
            Events::Rewritten(events) => events.len(),
        }
    }

    /// Returns whether the record stands for no event.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the event, if there is exactly one.
    ///
    /// # Errors
    /// [`DecodeReason::NotOne`], when there is none, or more than one.
    pub fn one(self) -> Result<E, DecodeReason> {
        match self.0 {
            Events::One(event) => Ok(event),
            Events::Rewritten(mut events) => match (events.pop(), events.len()) {
                (Some(event), 0) => Ok(event),
                (last, others) => Err(DecodeReason::NotOne {
                    events: others + usize::from(last.is_some()),
                }),
            },
        }
    }

    /// Changes each of the events.
    pub fn map<F>(self, change: impl FnMut(E) -> F) -> Decoded<F> {
        let mut change = change;
        Decoded(match self.0 {
            Events::One(event) => Events::One(change(event)),
            Events::Rewritten(events) => {
                Events::Rewritten(events.into_iter().map(change).collect())
            }
        })
    }
}

impl<E> IntoIterator for Decoded<E> {
    type Item = E;
    type IntoIter = IntoIter<E>;

    fn into_iter(self) -> IntoIter<E> {
        match self.0 {
            Events::One(event) => IntoIter(Rest::One(Some(event))),
            Events::Rewritten(events) => IntoIter(Rest::Rewritten(events.into_iter())),
        }
    }
}

/// The iterator over the events of a [`Decoded`], in order.
#[derive(Debug)]
pub struct IntoIter<E>(Rest<E>);

#[derive(Debug)]
enum Rest<E> {
    One(Option<E>),
    Rewritten(std::vec::IntoIter<E>),
}

impl<E> Iterator for IntoIter<E> {
    type Item = E;

    fn next(&mut self) -> Option<E> {
        match &mut self.0 {
            Rest::One(event) => event.take(),
            Rest::Rewritten(events) => events.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Rest::One(event) => usize::from(event.is_some()),
            Rest::Rewritten(events) => events.len(),
        };
        (left, Some(left))
    }
}

impl<E> ExactSizeIterator for IntoIter<E> {}

/// An event that is no longer written: events of other names are read in its place. Each of those names it with
/// `split_from`.
///
/// ```
/// use midgard::Event;
/// use midgard::event::{Split, SplitEvents, UpcastContext};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "user.registered")]
/// struct UserRegistered { name: String, email: Option<String> }
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "user.created", split_from(UserRegistered))]
/// struct UserCreated { name: String }
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "user.email_set", split_from(UserRegistered))]
/// struct EmailSet { email: String }
///
/// impl Split for UserRegistered {
///     fn split(self, _: &UpcastContext<'_>) -> SplitEvents<Self> {
///         let mut events = SplitEvents::new();
///         events.push(UserCreated { name: self.name });
///         if let Some(email) = self.email {
///             events.push(EmailSet { email });
///         }
///         events
///     }
/// }
/// ```
///
/// Every reader of one of the new events also reads the records of the old one: repositories, subscriptions,
/// projections, process managers, outboxes and inboxes. Each receives the new events that it lists, in the order of
/// `split`. A reader that lists the old event itself receives that, and nothing in its place.
#[diagnostic::on_unimplemented(
    message = "event `{Self}` does not define which events are read in its place",
    label = "this event does not implement `Split`",
    note = "write `impl Split for {Self} {{ fn split(self, context: &UpcastContext<'_>) -> SplitEvents<Self> {{ .. }} }}`"
)]
pub trait Split: Event {
    /// Returns the events that are read in its place, in order; none to read nothing.
    fn split(self, context: &UpcastContext<'_>) -> SplitEvents<Self>;
}

/// An event that is read in the place of `Old`. The derive implements it for each type in `split_from`.
#[diagnostic::on_unimplemented(
    message = "event `{Self}` is not read in the place of `{Old}`",
    label = "`{Old}` is not in the `split_from` of `{Self}`",
    note = "add `{Old}` to the list, so that readers of `{Self}` also read `{Old}`: `#[event(.., split_from({Old}))]` above `{Self}`"
)]
pub trait SplitFrom<Old> {}

/// The events that are read in the place of an old one, in order.
pub struct SplitEvents<Old> {
    events: Vec<Box<dyn AnyEvent>>,
    old: PhantomData<fn(Old)>,
}

impl<Old> SplitEvents<Old> {
    /// Creates an empty list.
    #[must_use]
    pub const fn new() -> Self {
        SplitEvents {
            events: Vec::new(),
            old: PhantomData,
        }
    }

    /// Adds an event at the end.
    pub fn push<E: Event + SplitFrom<Old>>(&mut self, event: E) {
        self.events.push(Box::new(event));
    }
}

impl<Old> Default for SplitEvents<Old> {
    fn default() -> Self {
        SplitEvents::new()
    }
}

impl<Old> fmt::Debug for SplitEvents<Old> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.events).finish()
    }
}

type SplitWith = fn(Box<dyn AnyEvent>, &UpcastContext<'_>) -> Vec<Box<dyn AnyEvent>>;

/// An event of another name that is read as a new one.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct SplitSource {
    pub(crate) event: &'static super::EventDescriptor,
    pub(crate) split: SplitWith,
}

impl SplitSource {
    #[must_use]
    pub const fn of<Old: Split>() -> Self {
        SplitSource {
            event: Old::DESCRIPTOR,
            split: |event, context| {
                let event: Box<dyn std::any::Any> = event;
                let event = event.downcast::<Old>();
                event.map_or(Vec::new(), |event| event.split(context).events)
            },
        }
    }
}

impl fmt::Debug for SplitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.event.fmt(f)
    }
}
