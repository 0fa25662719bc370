//! Commands on decision models.

use super::decision::append_decision;
use super::model_replay::read;
use super::on_model::{self, Decided, OnModel};
use super::once::{self, OnceKey};
use super::{ExecuteError, Execution, LoadError, Repositories};
use crate::aggregate::Command;
use crate::decision_model::DecisionModel;
use crate::event::metadata::Metadata;
use crate::place::Position;
use crate::store::{AppendError, Store, StoreError};
use crate::time::Timestamp;

impl<S: Store + Clone> Repositories<S> {
    /// Reads a [decision model](crate::DecisionModel) without a decision.
    ///
    /// What it says may be outdated a moment later. A command [executed](Self::execute) on it reads it again.
    ///
    /// # Errors
    /// [`LoadError`]: an event that cannot be read fails the read, with its name, version and position.
    pub async fn load<M: DecisionModel>(&self, model: M) -> Result<M, LoadError> {
        let mut model = model.__initial();
        read(&self.store, &mut model, Position::ZERO, None).await?;
        Ok(model)
    }

    /// Reads a [decision model](crate::DecisionModel), lets the command decide, and appends the events that follow, to
    /// whatever streams they go.
    ///
    /// When an event that the model is folded from was appended meanwhile, it reads what is new and decides again, a
    /// bounded number of times. Where many decide on the same at once, allow [more](Self::with_retries) than three. A
    /// command without events appends nothing.
    ///
    /// The events are applied to the model before they are appended: when an `apply` panics, nothing is appended.
    ///
    /// # Errors
    /// [`ExecuteError::Rejected`] with the command's own error; [`ExecuteError::Conflict`] when every try met one; or
    /// an error of reading or appending. The command had no effect then, except after
    /// [`StoreError::OutcomeUnknown`], when it may have had one.
    pub fn execute<'a, M, C, E>(&'a self, model: M, command: &'a C) -> Execution<'a, Decided<M>, E>
    where
        M: DecisionModel,
        C: Command<M, Error = E>,
        E: Send,
    {
        Execution::new(async move { self.run(model, command, &Metadata::new(), None).await })
    }

    /// Does what [`execute`](Self::execute) does, with metadata for the events: the cause of the command, and headers.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub fn execute_with<'a, M, C, E>(
        &'a self,
        model: M,
        command: &'a C,
        metadata: &'a Metadata,
    ) -> Execution<'a, Decided<M>, E>
    where
        M: DecisionModel,
        C: Command<M, Error = E>,
        E: Send,
    {
        Execution::new(self.run(model, command, metadata, None))
    }

    /// [Executes](Self::execute) a command once for each key: when a command on a decision model was executed under
    /// the key before, it is not decided again, and the model is returned as it was right after the first time.
    /// [`Repository::execute_once`](super::Repository::execute_once) describes keys, and how they are kept; these are separate from
    /// those of aggregates.
    ///
    /// Pass the same model with the same key: a repeat is answered with the model that is passed, as of the first time. A decided
    /// event that the model does not list, but that is split into events that it lists, is in the answer to a repeat, and not
    /// in the first answer.
    ///
    /// # Errors
    /// As [`execute`](Self::execute). A repeat fails with [`LoadError::Tombstoned`] or [`LoadError::Truncated`] when the last
    /// event of the first time was removed; when only others were removed, the repeat is answered from what is left. A key is 1
    /// to about 390 bytes long.
    pub fn execute_once<'a, M, C, E>(
        &'a self,
        key: &str,
        model: M,
        command: &'a C,
    ) -> Execution<'a, Decided<M>, E>
    where
        M: DecisionModel,
        C: Command<M, Error = E>,
        E: Send,
    {
        let key = OnceKey::new(on_model::SCOPE, key);
        Execution::new(async move { self.run(model, command, &Metadata::new(), Some(key)).await })
    }

    /// Does what [`execute_once`](Self::execute_once) does, with metadata for the events.
    ///
    /// # Errors
    /// As [`execute_once`](Self::execute_once).
    pub fn execute_once_with<'a, M, C, E>(
        &'a self,
        key: &str,
        model: M,
        command: &'a C,
        metadata: &'a Metadata,
    ) -> Execution<'a, Decided<M>, E>
    where
        M: DecisionModel,
        C: Command<M, Error = E>,
        E: Send,
    {
        let key = OnceKey::new(on_model::SCOPE, key);
        Execution::new(self.run(model, command, metadata, Some(key)))
    }

    /// Removes the keys of [`execute_once`](Self::execute_once) and [`execute_together_once`](Self::execute_together_once) under
    /// which commands were executed before a time, as [`Repository::forget_keys`](super::Repository::forget_keys) does for those
    /// of aggregates. Returns their number.
    ///
    /// # Errors
    /// When the store cannot be read or written. Some keys may have been removed then.
    pub async fn forget_keys(&self, before: Timestamp) -> Result<usize, AppendError> {
        let of_models = once::forget(&self.store, on_model::SCOPE, before).await?;
        let of_units = once::forget(&self.store, once::OF_UNITS, before).await?;
        Ok(of_models + of_units)
    }

    async fn run<M: DecisionModel, C: Command<M>>(
        &self,
        model: M,
        command: &C,
        metadata: &Metadata,
        once: Option<Result<OnceKey, StoreError>>,
    ) -> Result<Decided<M>, ExecuteError<C::Error>> {
        let once = once.transpose().map_err(LoadError::from)?;
        let decision = OnModel::new(self, &model, command, metadata, once);
        let (mut decided, appended) = append_decision(&self.store, self.tries, decision).await?;
        if let Some(appended) = appended {
            decided.appended(&appended);
        }
        Ok(decided)
    }
}
