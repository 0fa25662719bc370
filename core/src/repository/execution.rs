//! A command in execution.

use super::{Decided, Loaded};
use crate::aggregate::Aggregate;
use crate::place::{Place, Version};
use crate::repository::ExecuteError;
use std::any::type_name;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The future that [`Repository::execute`](crate::Repository::execute) and
/// [`Repositories::execute`](super::Repositories::execute) return; it resolves to the aggregate, or the decision model, after
/// the command.
// A named type rather than an opaque one: for a command of another aggregate the compiler then
// complains once, not at the call, at its future and at `.await`.
#[must_use = "a command does nothing until its future is awaited"]
pub struct Execution<'a, T, E>(Boxed<'a, T, E>);

type Boxed<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, ExecuteError<E>>> + Send + 'a>>;

impl<'a, T, E> Execution<'a, T, E> {
    pub(super) fn new(run: impl Future<Output = Result<T, ExecuteError<E>>> + Send + 'a) -> Self {
        Execution(Box::pin(run))
    }
}

impl<T, E> Future for Execution<'_, T, E> {
    type Output = Result<T, ExecuteError<E>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<T, E> fmt::Debug for Execution<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution")
            .field("of", &type_name::<T>())
            .finish_non_exhaustive()
    }
}

/// What an execution resolves to: the aggregate, or the decision model, after the command.
#[doc(hidden)]
#[allow(missing_docs)]
pub trait Executed {
    fn __place(&self) -> Option<Place>;
    fn __effect(&self, place: Place) -> String;
}

impl<A: Aggregate> Executed for Loaded<A> {
    fn __place(&self) -> Option<Place> {
        self.place()
    }

    fn __effect(&self, _: Place) -> String {
        let (stream, version) = (self.stream(), self.version());
        format!("stream \"{stream}\" is at version {version}")
    }
}

impl<M> Executed for Decided<M> {
    fn __place(&self) -> Option<Place> {
        self.place()
    }

    fn __effect(&self, place: Place) -> String {
        format!("its last event is at position {place}")
    }
}

/// Never implemented: an execution must be awaited first.
#[diagnostic::on_unimplemented(
    message = "the command has not been executed yet, so it has no state, model, version or place",
    label = "await the command before this call",
    note = "`execute` returns a future of a `Result`: write `.execute(..).await?` before this call"
)]
#[doc(hidden)]
#[allow(missing_docs)]
pub trait Awaited {
    fn never<T>(&self) -> T;
}

// For a call before `.await`, rustc would only report a missing method. With these it says what to write.
#[doc(hidden)]
#[allow(missing_docs)]
impl<A: Aggregate, E> Execution<'_, Loaded<A>, E> {
    pub fn state(&self) -> &A
    where
        Self: Awaited,
    {
        self.never()
    }

    pub fn into_state(self) -> A
    where
        Self: Awaited,
    {
        self.never()
    }

    pub fn version(&self) -> Version
    where
        Self: Awaited,
    {
        self.never()
    }

    pub fn place(&self) -> Option<Place>
    where
        Self: Awaited,
    {
        self.never()
    }
}

#[doc(hidden)]
#[allow(missing_docs)]
impl<M, E> Execution<'_, Decided<M>, E> {
    pub fn model(&self) -> &M
    where
        Self: Awaited,
    {
        self.never()
    }

    pub fn into_model(self) -> M
    where
        Self: Awaited,
    {
        self.never()
    }

    pub fn place(&self) -> Option<Place>
    where
        Self: Awaited,
    {
        self.never()
    }
}
