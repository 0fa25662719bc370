//! Event types by their stored names, across the whole program.

use crate::event::codec::{DecodeError, DecodeReason};
use crate::event::record::RecordedEventRef;
use crate::event::upcast::Decoded;
use crate::event::{AnyEvent, EventDescriptor, EventSet};
use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

/// Finds event types by their stored names.
///
/// [`Registry::linked`] has every event type of the program, except those of a crate that is linked but never named;
/// [`Registry::with`] adds a set by hand, and needs no linker support.
///
/// ```standalone_crate
/// use midgard::Event;
/// use midgard::event::Registry;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "user.created")]
/// # struct UserCreated {}
///
/// let registry = Registry::new().with::<UserCreated>()?;
/// assert!(registry.get("user.created").is_some());
/// assert!(Registry::linked()?.get("user.created").is_some());
/// # Ok::<_, midgard::event::RegistryError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Registry {
    by_name: BTreeMap<&'static str, &'static EventDescriptor>,
}

/// An event type registered by a derive. Not public API.
#[doc(hidden)]
#[allow(missing_debug_implementations, clippy::exhaustive_structs)]
pub struct Registration(pub &'static EventDescriptor);
inventory::collect!(Registration);

/// An aggregate registered by a derive. Not public API.
#[doc(hidden)]
#[allow(missing_debug_implementations)]
pub struct AggregateRegistration {
    pub(crate) name: &'static str,
    pub(crate) type_name: &'static str,
    pub(crate) type_id: TypeId,
    pub(crate) events: &'static [&'static EventDescriptor],
}
inventory::collect!(AggregateRegistration);

/// Types of one program that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Two event types claim one stored name.
    #[error(
        "event name \"{name}\" is claimed by {}; give one of them another name, \
         or make it a version of the other with `upcast_from`",
        Both(types)
    )]
    DuplicateEvent {
        /// The name.
        name: &'static str,
        /// The paths of the two Rust types.
        types: [&'static str; 2],
    },
    /// Two aggregates claim one name, and with it each other's streams.
    #[error(
        "aggregate name \"{name}\" is claimed by {}; give one of them another name",
        Both(types)
    )]
    DuplicateAggregate {
        /// The name.
        name: &'static str,
        /// The paths of the two Rust types.
        types: [&'static str; 2],
    },
    /// An aggregate lists an old version of an event: it could not read newer ones.
    #[error(
        "aggregate `{aggregate}` lists `{}`, version {} of event \"{}\", but the newest is version {}, `{}`; list that instead",
        listed.type_name, listed.version, listed.name, newest.version, newest.type_name
    )]
    OldVersion {
        /// The path of the aggregate's Rust type.
        aggregate: &'static str,
        /// The listed event.
        listed: &'static EventDescriptor,
        /// The event to list instead.
        newest: &'static EventDescriptor,
    },
}

/// Two types, which may have the same path.
struct Both<'a>(&'a [&'static str; 2]);

impl fmt::Display for Both<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [one, other] if one == other => write!(
                f,
                "two types `{one}`, which are of two releases of a crate (`cargo tree --duplicates` lists them) or of two functions"
            ),
            [one, other] => write!(f, "both `{one}` and `{other}`"),
        }
    }
}

impl Registry {
    /// Creates an empty registry.
    #[must_use]
    pub const fn new() -> Self {
        Registry {
            by_name: BTreeMap::new(),
        }
    }

    /// Returns a registry of every event type that a derive registered in the crates of this program.
    ///
    /// # Errors
    /// [`RegistryError`] when two types claim one name, or an aggregate lists an old version of an event.
    pub fn linked() -> Result<&'static Self, RegistryError> {
        static LINKED: OnceLock<Result<Registry, RegistryError>> = OnceLock::new();
        let linked = LINKED.get_or_init(|| {
            let mut all: Vec<_> = inventory::iter::<Registration>().map(|one| one.0).collect();
            // The linker decides the order of registration; errors should not depend on it.
            all.sort_by_key(|event| (event.name, event.version, event.type_name));
            let mut registry = Registry::new();
            all.into_iter()
                .try_for_each(|event| registry.insert(event))?;
            let mut aggregates: Vec<_> = inventory::iter::<AggregateRegistration>().collect();
            aggregates.sort_by_key(|aggregate| (aggregate.name, aggregate.type_name));
            registry.check(&aggregates)?;
            Ok(registry)
        });
        linked.as_ref().map_err(Clone::clone)
    }

    /// Adds the events of one set.
    ///
    /// # Errors
    /// [`RegistryError`] when another type already claims one of their names.
    pub fn with<S: EventSet>(mut self) -> Result<Self, RegistryError> {
        S::DESCRIPTORS
            .iter()
            .try_for_each(|event| self.insert(event))?;
        Ok(self)
    }

    fn insert(&mut self, event: &'static EventDescriptor) -> Result<(), RegistryError> {
        match self.by_name.get(event.name) {
            Some(known) if descends(known, event) => {}
            Some(known) if !descends(event, known) => {
                return Err(RegistryError::DuplicateEvent {
                    name: event.name,
                    types: [known.type_name, event.type_name],
                });
            }
            _ => {
                self.by_name.insert(event.name, event);
            }
        }
        Ok(())
    }

    /// Checks aggregates, sorted by name, against each other and against the events.
    fn check(&self, aggregates: &[&AggregateRegistration]) -> Result<(), RegistryError> {
        for pair in aggregates.windows(2) {
            if pair[0].name == pair[1].name && pair[0].type_id != pair[1].type_id {
                let types = [pair[0].type_name, pair[1].type_name];
                return Err(RegistryError::DuplicateAggregate {
                    name: pair[0].name,
                    types,
                });
            }
        }
        for aggregate in aggregates {
            for &listed in aggregate.events {
                if let Some(newest) = self.get(listed.name)
                    && newest.version > listed.version
                {
                    let aggregate = aggregate.type_name;
                    return Err(RegistryError::OldVersion {
                        aggregate,
                        listed,
                        newest,
                    });
                }
            }
        }
        Ok(())
    }

    /// Returns the newest version of an event.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'static EventDescriptor> {
        self.by_name.get(name).copied()
    }

    /// Returns the newest version of every event, by name.
    pub fn iter(&self) -> impl Iterator<Item = &'static EventDescriptor> {
        self.by_name.values().copied()
    }

    /// Decodes a recorded event as the type that claims its name, upcasting old versions.
    ///
    /// # Errors
    /// [`DecodeError`] when no type claims the name, or the payload does not fit, or upcasts turn it into none or
    /// several events.
    pub fn decode(&self, event: &RecordedEventRef<'_>) -> Result<Box<dyn AnyEvent>, DecodeError> {
        let decoded = self.decode_all(event)?;
        decoded
            .one()
            .map_err(|reason| DecodeError::new(event, reason))
    }

    /// Decodes a recorded event as the events that upcasts make of it, each as the type that claims its name.
    ///
    /// # Errors
    /// [`DecodeError`] when no type claims the name, or the payload does not fit.
    pub fn decode_all(
        &self,
        event: &RecordedEventRef<'_>,
    ) -> Result<Decoded<Box<dyn AnyEvent>>, DecodeError> {
        match self.get(event.name) {
            Some(known) => known.decode(event),
            None => Err(DecodeError::new(event, DecodeReason::UnknownEvent)),
        }
    }
}

/// Returns the stored names of all event types of the program, whether or not they contradict each other.
pub(crate) fn linked_names() -> impl Iterator<Item = &'static str> {
    inventory::iter::<Registration>().map(|one| one.0.name)
}

/// Returns whether `from` is `event` or one of its older versions.
fn descends(event: &'static EventDescriptor, from: &'static EventDescriptor) -> bool {
    std::iter::successors(Some(event), |event| event.previous).any(|one| one == from)
}
