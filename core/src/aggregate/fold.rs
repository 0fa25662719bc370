//! States built from events, and the events that are decided on them.

use crate::aggregate::Aggregate;
use crate::event::{Decidable, DecidedEvent, EncodeError, EventSet};
use std::fmt::{self, Debug};

/// A state built from events: those of one stream, as in an [`Aggregate`](crate::Aggregate), or those that a query
/// finds, as in a [`DecisionModel`](crate::DecisionModel).
///
/// The derives of both implement it, with the dispatch to the [`Apply`] impls.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate",
    label = "this type does not implement `Aggregate`",
    note = "add `#[derive(Default, Aggregate)]` and `#[aggregate(name = \"...\", id = .., events(..))]` to `{Self}`"
)]
pub trait Fold: Sized + Send + Sync + 'static {
    /// The set of its events: the generated enum.
    type Event: EventSet + Debug + Clone;

    /// Takes one event into the state: dispatches to the [`Apply`] impls.
    fn apply_event(&mut self, event: Self::Event);
}

/// What commands decide on: an [`Aggregate`](crate::Aggregate), or a [`DecisionModel`](crate::DecisionModel).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither an aggregate nor a decision model",
    label = "commands decide on an `Aggregate` or a `DecisionModel`",
    note = "add `#[derive(Default, Aggregate)]` and `#[aggregate(name = \"...\", id = .., events(..))]`, or `#[derive(DecisionModel)]` and `#[decision(events(..))]`",
    note = "a tuple of two to six decision models is one, too; an aggregate `A` is `Instance<A>` there"
)]
pub trait State: Send + Sync + 'static {
    /// What is decided: for an aggregate, the enum of its events; for a decision model, any event, with the stream that
    /// it goes to.
    type Decided: Decidable;

    #[doc(hidden)]
    fn __take(&mut self, decided: Self::Decided);

    /// Takes an event that was decided on the tuple of which this is a part, if it is one of its own.
    // Here, and not in the trait of models: an aggregate in a tuple is then one error, where the tuple is passed as a model, and
    // not one at each place where its events are named.
    #[doc(hidden)]
    fn __take_own(&mut self, decided: &DecidedEvent) {
        let _ = decided;
    }

    /// Refuses an event that goes to the stream of an aggregate which could not be loaded with it.
    #[doc(hidden)]
    fn __check(&mut self, decided: &Self::Decided) -> Result<(), EncodeError> {
        let _ = decided;
        Ok(())
    }

    /// Does what `__check` does, as a part of a tuple.
    #[doc(hidden)]
    fn __check_own(&mut self, decided: &DecidedEvent) -> Result<(), EncodeError> {
        let _ = decided;
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<A: Aggregate> State for A {
    type Decided = A::Event;

    fn __take(&mut self, decided: A::Event) {
        self.apply_event(decided);
    }
}

/// How one event changes a state. It cannot fail: the event already happened.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no handler for event `{E}`",
    label = "`{E}` is listed here, but never applied",
    note = "write `impl Apply<{E}> for {Self} {{ fn apply(&mut self, event: {E}) {{ .. }} }}`"
)]
pub trait Apply<E>: Applies<E> {
    /// Takes the event into the state.
    fn apply(&mut self, event: E);
}

/// An event that an aggregate or a decision model lists, and so applies. The derive implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not list the event `{E}`",
    label = "`{E}` is not in `events(..)` of `{Self}`: this handler would never be called",
    note = "add `{E}` to the list: `events(.., {E})` in the `#[aggregate(..)]` or `#[decision(..)]` above `{Self}`",
    note = "with `apply = enum`, there is one handler: implement `Apply` for the enum instead"
)]
// Asks nothing of either, so that what they lack is said once, elsewhere.
pub trait Applies<E> {}

/// The events that a command produced, in order. Made with [`events!`](crate::events), or collected.
pub struct Events<S: State>(Vec<S::Decided>);

impl<S: State> Events<S> {
    /// Creates an empty list: the command had nothing to do.
    #[must_use]
    pub const fn none() -> Self {
        Events(Vec::new())
    }

    /// Adds one event at the end.
    pub fn push(&mut self, event: impl Into<S::Decided>) {
        self.0.push(event.into());
    }

    /// Returns the number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the events, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, S::Decided> {
        self.0.iter()
    }
}

impl<S: State> Default for Events<S> {
    fn default() -> Self {
        Events::none()
    }
}

impl<S: State> Debug for Events<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl<S: State> Clone for Events<S> {
    fn clone(&self) -> Self {
        Events(self.0.clone())
    }
}

impl<S: State, E: Into<S::Decided>> FromIterator<E> for Events<S> {
    fn from_iter<I: IntoIterator<Item = E>>(events: I) -> Self {
        Events(events.into_iter().map(Into::into).collect())
    }
}

impl<S: State, E: Into<S::Decided>> Extend<E> for Events<S> {
    fn extend<I: IntoIterator<Item = E>>(&mut self, events: I) {
        self.0.extend(events.into_iter().map(Into::into));
    }
}

impl<S: State> IntoIterator for Events<S> {
    type Item = S::Decided;
    type IntoIter = std::vec::IntoIter<S::Decided>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, S: State> IntoIterator for &'a Events<S> {
    type Item = &'a S::Decided;
    type IntoIter = std::slice::Iter<'a, S::Decided>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Takes events of one type, or decided ones. [`events!`](crate::events) also takes events of several types.
impl<S: State, E: Into<S::Decided>> From<Vec<E>> for Events<S> {
    fn from(events: Vec<E>) -> Self {
        // Where these are of that type already, it is the same memory.
        events.into_iter().collect()
    }
}

impl<S: State> Events<S> {
    #[doc(hidden)]
    pub fn __of(events: Vec<S::Decided>) -> Self {
        Events(events)
    }
}

/// Takes an array of events of one type.
impl<S: State, E: Into<S::Decided>, const N: usize> From<[E; N]> for Events<S> {
    fn from(events: [E; N]) -> Self {
        events.into_iter().collect()
    }
}

/// The events of a decision: `events![]`, `events![UserRenamed { name }]`, `events![first, second]`.
///
/// The list may mix types: each is turned into the aggregate's enum, or, for a decision model, into a
/// [`DecidedEvent`](crate::event::DecidedEvent).
#[macro_export]
macro_rules! events {
    ($($event:expr),* $(,)?) => {
        $crate::Events::__of($crate::__private::vec![$($crate::__private::IntoSet::into_set($event)),*])
    };
}
