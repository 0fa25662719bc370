//! Aggregates and the commands they decide.

use crate::event::EventSet;
use std::fmt::{self, Debug, Display};
use std::str::FromStr;

/// A state that is rebuilt from its own stream of events.
///
/// Implement it with the derive of the same name, which generates the enum of the listed events and
/// the dispatch to one [`Apply`] impl for each. `Default` is the state before the first event.
///
/// ```
/// use midgard::{Aggregate, Apply, Event};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "counter.incremented")]
/// struct Incremented {
///     by: u64,
/// }
///
/// #[derive(Debug, Default, Aggregate)]
/// #[aggregate(name = "counter", id = u64, events(Incremented))]
/// struct Counter {
///     total: u64,
/// }
///
/// impl Apply<Incremented> for Counter {
///     fn apply(&mut self, event: Incremented) {
///         self.total += event.by;
///     }
/// }
///
/// let mut counter = Counter::default();
/// counter.apply_event(Incremented { by: 2 }.into());
/// assert_eq!(counter.total, 2);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate",
    label = "this type does not implement `Aggregate`",
    note = "add `#[derive(Default, Aggregate)]` and `#[aggregate(name = \"...\", id = .., events(..))]` to `{Self}`"
)]
pub trait Aggregate: Default + Send + Sync + 'static {
    /// The first part of the names of its streams: `user` in `user-42`.
    const NAME: &'static str;
    /// What tells one instance from another; its text is the second part of the stream's name.
    type Id: Display + FromStr + Send + Sync;
    /// The generated enum of this aggregate's events.
    type Event: EventSet + Debug + Clone;

    /// Takes one event into the state: dispatches to the [`Apply`] impls.
    fn apply_event(&mut self, event: Self::Event);
}

/// How one event changes an aggregate. It cannot fail: the event already happened.
#[diagnostic::on_unimplemented(
    message = "aggregate `{Self}` has no handler for event `{E}`",
    label = "`{E}` is listed here but never applied",
    note = "write `impl Apply<{E}> for {Self} {{ fn apply(&mut self, event: {E}) {{ .. }} }}`"
)]
pub trait Apply<E>: Applies<E> {
    /// Takes the event into the state.
    fn apply(&mut self, event: E);
}

/// An event that an aggregate lists, and so applies. The derive implements it.
#[diagnostic::on_unimplemented(
    message = "aggregate `{Self}` does not list the event `{E}`",
    label = "`{E}` is not one of its events: this would never be called",
    note = "list it in the attribute of its derive: `#[aggregate(.., events({E}))]` above `{Self}`"
)]
// Asks nothing of either, so that what they lack is said once, elsewhere.
pub trait Applies<E> {}

/// What someone wants from an aggregate, and how that is decided.
///
/// `decide` is pure and takes `&self`: after a conflict it is run again on the newer state.
///
/// ```
/// # use midgard::{Aggregate, Apply, Command, Event, Events, events};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "counter.incremented")]
/// # struct Incremented { by: u64 }
/// # #[derive(Debug, Default, Aggregate)]
/// # #[aggregate(name = "counter", id = u64, events(Incremented))]
/// # struct Counter { total: u64 }
/// # impl Apply<Incremented> for Counter {
/// #     fn apply(&mut self, event: Incremented) { self.total += event.by; }
/// # }
/// #[derive(Debug, PartialEq)]
/// struct Full;
///
/// struct Add(u64);
///
/// impl Command<Counter> for Add {
///     type Error = Full;
///
///     fn decide(&self, counter: &Counter) -> Result<Events<Counter>, Full> {
///         counter.total.checked_add(self.0).ok_or(Full)?;
///         Ok(events![Incremented { by: self.0 }])
///     }
/// }
///
/// assert_eq!(Add(u64::MAX).decide(&Counter { total: 1 }).unwrap_err(), Full);
/// ```
// Implemented for the command, not for the aggregate: the compiler then knows `Self` from the
// argument and can always say which command is not one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command of aggregate `{A}`",
    label = "not a command of `{A}`",
    note = "a command is a type of your own, not a closure: write `struct Deposit {{ .. }}` and `impl Command<{A}> for Deposit {{ type Error = ..; fn decide(&self, state: &{A}) -> Result<Events<{A}>, Self::Error> {{ .. }} }}`"
)]
pub trait Command<A: Aggregate>: Sync {
    /// Why the command was refused.
    type Error: Send;

    /// Refuses, or names the events that follow. No events is a valid answer: nothing to do.
    ///
    /// # Errors
    /// Whatever the aggregate's rules refuse.
    fn decide(&self, state: &A) -> Result<Events<A>, Self::Error>;
}

/// The events that a command produced, in order. Made with [`events!`](crate::events), or collected.
pub struct Events<A: Aggregate>(Vec<A::Event>);

impl<A: Aggregate> Events<A> {
    /// No events: the command had nothing to do.
    #[must_use]
    pub const fn none() -> Self {
        Events(Vec::new())
    }

    /// Adds one event at the end.
    pub fn push(&mut self, event: impl Into<A::Event>) {
        self.0.push(event.into());
    }

    /// The number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The events, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, A::Event> {
        self.0.iter()
    }
}

impl<A: Aggregate> Default for Events<A> {
    fn default() -> Self {
        Events::none()
    }
}

impl<A: Aggregate> Debug for Events<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl<A: Aggregate> Clone for Events<A> {
    fn clone(&self) -> Self {
        Events(self.0.clone())
    }
}

impl<A: Aggregate, E: Into<A::Event>> FromIterator<E> for Events<A> {
    fn from_iter<I: IntoIterator<Item = E>>(events: I) -> Self {
        Events(events.into_iter().map(Into::into).collect())
    }
}

impl<A: Aggregate, E: Into<A::Event>> Extend<E> for Events<A> {
    fn extend<I: IntoIterator<Item = E>>(&mut self, events: I) {
        self.0.extend(events.into_iter().map(Into::into));
    }
}

impl<A: Aggregate> IntoIterator for Events<A> {
    type Item = A::Event;
    type IntoIter = std::vec::IntoIter<A::Event>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, A: Aggregate> IntoIterator for &'a Events<A> {
    type Item = &'a A::Event;
    type IntoIter = std::slice::Iter<'a, A::Event>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Of one event, or of the aggregate's enum. [`events!`](crate::events) also takes events of several types.
impl<A: Aggregate, E: Into<A::Event>> From<Vec<E>> for Events<A> {
    fn from(events: Vec<E>) -> Self {
        // Where these are of the enum already, it is the same memory.
        events.into_iter().collect()
    }
}

impl<A: Aggregate> Events<A> {
    #[doc(hidden)]
    pub fn __of(events: Vec<A::Event>) -> Self {
        Events(events)
    }
}

/// `[first, second]`, of one type: of one event, or of the aggregate's enum.
impl<A: Aggregate, E: Into<A::Event>, const N: usize> From<[E; N]> for Events<A> {
    fn from(events: [E; N]) -> Self {
        events.into_iter().collect()
    }
}

/// The events of a decision: `events![]`, `events![UserRenamed { name }]`, `events![first, second]`.
///
/// Each is turned into the aggregate's enum, so the list may mix the types of its events.
#[macro_export]
macro_rules! events {
    ($($event:expr),* $(,)?) => {
        $crate::Events::__of($crate::__private::vec![$($crate::__private::IntoSet::into_set($event)),*])
    };
}
