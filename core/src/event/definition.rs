//! Events: single facts, and closed sets of them.

use super::descriptor::{AnyEvent, EventDescriptor};
use crate::event::codec::{DecodeReason, EncodeError};
use crate::event::decided::{DecidedEvent, ToStream};
use crate::event::encoded::Encoded;
use crate::event::reading::Reader;
use crate::event::tags::Tags;
use crate::event::upcast::{Decoded, UpcastContext};
use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize, Serializer};
use std::fmt::{self, Debug};

/// A fact that happened, stored under a fixed name and version.
///
/// Implement it with the derive of the same name. One struct is one event; its name and version are
/// written to the store with every payload and so are literals, never taken from an identifier.
///
/// ```
/// use midgard::Event;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "user.renamed")]
/// struct UserRenamed {
///     name: String,
///     #[event(tag = "email")]
///     email: String,
/// }
///
/// assert_eq!((UserRenamed::NAME, UserRenamed::VERSION), ("user.renamed", 1));
/// ```
///
/// # A new version of an event
///
/// A payload that does not fit the struct is an error when it is read. Payloads that serde alone would accept, and
/// read as something other than what was stored, are errors too, as far as they can be detected:
///
/// | change of the struct | an older payload |
/// |---|---|
/// | a field is removed | is read without it, unless the struct has `#[serde(deny_unknown_fields)]` |
/// | a field is added or renamed | is an error, even when it is an `Option`; with `#[serde(default)]` a field may be missing, and with `#[serde(alias = "..")]` it keeps its old name too |
/// | a field is renamed that has a default, or that `skip_serializing_if` leaves out | **is read as if the field were missing**: write `alias`, too |
/// | a field gets a type with different JSON, or too small a number | is an error: text for a number, `null` for a type other than `Option`, 256 for a `u8`, 1.5 for a whole number |
/// | a field gets a type that includes the old one (`u8` and `u64`, `T` and `Option<T>` or a newtype of it) | is read as it was |
/// | a whole number becomes a float, `f64` becomes `f32`, a list becomes a set | **is read**, but whole numbers beyond 2^53 are rounded, other floats are rounded to an `f32` (one that is too large is an error), and duplicates in a list are once in the set |
/// | named fields are reordered | is read as it was |
/// | unnamed fields are reordered or get names, or named fields lose theirs; a struct without fields gets or loses its braces | is an error; of types of your own that look alike in JSON **one is read for the other** |
/// | the same within a struct or an enum that is the type of a field | is read as serde does: there, a missing `Option` **is `None`**, a list **is taken for the fields** in their order, and an enum that is `untagged` or has a variant `#[serde(other)]` **takes what was another variant**; with `#[serde(deny_unknown_fields)]` on that struct, another name is an error |
/// | the meaning of a field changes (cents that were euros), or two fields of one type swap names | **is read**: no reader can tell |
///
/// So give a new version to every change of meaning, and to every change of the lines in bold.
///
/// The derive refuses a struct that could not be loaded as it was stored: with a field that is skipped when it is
/// read, a field that is left out when it is written and has no default, a flattened `Option`, or two unnamed fields
/// that look the same in JSON, as far as their types are of the standard library or are the same. A struct with its
/// own way of reading (`from`, `try_from`, `transparent`, or a `Deserialize` written by hand) is only as strict as
/// that.
///
/// Keep the old struct, give the new one the next version, and convert the old one to it:
///
/// ```
/// # use midgard::Event;
/// # use serde::{Deserialize, Serialize};
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "user.created")]
/// struct UserCreatedV1 {
///     name: String,
/// }
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "user.created", version = 2, upcast_from = UserCreatedV1)]
/// struct UserCreated {
///     name: String,
///     email: Option<String>,
/// }
///
/// impl From<UserCreatedV1> for UserCreated {
///     fn from(old: UserCreatedV1) -> Self {
///         UserCreated { name: old.name, email: None }
///     }
/// }
/// ```
/// # A record that stands for several events, or for none
///
/// Where `From` is not enough, `upcast_with` names a function that also sees the [record](UpcastContext) of the old
/// event: its time, its stream, its headers. It returns the new event, an `Option` of it, or a `Vec` of it.
///
/// ```
/// # use midgard::Event;
/// use midgard::event::{NewEvent, UpcastContext};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "cart.items_added")]
/// struct ItemsAddedV1 {
///     items: Vec<u32>,
/// }
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "cart.items_added", version = 2, upcast_from = ItemsAddedV1, upcast_with = one_by_one)]
/// struct ItemAdded {
///     item: u32,
///     by: Option<String>,
/// }
///
/// fn one_by_one(old: ItemsAddedV1, context: &UpcastContext<'_>) -> Vec<ItemAdded> {
///     let by = context.headers().get("user");
///     old.items.into_iter().map(|item| ItemAdded { item, by: by.map(str::to_owned) }).collect()
/// }
/// ```
///
/// An event that became events of other names implements [`Split`](crate::event::Split), and the new events name it
/// with `split_from(..)`.
///
/// All readers see the upcast events, all of a record or none. A record remains one version and one position; an
/// aggregate applies each of its events; a projection that fails on one keeps none of their rows; a subscription
/// that fails on one receives all of them again. A process manager records the upcast form of the events it reacted
/// to. An outbox sends a message for each: the first of the record's own name has the record's id, and the others
/// have ids derived from it.
///
/// An upcast runs whenever a record is read, so its result must depend only on the old event and the context.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "this type does not implement `Event`",
    note = "add `#[derive(Event)]` and `#[event(name = \"...\")]` to `{Self}`"
)]
pub trait Event: EventPayload {
    /// The name in the store.
    const NAME: &'static str;
    /// The version that this type writes, counted from 1.
    const VERSION: u32;
    /// Everything that the runtime knows about the type.
    const DESCRIPTOR: &'static EventDescriptor;

    /// Reads any version from the first one up to [`Self::VERSION`], upcasting one step at a time.
    ///
    /// # Errors
    /// The deserializer's error when the payload does not fit, or when this type does not know the version.
    fn deserialize_version<'de, D>(
        context: &UpcastContext<'_>,
        deserializer: D,
    ) -> Result<Decoded<Self>, D::Error>
    where
        D: Deserializer<'de>;

    /// Adds the tags of this event, one for each field marked `#[event(tag = "..")]`.
    fn collect_tags(&self, tags: &mut Tags) {
        let _ = tags;
    }

    /// Names the stream that this event goes to, when a command decides it on a
    /// [decision model](crate::DecisionModel): `StudentSubscribed { .. }.to("course-7")`, or
    /// `.to(StreamName::of::<Course>(&id))` for the stream of an aggregate, which must list the event.
    ///
    /// A name that is refused fails the command when its events are appended.
    fn to(self, stream: impl ToStream) -> DecidedEvent {
        DecidedEvent::new(self, Some(stream.to_stream()))
    }
}

/// The requirements of an [`Event`]; implemented automatically.
#[diagnostic::on_unimplemented(
    message = "event `{Self}` cannot be written and read back",
    label = "an event needs `Debug`, `Clone`, `Serialize` and `Deserialize`",
    note = "write `#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, Event)]`"
)]
// No supertraits such as `Debug`, `Clone` and `Serialize`: rustc would report each of them, instead of the one
// sentence here.
pub trait EventPayload: Send + Sync + Sized + 'static {
    #[doc(hidden)]
    fn __fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    #[doc(hidden)]
    fn __clone(&self) -> Self;
    #[doc(hidden)]
    fn __serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    #[doc(hidden)]
    fn __deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

#[diagnostic::do_not_recommend]
impl<T> EventPayload for T
where
    T: Serialize + DeserializeOwned + Debug + Clone + Send + Sync + 'static,
{
    fn __fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt(f)
    }

    fn __clone(&self) -> Self {
        self.clone()
    }

    fn __serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }

    fn __deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

/// A closed set of events: one event, or an enum with one event per variant.
///
/// `#[derive(Aggregate)]` generates one; derive it on an enum of your own for a reader that spans
/// aggregates. A variant may hold another set.
///
/// ```
/// use midgard::{Event, EventSet};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "order.placed")]
/// struct OrderPlaced {}
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "invoice.paid")]
/// struct InvoicePaid {}
///
/// #[derive(Debug, Clone, EventSet)]
/// enum Ledger {
///     Placed(OrderPlaced),
///     Paid(InvoicePaid),
/// }
///
/// assert_eq!(Ledger::from(InvoicePaid {}).name(), "invoice.paid");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "this type does not implement `Event`",
    note = "add `#[derive(Event)]` and `#[event(name = \"...\")]` to `{Self}`"
)]
pub trait EventSet: Sized + Send + Sync + 'static {
    /// The descriptors of the members, in their newest version.
    const DESCRIPTORS: &'static [&'static EventDescriptor];

    /// Returns the descriptor of this value.
    fn descriptor(&self) -> &'static EventDescriptor;

    /// Writes the fields of the event, without its name.
    ///
    /// # Errors
    /// The serializer's error.
    fn serialize_payload<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads the fields of the event that the context names, in its version, and upcasts it.
    ///
    /// # Errors
    /// The deserializer's error when the payload does not fit, or when the set has no such event.
    fn deserialize_payload<'de, D: Deserializer<'de>>(
        context: &UpcastContext<'_>,
        deserializer: D,
    ) -> Result<Decoded<Self>, D::Error>;

    /// Adds the tags of the event that this value holds.
    fn collect_tags(&self, tags: &mut Tags);

    // The tags of the descriptor, of a single event.
    #[doc(hidden)]
    const __TAGS: Option<&'static [(&'static str, &'static str)]> = None;

    // The `Debug` and `Clone` of a generated enum. In this trait, so that a listed type that is no event lacks
    // one trait, and not three.
    #[doc(hidden)]
    fn __fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    #[doc(hidden)]
    fn __clone(&self) -> Self;
    // Converts an event read in the place of another, if the set has it.
    #[doc(hidden)]
    fn __from_any(event: Box<dyn AnyEvent>) -> Result<Self, Box<dyn AnyEvent>>;
    // Called by what is generated for readers of several sets. In this trait, so that it has no bound of its own
    // that a listed type breaks which is no event.
    #[doc(hidden)]
    fn __take(reader: &mut Reader<'_>) -> Result<Decoded<Self>, DecodeReason> {
        reader.take()
    }
    #[doc(hidden)]
    fn __encode(&self) -> Result<Encoded, EncodeError> {
        Encoded::of(self)
    }

    /// Returns the stored name of this value.
    fn name(&self) -> &'static str {
        self.descriptor().name
    }
}

#[diagnostic::do_not_recommend]
impl<E: Event> EventSet for E {
    const DESCRIPTORS: &'static [&'static EventDescriptor] = &[E::DESCRIPTOR];
    const __TAGS: Option<&'static [(&'static str, &'static str)]> = Some(E::DESCRIPTOR.tags);

    fn descriptor(&self) -> &'static EventDescriptor {
        E::DESCRIPTOR
    }

    fn serialize_payload<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.__serialize(serializer)
    }

    fn deserialize_payload<'de, D: Deserializer<'de>>(
        context: &UpcastContext<'_>,
        deserializer: D,
    ) -> Result<Decoded<Self>, D::Error> {
        E::deserialize_version(context, deserializer)
    }

    fn collect_tags(&self, tags: &mut Tags) {
        Event::collect_tags(self, tags);
    }

    fn __fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        EventPayload::__fmt(self, f)
    }

    fn __clone(&self) -> Self {
        EventPayload::__clone(self)
    }

    fn __from_any(event: Box<dyn AnyEvent>) -> Result<Self, Box<dyn AnyEvent>> {
        match (*event).as_any().downcast_ref::<E>() {
            Some(own) => Ok(EventPayload::__clone(own)),
            None => Err(event),
        }
    }
}
