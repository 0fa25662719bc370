//! Aggregates, as parts of models.

use super::definition::DecisionModel;
use super::part::Part;
use super::selection::Selection;
use crate::aggregate::{Aggregate, AsId, Replay, State};
use crate::event::{DecidedEvent, DecodeError, EncodeError, EventSet, RecordedEventRef, reading};
use crate::limits::LimitError;
use crate::place::Version;
use crate::store::QueryItem;
use crate::stream_name::StreamName;
use std::fmt;
use std::ops::Deref;

/// An aggregate as a decision model, or as a part of one: its state, read from its stream. A decision on it is appended only if
/// its stream is still at the version that was read, even if the decision adds no event to that stream.
///
/// ```standalone_crate
/// # use midgard::repository::Repositories;
/// # use midgard::{Aggregate, Apply, Command, DecisionModel, Event, Events, MemoryStore, events};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "customer.registered")]
/// # struct Registered { limit: u64 }
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "order.placed")]
/// # struct OrderPlaced { #[event(tag = "customer")] customer: u64, cents: u64 }
/// # #[derive(Debug, Default, Aggregate)]
/// # #[aggregate(name = "customer", id = u64, events(Registered))]
/// # struct Customer { limit: u64 }
/// # impl Apply<Registered> for Customer { fn apply(&mut self, event: Registered) { self.limit = event.limit; } }
/// # #[derive(Debug, DecisionModel)]
/// # #[decision(events(OrderPlaced))]
/// # struct Debts { #[decision(tag)] customer: u64, cents: u64 }
/// # impl Apply<OrderPlaced> for Debts { fn apply(&mut self, event: OrderPlaced) { self.cents += event.cents; } }
/// # #[derive(Debug)]
/// # struct TooMuch;
/// # struct Place { cents: u64 }
/// use midgard::decision_model::Instance;
///
/// impl Command<(Instance<Customer>, Debts)> for Place {
///     type Error = TooMuch;
///
///     fn decide(
///         &self,
///         (customer, debts): &(Instance<Customer>, Debts),
///     ) -> Result<Events<(Instance<Customer>, Debts)>, TooMuch> {
///         if debts.cents + self.cents > customer.limit {
///             return Err(TooMuch);
///         }
///         Ok(events![OrderPlaced { customer: debts.customer, cents: self.cents }])
///     }
/// }
///
/// # midgard::block_on(async {
/// # let repositories = Repositories::new(MemoryStore::new());
/// # repositories.of::<Customer>().save(&7, midgard::store::ExpectedVersion::NoStream, [Registered { limit: 100 }]).await.unwrap();
/// let model = || (Instance::<Customer>::of(&7), Debts::of(7));
/// repositories.execute(model(), &Place { cents: 60 }).await.unwrap();
/// assert!(repositories.execute(model(), &Place { cents: 60 }).await.is_err());
/// # });
/// ```
pub struct Instance<A> {
    stream: Result<StreamName, LimitError>,
    state: A,
    version: Version,
}

impl<A: Aggregate> Instance<A> {
    /// Creates the aggregate of this id, before its first event. A command reads it.
    ///
    /// An id that is refused fails the command.
    pub fn of(id: &(impl AsId<A::Id> + ?Sized)) -> Self {
        Instance::at(StreamName::of::<A>(id))
    }

    fn at(stream: Result<StreamName, LimitError>) -> Self {
        Instance {
            stream,
            state: A::initial(),
            version: Version::ZERO,
        }
    }

    /// Returns the version of its stream as it was read; decided events do not count.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }
}

impl<A> Deref for Instance<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.state
    }
}

impl<A: fmt::Debug> fmt::Debug for Instance<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("stream", &self.stream)
            .field("state", &self.state)
            .field("version", &self.version)
            .finish()
    }
}

impl<A: Aggregate> Replay for Instance<A> {
    fn version(&self) -> Version {
        self.version
    }

    fn replay(&mut self, event: &RecordedEventRef<'_>) -> Result<(), DecodeError> {
        for decoded in reading::decode::<A::Event>(event)? {
            self.state.apply_event(decoded);
        }
        self.version = event.version;
        Ok(())
    }
}

impl<A: Aggregate> Part for Instance<A> {
    fn selection(&self) -> Selection {
        Selection::default()
    }

    fn apply_record(&mut self, _: &RecordedEventRef<'_>, _: &Selection) -> Result<(), DecodeError> {
        Ok(())
    }

    fn apply_decided(&mut self, event: &DecidedEvent) {
        if event.stream() == self.stream
            && let Ok(own) = A::Event::__from_any(event.to_any())
        {
            self.state.apply_event(own);
        }
    }

    fn stream(&mut self) -> Option<(Result<StreamName, LimitError>, &mut dyn Replay)> {
        Some((self.stream.clone(), self))
    }
}

impl<A: Aggregate> State for Instance<A> {
    type Decided = DecidedEvent;

    fn __take(&mut self, decided: DecidedEvent) {
        self.__take_own(&decided);
    }

    fn __take_own(&mut self, decided: &DecidedEvent) {
        self.apply_decided(decided);
    }

    fn __check(&mut self, decided: &DecidedEvent) -> Result<(), EncodeError> {
        self.__check_own(decided)
    }

    fn __check_own(&mut self, decided: &DecidedEvent) -> Result<(), EncodeError> {
        let is_listed = A::Event::DESCRIPTORS.contains(&decided.event().descriptor());
        match &self.stream {
            Ok(stream) if !is_listed && decided.stream().as_ref() == Ok(stream) => {
                let (descriptor, stream) = (decided.event().descriptor(), stream.clone());
                Err(EncodeError::unlisted(descriptor, stream, A::NAME))
            }
            _ => Ok(()),
        }
    }
}

impl<A: Aggregate> DecisionModel for Instance<A> {
    fn items(&self) -> Vec<QueryItem> {
        Vec::new()
    }

    fn __parts(&mut self) -> Vec<&mut dyn Part> {
        vec![self]
    }

    fn __initial(&self) -> Self {
        Instance::at(self.stream.clone())
    }

    /// Aggregates need no `Clone`: their streams are read again.
    fn __copy(&self) -> Self {
        self.__initial()
    }
}
