//! Aggregates and the commands they decide.

use super::fold::{Events, Fold, State};
use std::fmt::{self, Display};
use std::str::FromStr;

/// A state that is rebuilt from its own stream of events.
///
/// Implement it with the derive of the same name, which generates the enum of the listed events and
/// the dispatch to one [`Apply`](crate::Apply) impl for each. `Default` is the state before the first event.
///
/// ```
/// use midgard::aggregate::Fold;
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
    note = "add `#[derive(Default, Aggregate)]` and `#[aggregate(name = \"...\", id = .., events(..))]` to `{Self}`",
    note = "commands on a decision model are executed with `Repositories::execute`, or with `execute_on_model` in a unit of work or an inbox"
)]
// No `Default` supertrait: rustc would then report its absence at every impl.
pub trait Aggregate: Fold {
    /// The first part of the names of its streams: `user` in `user-42`.
    const NAME: &'static str;
    /// The id that distinguishes instances; its text is the second part of the stream's name.
    type Id: AggregateId;

    /// Returns the state before the first event: its `Default`.
    fn initial() -> Self;
}

/// The id of an aggregate, unique within its type: anything that prints as text and is parsed from it.
///
/// Every type with `Display` and `FromStr` is one. The derive of the same name gives a newtype both, serde, and
/// [`ViewKey`](crate::ViewKey), so that it can be used in events and as the key of rows:
///
/// ```
/// use midgard::AggregateId;
///
/// #[derive(Debug, Clone, PartialEq, AggregateId)]
/// struct OrderId(u64);
///
/// assert_eq!((OrderId(7).to_string(), "7".parse()), ("7".to_owned(), Ok(OrderId(7))));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the id of an aggregate or of a process",
    label = "an id is written and read as text: it needs `Display` and `FromStr`",
    note = "add `#[derive(AggregateId)]` to `{Self}` if it is a struct with one field; otherwise implement `std::fmt::Display` and `std::str::FromStr`"
)]
// No `Display` and `FromStr` supertraits: rustc would report each of them, instead of the one sentence here.
pub trait AggregateId: Send + Sync + Sized {
    #[doc(hidden)]
    fn __fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    #[doc(hidden)]
    fn __read(text: &str) -> Option<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Display + FromStr + Send + Sync> AggregateId for T {
    fn __fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt(f)
    }

    fn __read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// The text of an id.
pub(crate) struct IdText<'a, Id>(pub(crate) &'a Id);

impl<Id: AggregateId> Display for IdText<'_, Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.__fmt(f)
    }
}

/// A reference to an aggregate's id; for a `String` id, also a `str`.
///
/// ```standalone_crate
/// # use midgard::{Aggregate, Apply, Event, MemoryStore, Repository};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "account.opened")]
/// # struct Opened {}
/// # #[derive(Debug, Default, Aggregate)]
/// # #[aggregate(name = "account", id = String, events(Opened))]
/// # struct Account;
/// # impl Apply<Opened> for Account { fn apply(&mut self, _: Opened) {} }
/// # midgard::block_on(async {
/// let accounts = Repository::<Account, _>::new(MemoryStore::new());
/// let id = String::from("a-1");
/// assert_eq!(accounts.load(&id).await?.stream(), accounts.load("a-1").await?.stream());
/// # Ok::<_, midgard::repository::LoadError>(())
/// # }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "the ids of this aggregate are `{Id}`, not `{Self}`",
    label = "expected a reference to `{Id}`",
    note = "pass a `{Id}`, or change `id = ..` in the `#[aggregate(..)]` of the aggregate"
)]
// No bounds on `Id`: a missing impl is reported once, where the aggregate names the type.
pub trait AsId<Id>: Sync {
    #[doc(hidden)]
    fn __form(&self) -> IdForm<'_, Id>;
}

/// The form in which an id was given.
#[doc(hidden)]
#[derive(Debug)]
#[allow(clippy::exhaustive_enums)]
pub enum IdForm<'a, Id> {
    Id(&'a Id),
    Text(&'a str),
}

#[diagnostic::do_not_recommend]
impl<Id: Sync> AsId<Id> for Id {
    fn __form(&self) -> IdForm<'_, Id> {
        IdForm::Id(self)
    }
}

impl AsId<String> for str {
    fn __form(&self) -> IdForm<'_, String> {
        IdForm::Text(self)
    }
}

/// A request to an aggregate or a [decision model](crate::DecisionModel), and the decision on it.
///
/// `decide` is pure and takes `&self`: after a conflict it runs again on the newer state.
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
// argument and can always name the type that is not a command.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command of `{S}`",
    label = "not a command of `{S}`",
    note = "a command is a type of your own that implements `Command<{S}>`, not a closure: write `struct Deposit {{ .. }}` and `impl Command<{S}> for Deposit {{ type Error = ..; fn decide(&self, state: &{S}) -> Result<Events<{S}>, Self::Error> {{ .. }} }}`"
)]
pub trait Command<S: State>: Sync {
    /// The reason why the command was refused.
    type Error: Send;

    /// Refuses the command, or returns the events that follow from it. No events is a valid answer: nothing to do.
    ///
    /// # Errors
    /// Any refusal by the rules.
    fn decide(&self, state: &S) -> Result<Events<S>, Self::Error>;
}
