//! Commands that are executed and then waited for, until a projection shows them.

use super::MidgardHandle;
use crate::consumer::{ExecuteAndWaitError, HandleError};
use crate::place::Place;
use crate::projection::Projection;
use crate::repository::{Execution, execution::Executed};
use std::time::Duration;

impl MidgardHandle {
    /// Waits until a projection, named by its type, has handled everything up to a place:
    /// [`wait_for`](MidgardHandle::wait_for) with [`Projection::NAME`].
    ///
    /// # Errors
    /// As [`wait_for`](MidgardHandle::wait_for).
    pub async fn wait_for_projection<P: Projection>(
        &self,
        place: impl Into<Option<Place>> + Send,
        timeout: Duration,
    ) -> Result<(), HandleError> {
        self.wait_for(P::NAME, place, timeout).await
    }
}

impl<T: Executed, E> Execution<'_, T, E> {
    /// Executes the command, and waits until the projection `P` of a running program shows what it changed: the next
    /// read of its views sees it.
    ///
    /// ```
    /// # use midgard::consumer::ExecuteAndWaitError;
    /// # use midgard::repository::Repositories;
    /// # use midgard::{Aggregate, Command, DecisionModel, MidgardHandle, Projection, Repository, Store};
    /// # use std::time::Duration;
    /// # async fn example<A: Aggregate<Id = String>, P: Projection, C: Command<A>>(
    /// #     accounts: Repository<A, impl Store>, handle: MidgardHandle, command: C,
    /// # ) -> Result<(), ExecuteAndWaitError<C::Error>> {
    /// # type Balances<P> = P;
    /// let wait = Duration::from_secs(5);
    /// let account = accounts.execute("a-1", &command).and_wait_for::<Balances<P>>(&handle, wait).await?;
    /// # Ok(())
    /// # }
    /// # async fn on_model<M: DecisionModel, P: Projection, C: Command<M>>(
    /// #     courses: Repositories<impl Store + Clone>, handle: MidgardHandle, model: M, command: C, wait: Duration,
    /// # ) -> Result<(), ExecuteAndWaitError<C::Error>> {
    /// # type Timetable<P> = P;
    /// let decided = courses.execute(model, &command).and_wait_for::<Timetable<P>>(&handle, wait).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ExecuteAndWaitError`] tells whether the command was executed: [`ExecuteAndWaitError::NotShown`] means that the command was
    /// executed, but the projection did not catch up in time.
    pub async fn and_wait_for<P: Projection>(
        self,
        handle: &MidgardHandle,
        timeout: Duration,
    ) -> Result<T, ExecuteAndWaitError<E>> {
        // Checked before the command, which would otherwise be executed, and yet end in `NotExecuted`.
        handle
            .find(P::NAME)
            .map_err(ExecuteAndWaitError::NotExecuted)?;
        let executed = self.await.map_err(ExecuteAndWaitError::Execute)?;
        let Some(place) = executed.__place() else {
            return Ok(executed);
        };
        match handle.wait_for(P::NAME, place, timeout).await {
            Ok(()) => Ok(executed),
            Err(error) => Err(ExecuteAndWaitError::NotShown {
                place,
                effect: executed.__effect(place),
                error,
            }),
        }
    }
}
