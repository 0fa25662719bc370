//! States built from events, and the events that are decided on them.

use crate::event::EventSet;
use std::fmt::{self, Debug};

/// A state built from events: those of one stream, as in an [`Aggregate`](crate::Aggregate), or those that a query
/// finds.
///
/// The derive of [`Aggregate`](crate::Aggregate) implements it, with the dispatch to the [`Apply`] impls, and `Default`
/// as the state before the first event.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate",
    label = "this type does not implement `Aggregate`",
    note = "add `#[derive(Default, Aggregate)]` and `#[aggregate(name = \"...\", id = .., events(..))]` to `{Self}`"
)]
// No `Default` supertrait: rustc would then report its absence at every impl.
pub trait Fold: Sized + Send + Sync + 'static {
    /// The set of its events: for an aggregate, the generated enum.
    type Event: EventSet + Debug + Clone;

    /// Returns the state before the first event: its `Default`.
    fn initial() -> Self;

    /// Takes one event into the state: dispatches to the [`Apply`] impls.
    fn apply_event(&mut self, event: Self::Event);
}

/// How one event changes an aggregate. It cannot fail: the event already happened.
#[diagnostic::on_unimplemented(
    message = "aggregate `{Self}` has no handler for event `{E}`",
    label = "`{E}` is listed here, but never applied",
    note = "write `impl Apply<{E}> for {Self} {{ fn apply(&mut self, event: {E}) {{ .. }} }}`"
)]
pub trait Apply<E>: Applies<E> {
    /// Takes the event into the state.
    fn apply(&mut self, event: E);
}

/// An event that an aggregate lists, and so applies. The derive implements it.
#[diagnostic::on_unimplemented(
    message = "aggregate `{Self}` does not list the event `{E}`",
    label = "`{E}` is not in `events(..)` of `{Self}`: this handler would never be called",
    note = "add `{E}` to the list: `#[aggregate(.., events({E}))]` above `{Self}`",
    note = "with `apply = enum`, an aggregate has one handler: implement `Apply` for its enum instead"
)]
// Asks nothing of either, so that what they lack is said once, elsewhere.
pub trait Applies<E> {}

/// The events that a command produced, in order. Made with [`events!`](crate::events), or collected.
pub struct Events<S: Fold>(Vec<S::Event>);

impl<S: Fold> Events<S> {
    /// Creates an empty list: the command had nothing to do.
    #[must_use]
    pub const fn none() -> Self {
        Events(Vec::new())
    }

    /// Adds one event at the end.
    pub fn push(&mut self, event: impl Into<S::Event>) {
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
    pub fn iter(&self) -> std::slice::Iter<'_, S::Event> {
        self.0.iter()
    }
}

impl<S: Fold> Default for Events<S> {
    fn default() -> Self {
        Events::none()
    }
}

impl<S: Fold> Debug for Events<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl<S: Fold> Clone for Events<S> {
    fn clone(&self) -> Self {
        Events(self.0.clone())
    }
}

impl<S: Fold, E: Into<S::Event>> FromIterator<E> for Events<S> {
    fn from_iter<I: IntoIterator<Item = E>>(events: I) -> Self {
        Events(events.into_iter().map(Into::into).collect())
    }
}

impl<S: Fold, E: Into<S::Event>> Extend<E> for Events<S> {
    fn extend<I: IntoIterator<Item = E>>(&mut self, events: I) {
        self.0.extend(events.into_iter().map(Into::into));
    }
}

impl<S: Fold> IntoIterator for Events<S> {
    type Item = S::Event;
    type IntoIter = std::vec::IntoIter<S::Event>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, S: Fold> IntoIterator for &'a Events<S> {
    type Item = &'a S::Event;
    type IntoIter = std::slice::Iter<'a, S::Event>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Of one event, or of the aggregate's enum. [`events!`](crate::events) also takes events of several types.
impl<S: Fold, E: Into<S::Event>> From<Vec<E>> for Events<S> {
    fn from(events: Vec<E>) -> Self {
        // Where these are of the enum already, it is the same memory.
        events.into_iter().collect()
    }
}

impl<S: Fold> Events<S> {
    #[doc(hidden)]
    pub fn __of(events: Vec<S::Event>) -> Self {
        Events(events)
    }
}

/// `[first, second]`, of one type: of one event, or of the aggregate's enum.
impl<S: Fold, E: Into<S::Event>, const N: usize> From<[E; N]> for Events<S> {
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
