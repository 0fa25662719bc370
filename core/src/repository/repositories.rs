//! All aggregates of a store, and commands on several of them at once.

use super::decision::{Attempt, Decision, Tries, append_decision};
use super::once::{self, DoneOnce, OnceKey, Seen};
use super::{Repository, UnitOfWork};
use crate::aggregate::Aggregate;
use crate::clock::Clock;
use crate::event::codec::{JsonError, ReadBack, from_json};
use crate::event::metadata::Metadata;
use crate::place::{Place, Position, Version};
use crate::repository::{ExecuteError, LoadError};
use crate::store::{Append, ExpectedVersion, Store};
use crate::store::{AppendError, StoreError};
use crate::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::marker::PhantomData;
use std::time::Duration;

/// All aggregates of a store: the [`Repository`] of each type, and commands on several of them in one append; also commands on
/// [decision models](crate::DecisionModel).
///
/// ```standalone_crate
/// use midgard::repository::{ExecuteError, Repositories};
/// use midgard::{Aggregate, Apply, Command, Event, Events, MemoryStore, events};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "account.credited")]
/// # struct Credited { cents: u64 }
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "account.debited")]
/// # struct Debited { cents: u64 }
/// # #[derive(Debug, Default, Aggregate)]
/// # #[aggregate(name = "account", id = String, events(Credited, Debited), apply = enum)]
/// # struct Account { cents: u64 }
/// # impl Apply<AccountEvent> for Account {
/// #     fn apply(&mut self, event: AccountEvent) {
/// #         match event {
/// #             AccountEvent::Credited(event) => self.cents += event.cents,
/// #             AccountEvent::Debited(event) => self.cents -= event.cents,
/// #         }
/// #     }
/// # }
/// # #[derive(Debug, PartialEq)]
/// # struct Overdrawn;
/// # struct Credit(u64);
/// # impl Command<Account> for Credit {
/// #     type Error = Overdrawn;
/// #     fn decide(&self, _: &Account) -> Result<Events<Account>, Overdrawn> {
/// #         Ok(events![Credited { cents: self.0 }])
/// #     }
/// # }
/// # struct Debit(u64);
/// # impl Command<Account> for Debit {
/// #     type Error = Overdrawn;
/// #     fn decide(&self, account: &Account) -> Result<Events<Account>, Overdrawn> {
/// #         account.cents.checked_sub(self.0).ok_or(Overdrawn)?;
/// #         Ok(events![Debited { cents: self.0 }])
/// #     }
/// # }
/// # midgard::block_on(async {
/// let bank = Repositories::new(MemoryStore::new());
/// bank.of::<Account>().execute("a-1", &Credit(70)).await.unwrap();
///
/// let left = bank
///     .execute_together(async |unit| -> Result<u64, ExecuteError<Overdrawn>> {
///         let left = unit.execute::<Account, _>("a-1", &Debit(50)).await?.cents;
///         unit.execute::<Account, _>("a-2", &Credit(50)).await?;
///         Ok(left)
///     })
///     .await
///     .unwrap();
/// assert_eq!(left.value, 20);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Repositories<S> {
    pub(super) store: S,
    pub(super) tries: Tries,
    pub(super) read_back: ReadBack,
    pub(super) clock: Clock,
}

impl<S: Store + Clone> Repositories<S> {
    /// Creates the repositories of this store.
    #[must_use]
    pub const fn new(store: S) -> Self {
        Repositories {
            store,
            tries: Tries::DEFAULT,
            read_back: ReadBack::Yes,
            clock: Clock::system(),
        }
    }

    /// Sets how often to decide again after a conflict; 3 when not set. [`of`](Self::of) passes it on.
    #[must_use]
    pub const fn with_retries(mut self, retries: u32) -> Self {
        self.tries.retries = retries;
        self
    }

    /// Sets for how long an append is repeated while its outcome is unknown: see
    /// [`Repository::with_repeats_for`]. [`of`](Self::of) passes it on.
    #[must_use]
    pub const fn with_repeats_for(mut self, time: Duration) -> Self {
        self.tries.repeat_for = time;
        self
    }

    /// Turns off [reading back events](Repository#what-is-written-is-read-back). [`of`](Self::of) passes it on.
    #[must_use]
    pub const fn without_read_back(mut self) -> Self {
        self.read_back = ReadBack::No;
        self
    }

    /// Sets the clock that dates the keys of [`execute_once`](Self::execute_once) and
    /// [`execute_together_once`](Self::execute_together_once); the system's when not set. [`of`](Self::of) passes it on.
    #[must_use]
    pub fn with_clock(self, clock: impl Into<Clock>) -> Self {
        let clock = clock.into();
        Repositories { clock, ..self }
    }

    /// Returns the underlying store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Returns the repository of one type of aggregates.
    #[must_use]
    pub fn of<A: Aggregate>(&self) -> Repository<A, S> {
        Repository {
            tries: self.tries,
            read_back: self.read_back,
            clock: self.clock.clone(),
            ..Repository::new(self.store.clone())
        }
    }

    /// Executes commands on several aggregates and [decision models](crate::DecisionModel), and appends all of their events at
    /// once, or none.
    ///
    /// `decide` gets a [`UnitOfWork`], with which it loads aggregates and models and executes commands. When others appended
    /// meanwhile to a stream that it loaded, or an event that a model is folded from, `decide` runs again, a bounded number of
    /// times: it should have no effects of its own. When it fails, or decides no events, nothing is appended.
    ///
    /// Commands of several aggregates often have errors of several types:
    /// [`map_rejected`](ExecuteError::map_rejected) turns them into one.
    ///
    /// # Errors
    /// The error of `decide`; [`ExecuteError::Conflict`] when every try met one; or an error of appending. Nothing
    /// was appended then, except after [`StoreError::OutcomeUnknown`], when the events may be stored.
    pub async fn execute_together<T, E, F>(
        &self,
        decide: F,
    ) -> Result<Committed<T>, ExecuteError<E>>
    where
        T: Send,
        E: Send,
        F: AsyncFnMut(&mut UnitOfWork<S>) -> Result<T, ExecuteError<E>>
            + for<'u> DecideTogether<'u, S, T, E>,
    {
        self.execute_together_with(&Metadata::new(), decide).await
    }

    /// Does what [`execute_together`](Self::execute_together) does, with metadata for the events.
    ///
    /// # Errors
    /// As [`execute_together`](Self::execute_together).
    pub async fn execute_together_with<T, E, F>(
        &self,
        metadata: &Metadata,
        decide: F,
    ) -> Result<Committed<T>, ExecuteError<E>>
    where
        T: Send,
        E: Send,
        F: AsyncFnMut(&mut UnitOfWork<S>) -> Result<T, ExecuteError<E>>
            + for<'u> DecideTogether<'u, S, T, E>,
    {
        self.decide_together(metadata, decide, None).await
    }

    /// [Executes](Self::execute_together) commands once for each key: if some were executed under the key before, `decide` is
    /// not called, and the first value is returned. Its keys are separate from those of
    /// [`Repository::execute_once`], which describes how keys are kept; [`forget_keys`](Self::forget_keys) removes old ones. The
    /// value is stored with its key, as JSON.
    ///
    /// # Errors
    /// As [`execute_together`](Self::execute_together).
    pub async fn execute_together_once<T, E, F>(
        &self,
        key: &str,
        decide: F,
    ) -> Result<Committed<T>, ExecuteError<E>>
    where
        T: Serialize + DeserializeOwned + Send,
        E: Send,
        F: AsyncFnMut(&mut UnitOfWork<S>) -> Result<T, ExecuteError<E>>
            + for<'u> DecideTogether<'u, S, T, E>,
    {
        self.execute_together_once_with(key, &Metadata::new(), decide)
            .await
    }

    /// Does what [`execute_together_once`](Self::execute_together_once) does, with metadata for the events.
    ///
    /// # Errors
    /// As [`execute_together_once`](Self::execute_together_once).
    pub async fn execute_together_once_with<T, E, F>(
        &self,
        key: &str,
        metadata: &Metadata,
        decide: F,
    ) -> Result<Committed<T>, ExecuteError<E>>
    where
        T: Serialize + DeserializeOwned + Send,
        E: Send,
        F: AsyncFnMut(&mut UnitOfWork<S>) -> Result<T, ExecuteError<E>>
            + for<'u> DecideTogether<'u, S, T, E>,
    {
        let kept = Kept {
            key: OnceKey::new(once::OF_UNITS, key).map_err(LoadError::from)?,
            write: |value| serde_json::value::to_raw_value(value),
            read: |text| from_json(text.as_bytes(), PhantomData),
        };
        self.decide_together(metadata, decide, Some(kept)).await
    }

    async fn decide_together<T, E, F>(
        &self,
        metadata: &Metadata,
        decide: F,
        kept: Option<Kept<T>>,
    ) -> Result<Committed<T>, ExecuteError<E>>
    where
        T: Send,
        E: Send,
        F: for<'u> DecideTogether<'u, S, T, E>,
    {
        let together = Together {
            repositories: self,
            metadata,
            decide,
            kept,
            overtaken: None,
            error: PhantomData,
        };
        let (mut committed, appended) = append_decision(&self.store, self.tries, together).await?;
        if let Some(appended) = appended {
            committed.place = appended.place();
        }
        Ok(committed)
    }
}

/// The result of a unit of work after its commit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed<T> {
    /// The value that `decide` returned.
    pub value: T,
    /// The place of its last event, to wait until projections have handled it; `None` when there was no event.
    pub place: Option<Place>,
}

/// The closure of a unit of work: an async closure, `async |unit| { .. }`, whose future is `Send`.
///
/// The closure is called again after a conflict.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot decide in a unit of work",
    label = "expected `async |unit| -> Result<_, ExecuteError<_>> {{ .. }}`, whose future is `Send`",
    note = "the closure may be called again after a conflict: let it borrow what it needs, and hold only `Send` values over an `.await`"
)]
pub trait DecideTogether<'u, S: 'u, T, E>:
    Send + FnMut(&'u mut UnitOfWork<S>) -> Self::Deciding
{
    /// The future of the closure.
    type Deciding: Future<Output = Result<T, ExecuteError<E>>> + Send;
}

impl<'u, S: 'u, T, E, F, D> DecideTogether<'u, S, T, E> for F
where
    F: Send + FnMut(&'u mut UnitOfWork<S>) -> D,
    D: Future<Output = Result<T, ExecuteError<E>>> + Send,
{
    type Deciding = D;
}

/// Commands on several streams.
struct Together<'a, S, T, E, F> {
    repositories: &'a Repositories<S>,
    metadata: &'a Metadata,
    decide: F,
    kept: Option<Kept<T>>,
    overtaken: Option<AppendError>,
    error: PhantomData<fn() -> E>,
}

/// How the value is stored with a key.
struct Kept<T> {
    key: OnceKey,
    write: fn(&T) -> Result<Box<RawValue>, serde_json::Error>,
    read: fn(&str) -> Result<T, JsonError>,
}

impl<S, T, E, F> Decision for Together<'_, S, T, E, F>
where
    S: Store + Clone,
    T: Send,
    E: Send,
    F: for<'u> DecideTogether<'u, S, T, E>,
{
    type Outcome = Committed<T>;
    type Error = E;

    async fn done(&mut self) -> Result<Option<Committed<T>>, LoadError> {
        match &self.kept {
            Some(kept) => Ok(kept.find(&self.repositories.store).await?),
            None => Ok(None),
        }
    }

    async fn decide(&mut self, _: u32) -> Result<Attempt<Committed<T>>, ExecuteError<E>> {
        let Repositories {
            store,
            read_back,
            clock,
            ..
        } = self.repositories;
        let mut unit = UnitOfWork::begin(store.clone(), self.metadata.clone(), *read_back);
        let value = call(&mut self.decide, &mut unit).await;
        self.overtaken = unit.take_overtaken();
        let value = value?;
        let seen = unit.models.end;
        let mut append = unit.into_append();
        if let Some(kept) = &self.kept {
            append = kept
                .note(clock.now(), append, &value, seen)
                .map_err(ExecuteError::Append)?;
        }
        let is_any = !append.parts().is_empty() || append.entries().is_some();
        let place = None;
        Ok((Committed { value, place }, is_any.then_some(append)))
    }

    fn overtaken(&mut self) -> Option<AppendError> {
        self.overtaken.take()
    }
}

/// Calls a closure with a unit of work that lives as long as the closure's future.
fn call<'u, S: 'u, T, E, F: DecideTogether<'u, S, T, E>>(
    decide: &mut F,
    unit: &'u mut UnitOfWork<S>,
) -> F::Deciding {
    decide(unit)
}

impl<T> Kept<T> {
    /// Returns the result stored under the key.
    async fn find<S: Store>(&self, store: &S) -> Result<Option<Committed<T>>, StoreError> {
        let Some(done) = self.key.find(store).await? else {
            return Ok(None);
        };
        let value = (self.read)(done.value());
        Ok(Some(Committed {
            value: value.map_err(|error| once::unreadable(&self.key.0, error))?,
            place: done.last_place(store).await?,
        }))
    }

    /// Adds the result to an append. `seen` is the position that decision models were read up to.
    fn note(
        &self,
        at: Timestamp,
        append: Append,
        value: &T,
        seen: Option<Position>,
    ) -> Result<Append, AppendError> {
        let value = (self.write)(value).map_err(|error| once::not_written(&self.key.0, error))?;
        let mut parts = append.parts().iter().rev();
        let last = parts.find(|part| !part.events.is_empty());
        let place = last.and_then(|part| match part.expected {
            ExpectedVersion::Exact(before) => {
                let after = Version(before.get() + part.events.len() as u64);
                Some((&part.stream, after))
            }
            // Only the store knows where it ends.
            _ => None,
        });
        let seen = seen.filter(|_| place.is_none());
        let seen = seen.map(|after| Seen::of(&append, after));
        let done = DoneOnce::new(at, place, Some(value)).with_seen(seen);
        self.key.note(append, &done)
    }
}
