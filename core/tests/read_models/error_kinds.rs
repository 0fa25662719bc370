//! What errors mean to a client: a service matches once on all of them.

use super::kit::{Balance, Balances, LONG, Paid, pay, start};
use midgard::command::AskError;
use midgard::error::{Classify, ErrorKind};
use midgard::repository::{ExecuteError, LoadError};
use midgard::store::{AppendError, Full, StoreError};
use midgard::{
    Aggregate, Apply, Command, Events, MemoryStore, Midgard, Refused, Repository, StreamName,
    Version, Views, block_on, events,
};
use std::fmt::Display;
use std::time::Duration;

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "purse", id = String, events(Paid))]
struct Purse {}

impl Apply<Paid> for Purse {
    fn apply(&mut self, _: Paid) {}
}

#[derive(Debug, thiserror::Error)]
#[error("{0} cents are too much")]
struct TooMuch(u64);

struct Pay(u64);

impl Command<Purse> for Pay {
    type Error = TooMuch;

    fn decide(&self, _: &Purse) -> Result<Events<Purse>, TooMuch> {
        match self.0 {
            cents if cents > 100 => Err(TooMuch(cents)),
            cents => Ok(events![Paid {
                account: "ann".to_owned(),
                cents,
            }]),
        }
    }
}

/// What a service answers.
#[derive(Debug, PartialEq)]
struct Answer(u16, String);

impl<E: Classify + Display> From<E> for Answer {
    fn from(error: E) -> Self {
        let (status, text) = match error.kind() {
            ErrorKind::Rejected(reason) => (422, reason.to_string()),
            ErrorKind::Invalid => (400, error.to_string()),
            ErrorKind::Conflict => (409, String::new()),
            ErrorKind::Gone => (410, String::new()),
            ErrorKind::Full => (507, String::new()),
            ErrorKind::Unavailable => (503, String::new()),
            ErrorKind::NotShown => (202, String::new()),
            ErrorKind::OutcomeUnknown => (504, String::new()),
            _ => (500, String::new()),
        };
        Answer(status, text)
    }
}

fn status(error: impl Into<Answer>) -> u16 {
    error.into().0
}

#[test]
fn errors_of_commands_tell_what_they_mean() {
    let purses = Repository::<Purse, _>::new(MemoryStore::new());
    let error = block_on(purses.execute("ann", &Pay(101))).unwrap_err();
    assert_eq!(
        Answer::from(error),
        Answer(422, "101 cents are too much".to_owned())
    );
    let error = block_on(purses.execute("", &Pay(1))).unwrap_err();
    assert!(Answer::from(error).1.contains("is empty"));

    block_on(purses.execute("bob", &Pay(1))).unwrap();
    block_on(purses.tombstone("bob", Version(1))).unwrap();
    let error = block_on(purses.load("bob")).unwrap_err();
    assert_eq!(status(error), 410);
    let error = block_on(purses.execute("bob", &Pay(1))).unwrap_err();
    assert_eq!(status(error), 410);
}

#[test]
fn errors_of_a_wait_tell_that_it_was_done() {
    let store = MemoryStore::new();
    let views = Views::new(store.clone());
    assert_eq!(status(views.get::<Balance>("ann").unwrap_err()), 503);

    pay(&store, "ann", 1);
    let (balances, gate) = Balances::<1>::gated(1);
    let running = start(Midgard::new(store.clone()).project(balances, views));
    gate.wait_until_reached();
    let purses = Repository::<Purse, _>::new(store);
    let soon = Duration::from_millis(1);
    let pay = Pay(2);
    let waiting = purses
        .execute("ann", &pay)
        .and_wait_for::<Balances<1>>(&running.handle, soon);
    assert_eq!(status(block_on(waiting).unwrap_err()), 202);
    let pay = Pay(101);
    let rejected = purses
        .execute("ann", &pay)
        .and_wait_for::<Balances<1>>(&running.handle, LONG);
    assert_eq!(status(block_on(rejected).unwrap_err()), 422);
    gate.open();
    running.stop().unwrap();
}

#[test]
fn errors_of_stores_keep_their_meaning_whatever_wraps_them() {
    let stream = StreamName::new("purse-ann").unwrap();
    let conflict = || AppendError::EntryChanged { key: vec![1] };
    let unknown = || StoreError::OutcomeUnknown {
        reason: "it rains".to_owned(),
    };
    let full = || StoreError::Full(Full::Disk);
    assert_eq!(status(conflict()), 409);
    assert_eq!(
        status(ExecuteError::<TooMuch>::Conflict {
            tries: 4,
            last: conflict()
        }),
        409
    );
    assert_eq!(
        status(ExecuteError::<TooMuch>::Append(unknown().into())),
        504
    );
    assert_eq!(status(ExecuteError::<TooMuch>::Load(full().into())), 507);
    assert_eq!(status(AppendError::from(full())), 507);
    assert_eq!(
        status(LoadError::Truncated {
            stream,
            first: Version(2)
        }),
        500
    );
    let refused = AskError::Refused(Refused::new("it is too early"));
    assert_eq!(
        Answer::from(refused),
        Answer(422, "it is too early".to_owned())
    );
}
