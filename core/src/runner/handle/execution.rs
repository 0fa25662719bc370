//! Commands that are executed, and then waited for until a projection shows them.

use super::{HandleError, MidgardHandle};
use crate::aggregate::Aggregate;
use crate::error::ExecuteError;
use crate::place::{Position, Version};
use crate::projection::Projection;
use crate::repository::{Execution, Loaded};
use crate::stream_name::StreamName;
use std::error::Error;
use std::fmt::{self, Display};
use std::time::Duration;

impl MidgardHandle {
    /// Waits until a projection, named by its type, has handled everything up to a position:
    /// [`wait_for`](MidgardHandle::wait_for) with [`Projection::NAME`].
    ///
    /// # Errors
    /// As [`wait_for`](MidgardHandle::wait_for).
    pub async fn wait_for_projection<P: Projection>(
        &self,
        position: impl Into<Option<Position>> + Send,
        timeout: Duration,
    ) -> Result<(), HandleError> {
        self.wait_for(P::NAME, position, timeout).await
    }
}

impl<A: Aggregate, E> Execution<'_, A, E> {
    /// Executes the command, and waits until the projection `P` of a running program shows what it changed: the next
    /// read of its views sees it.
    ///
    /// ```
    /// # use midgard::{Aggregate, ExecuteAndWaitError, Loaded, MidgardHandle, Projection, Repository, Store, Command};
    /// # use std::time::Duration;
    /// # async fn example<A: Aggregate<Id = String>, P: Projection, C: Command<A>>(
    /// #     accounts: Repository<A, impl Store>, handle: MidgardHandle, command: C,
    /// # ) -> Result<(), ExecuteAndWaitError<C::Error>> {
    /// # type Balances<P> = P;
    /// let wait = Duration::from_secs(5);
    /// let account = accounts.execute("a-1", &command).and_wait_for::<Balances<P>>(&handle, wait).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ExecuteAndWaitError`] says whether the command was executed: where it was, but the projection has not come as far
    /// in time, it is [`ExecuteAndWaitError::NotShown`].
    pub async fn and_wait_for<P: Projection>(
        self,
        handle: &MidgardHandle,
        timeout: Duration,
    ) -> Result<Loaded<A>, ExecuteAndWaitError<E>> {
        // Not after the command: it would be done, and nobody told.
        handle
            .find(P::NAME)
            .map_err(ExecuteAndWaitError::NotExecuted)?;
        let loaded = self.await.map_err(ExecuteAndWaitError::Execute)?;
        match handle.wait_for(P::NAME, loaded.position(), timeout).await {
            Ok(()) => Ok(loaded),
            Err(error) => Err(ExecuteAndWaitError::NotShown {
                stream: loaded.stream().clone(),
                version: loaded.version(),
                error,
            }),
        }
    }
}

/// Why a command was not executed, or what it changed does not show yet. `E` is the command's own error.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExecuteAndWaitError<E> {
    /// The command had no effect.
    Execute(ExecuteError<E>),
    /// The command was not executed: the program does not run the projection.
    NotExecuted(HandleError),
    /// The command was executed, but the projection does not show it yet. Executing it again would be a second command.
    NotShown {
        /// The stream of the aggregate.
        stream: StreamName,
        /// Its version after the command.
        version: Version,
        /// Why the projection was not waited for any longer.
        error: HandleError,
    },
}

impl<E: Display> Display for ExecuteAndWaitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecuteAndWaitError::Execute(error) => Display::fmt(error, f),
            ExecuteAndWaitError::NotExecuted(error) => {
                write!(f, "the command was not executed: {error}")
            }
            ExecuteAndWaitError::NotShown {
                stream,
                version,
                error,
            } => write!(
                f,
                "the command was executed, and stream \"{stream}\" is at version {version}, but the projection does not show it yet: {error}"
            ),
        }
    }
}

// What a message already says is not its source again.
impl<E: Error + 'static> Error for ExecuteAndWaitError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ExecuteAndWaitError::Execute(error) => error.source(),
            ExecuteAndWaitError::NotExecuted(error)
            | ExecuteAndWaitError::NotShown { error, .. } => error.source(),
        }
    }
}
