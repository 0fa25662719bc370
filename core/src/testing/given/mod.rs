//! `given(..).when(..).then(..)`: decisions on an aggregate or a decision model, without a store.

// A test kit reports by panicking, at the line of the test.
#![allow(clippy::panic)]

pub(in crate::testing) mod difference;

use crate::aggregate::{Aggregate, Command, Events, State};
use crate::decision_model::DecisionModel;
use crate::event::Decidable as _;
use difference::{Difference, Listing};
use std::fmt::{Debug, Display};

/// Begins a test of an aggregate with its earlier events.
///
/// The events are an array, if they are of one type, or [`events!`](crate::events), if of several or none; the command
/// determines the aggregate. Events are compared as they would be stored, by name and payload, so they need no `PartialEq`.
///
/// Each event is written and read back, as by a [`Repository`](crate::Repository#what-is-written-is-read-back): one that would
/// not read back unchanged fails the test.
///
/// ```
/// use midgard::testing::given;
/// use midgard::{Aggregate, Apply, Command, Event, Events, events};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "account.opened")]
/// struct Opened {}
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "account.deposited")]
/// struct Deposited {
///     amount: u64,
/// }
///
/// #[derive(Debug, Default, Aggregate)]
/// #[aggregate(name = "account", id = u64, events(Opened, Deposited))]
/// struct Account {
///     open: bool,
///     balance: u64,
/// }
///
/// impl Apply<Opened> for Account {
///     fn apply(&mut self, _: Opened) {
///         self.open = true;
///     }
/// }
///
/// impl Apply<Deposited> for Account {
///     fn apply(&mut self, event: Deposited) {
///         self.balance += event.amount;
///     }
/// }
///
/// #[derive(Debug, PartialEq)]
/// struct NotOpen;
///
/// struct Deposit(u64);
///
/// impl Command<Account> for Deposit {
///     type Error = NotOpen;
///
///     fn decide(&self, account: &Account) -> Result<Events<Account>, NotOpen> {
///         match (account.open, self.0) {
///             (false, _) => Err(NotOpen),
///             (true, 0) => Ok(events![]),
///             (true, amount) => Ok(events![Deposited { amount }]),
///         }
///     }
/// }
///
/// given(events![Opened {}, Deposited { amount: 2 }])
///     .when(Deposit(3))
///     .then([Deposited { amount: 3 }])
///     .then_state(|account| assert_eq!(account.balance, 5));
///
/// given([Opened {}]).when(Deposit(0)).then_nothing();
/// given(events![]).when(Deposit(3)).then_error(NotOpen);
/// ```
///
/// # Panics
/// When an event would not read back from a store unchanged.
#[track_caller]
pub fn given<A: Aggregate>(events: impl Into<Events<A>>) -> Given<A> {
    let mut state = A::initial();
    apply(&mut state, events.into());
    Given { state }
}

/// Begins a test of a decision model with earlier events, of any types and streams.
///
/// As in a store, the model takes those events that its query finds, and no others. The decided events are compared with their
/// streams. Otherwise it is as [`given`].
///
/// ```
/// use midgard::testing::given_model;
/// # use midgard::{Apply, Command, DecisionModel, Event, Events, events};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "user.registered")]
/// # struct Registered { #[event(tag = "name")] name: String, user: u64 }
/// # #[derive(Debug, DecisionModel)]
/// # #[decision(events(Registered))]
/// # struct UserName { #[decision(tag)] name: String, is_taken: bool }
/// # impl Apply<Registered> for UserName { fn apply(&mut self, _: Registered) { self.is_taken = true; } }
/// # #[derive(Debug, PartialEq)]
/// # struct IsTaken;
/// # #[derive(Clone, Copy)]
/// # struct Register { user: u64 }
/// # impl Command<UserName> for Register {
/// #     type Error = IsTaken;
/// #     fn decide(&self, name: &UserName) -> Result<Events<UserName>, IsTaken> {
/// #         if name.is_taken { return Err(IsTaken) }
/// #         Ok(events![Registered { name: name.name.clone(), user: self.user }.to(format!("user-{}", self.user))])
/// #     }
/// # }
/// let ann = || UserName::of("ann".to_owned());
/// let register = Register { user: 2 };
///
/// let other = Registered { name: "ben".to_owned(), user: 1 };
/// given_model(ann(), [other]).when(register).then([Registered { name: "ann".to_owned(), user: 2 }.to("user-2")]);
///
/// let taken = Registered { name: "ann".to_owned(), user: 1 };
/// given_model(ann(), [taken]).when(register).then_error(IsTaken);
/// ```
///
/// # Panics
/// When an event would not read back from a store as it is.
#[track_caller]
#[allow(clippy::needless_pass_by_value)] // `given_model(ann(), ..)` reads as it should.
pub fn given_model<M: DecisionModel>(model: M, events: impl Into<Events<M>>) -> Given<M> {
    let mut state = model.__initial();
    apply(&mut state, events.into());
    Given { state }
}

/// Applies events, each of which must read back as it is, and have a stream that may have it.
#[track_caller]
fn apply<S: State>(state: &mut S, events: Events<S>) {
    for event in events {
        if let Err(error) = event.__written(true) {
            panic!("{error}");
        }
        if let Some(Err(error)) = event.__stream() {
            panic!("{error}");
        }
        if let Err(error) = state.__check(&event) {
            panic!("{error}");
        }
        state.__take(event);
    }
}

/// An aggregate or a decision model with its earlier events; created by [`given`] and [`given_model`].
#[derive(Debug)]
#[must_use = "nothing is tested before `when` and `then`"]
pub struct Given<S> {
    state: S,
}

impl<S: State> Given<S> {
    /// Lets a command decide.
    #[allow(clippy::needless_pass_by_value)] // `.when(Deposit(3))` reads as it should.
    pub fn when<C: Command<S>>(self, command: C) -> Outcome<S, C::Error> {
        Outcome {
            decided: command.decide(&self.state),
            state: self.state,
        }
    }
}

/// The decision of a command; created by [`Given::when`]. Every `then` panics when the decision was another one, and when a
/// decided event would not read back from a store unchanged.
#[derive(Debug)]
#[must_use = "nothing is tested before `then`"]
pub struct Outcome<S: State, E> {
    state: S,
    decided: Result<Events<S>, E>,
}

impl<S: State, E: Debug> Outcome<S, E> {
    /// Checks that the command decided exactly these events, in this order.
    ///
    /// # Panics
    /// With the difference, line by line, when it decided others; and when it was refused.
    #[track_caller]
    pub fn then(self, expected: impl Into<Events<S>>) -> Checked<S> {
        let expected = Listing::of(expected.into().iter());
        let events = match self.decided {
            Ok(events) => events,
            Err(error) => panic!("the command was refused: {error:?}\nexpected {expected}"),
        };
        if let Some(difference) = Difference::between(&expected, &Listing::of(events.iter())) {
            panic!("{difference}");
        }
        Checked::new(self.state, events)
    }

    /// Checks that the command was accepted, and had nothing to do: it decided no events.
    ///
    /// # Panics
    /// When it decided some, or was refused.
    #[track_caller]
    pub fn then_nothing(self) -> Checked<S> {
        self.then(Events::none())
    }

    /// Checks that the command was accepted, and calls `check` with the state, with the decided events applied.
    ///
    /// # Panics
    /// When the command was refused, and whenever `check` does.
    #[track_caller]
    pub fn then_state(self, check: impl FnOnce(&S)) -> Checked<S> {
        match self.decided {
            Ok(events) => Checked::new(self.state, events).then_state(check),
            Err(error) => panic!("the command was refused: {error:?}"),
        }
    }

    /// Checks that the command was refused with this error.
    ///
    /// # Panics
    /// When it was refused with another, or accepted.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value)] // `.then_error(NotOpen)` reads as it should.
    pub fn then_error(self, expected: E)
    where
        E: PartialEq,
    {
        let error = self.refused(&format_args!("{expected:?}"));
        if error != expected {
            panic!("the command was refused with another error\n- {expected:?}\n+ {error:?}");
        }
    }

    /// Checks that the command was refused with an error for which `matches` returns true: `.then_error_matches(|error|
    /// matches!(error, Refused::TooLate { .. }))`.
    ///
    /// # Panics
    /// When it returns false, or the command was accepted.
    #[track_caller]
    pub fn then_error_matches(self, matches: impl FnOnce(&E) -> bool) {
        let error = self.refused(&"an error");
        if !matches(&error) {
            panic!("the command was refused with an error that does not match: {error:?}");
        }
    }

    #[track_caller]
    fn refused(self, expected: &dyn Display) -> E {
        match self.decided {
            Err(error) => error,
            Ok(events) => panic!(
                "the command was accepted, expected {expected}; it decided {}",
                Listing::of(events.iter())
            ),
        }
    }
}

/// A decision that was as expected; created by [`Outcome::then`].
#[derive(Debug)]
pub struct Checked<S> {
    state: S,
}

impl<S: State> Checked<S> {
    #[track_caller]
    fn new(mut state: S, decided: Events<S>) -> Self {
        apply(&mut state, decided);
        Checked { state }
    }

    /// Calls `check` with the state, with the decided events applied.
    ///
    /// # Panics
    /// Whenever `check` does.
    #[track_caller]
    pub fn then_state(self, check: impl FnOnce(&S)) -> Self {
        check(&self.state);
        self
    }
}
