//! Decisions on aggregates and decision models, committed at once, together with notes.

use crate::aggregate::{Aggregate, AsId, Command};
use crate::command::Refused;
use crate::consumer::HandlerError;
use crate::decision_model::DecisionModel;
use crate::event::codec::ReadBack;
use crate::event::metadata::Metadata;
use crate::event::record::NewEvent;
use crate::notes::{NoteStore, NotesTransaction, StoreNotes};
use crate::repository::{self, ExecuteError, LoadError};
use crate::store::entry_changes::UnsortedChanges;
use crate::store::{AppendError, StoreError};
use crate::store::{DynStore, EntryError, ExpectedVersion, Store as _};
use crate::stream_name::StreamName;
use event_listener::Event as Notify;
use std::any::{Any, type_name};
use std::collections::HashMap;
use std::fmt::{self, Display};
use std::sync::Arc;

/// A [unit of work](repository::UnitOfWork) of an inbox or a process manager: its events are committed together with notes.
pub(crate) struct NotedUnitOfWork {
    store: DynStore,
    pub(crate) notes: NotesTransaction,
    decided: repository::UnitOfWork<DynStore>,
    /// Other cached data of streams.
    known: HashMap<StreamName, Box<dyn Any + Send>>,
    told: Vec<Arc<Notify>>,
    /// Whether the store failed when an aggregate or a model was read.
    is_troubled: bool,
    /// The last command that was refused, and the aggregate or the model that refused it.
    refused: Option<(Refused, String)>,
}

impl NotedUnitOfWork {
    pub(crate) fn begin(store: DynStore) -> Self {
        NotedUnitOfWork {
            decided: nothing_decided(&store),
            store,
            notes: NotesTransaction::default(),
            known: HashMap::new(),
            told: Vec::new(),
            is_troubled: false,
            refused: None,
        }
    }

    /// Loads an aggregate, including the decisions of this unit of work.
    pub(crate) async fn load<A: Aggregate>(
        &mut self,
        id: &(impl AsId<A::Id> + ?Sized),
    ) -> Result<&A, HandlerError> {
        let loaded = self.decided.load::<A>(id).await;
        self.is_troubled |= loaded.as_ref().is_err_and(is_trouble);
        Ok(loaded?)
    }

    /// Lets a command decide, and adds its events, to be appended at the commit.
    pub(crate) async fn execute<A: Aggregate, C: Command<A>>(
        &mut self,
        id: &(impl AsId<A::Id> + ?Sized),
        command: &C,
        metadata: &Metadata,
    ) -> Result<&A, HandlerError>
    where
        C::Error: Display,
    {
        let mut metadata = metadata.clone();
        let decided = self.decided.decide::<A, C>(id, command, &mut metadata);
        match decided.await {
            Ok(stream) => Ok(self.decided.loaded::<A>(&stream).await?.state()),
            Err(error) => {
                let stream = StreamName::of::<A>(id)?;
                Err(self.failed::<C, _>(error, format_args!("aggregate \"{stream}\"")))
            }
        }
    }

    /// Reads a decision model, including the decisions of this unit of work.
    pub(crate) async fn load_model<M: DecisionModel>(
        &mut self,
        model: M,
    ) -> Result<M, HandlerError> {
        let read = self.decided.load_model(model).await;
        self.is_troubled |= read.as_ref().is_err_and(is_trouble);
        Ok(read?)
    }

    /// Lets a command decide on a model, and adds its events, to be appended at the commit.
    pub(crate) async fn execute_on_model<M: DecisionModel, C: Command<M>>(
        &mut self,
        model: M,
        command: &C,
        metadata: &Metadata,
    ) -> Result<M, HandlerError>
    where
        C::Error: Display,
    {
        let mut metadata = metadata.clone();
        let decided = self.decided.decide_on_model(model, command, &mut metadata);
        let decided = decided.await;
        decided.map_err(|error| {
            let model = format_args!("decision model {}", type_name::<M>());
            self.failed::<C, _>(error, model)
        })
    }

    /// Returns the error of a handler whose command was not executed, and keeps what is told of it.
    fn failed<C, E: Display>(
        &mut self,
        error: ExecuteError<E>,
        by: fmt::Arguments<'_>,
    ) -> HandlerError {
        match error {
            ExecuteError::Rejected(error) => {
                let (refused, command) = (Refused::new(error.to_string()), type_name::<C>());
                self.refused = Some((
                    refused.clone(),
                    format!("{by} has refused command {command}"),
                ));
                refused.into()
            }
            ExecuteError::Load(error) => {
                self.is_troubled |= is_trouble(&error);
                error.into()
            }
            ExecuteError::Append(AppendError::Encode(error)) => error.into(),
            ExecuteError::Append(error) | ExecuteError::Conflict { last: error, .. } => {
                error.into()
            }
        }
    }

    /// Adds the command, and the aggregate or the model, to a refusal, for consumers without a caller who knows the command.
    pub(crate) fn explain(&self, error: HandlerError) -> HandlerError {
        match (&self.refused, error.downcast_ref::<Refused>()) {
            (Some((refused, by)), Some(told)) if refused == told => format!("{by}: {error}").into(),
            _ => error,
        }
    }

    /// Adds events of a stream, to be appended at the commit.
    pub(crate) fn append(
        &mut self,
        stream: StreamName,
        expected: impl Into<ExpectedVersion>,
        events: impl IntoIterator<Item = NewEvent>,
    ) {
        self.decided.append_events(stream, expected, events);
    }

    /// Takes the cached data of a stream.
    pub(crate) fn take_cached<T: 'static>(&mut self, stream: &StreamName) -> Option<T> {
        let kept = self.known.remove(stream)?.downcast().ok();
        kept.map(|kept| *kept)
    }

    /// Caches data of a stream until the unit of work is committed.
    pub(crate) fn cache<T: Send + 'static>(&mut self, stream: StreamName, known: T) {
        self.known.insert(stream, Box::new(known));
    }

    /// Wakes the listeners once all is committed.
    pub(crate) fn tell_after_commit(&mut self, told: &Arc<Notify>) {
        self.told.push(told.clone());
    }

    /// Returns a change of what the handler has read, if it was met while the handler read more: the handler must run again.
    pub(crate) fn take_overtaken(&mut self) -> Option<AppendError> {
        self.decided.take_overtaken()
    }

    /// Returns whether the store failed when an aggregate or a model was read: then the handler is not to blame.
    pub(crate) const fn is_troubled(&self) -> bool {
        self.is_troubled
    }

    /// Discards all events; notes stay.
    pub(crate) fn undo(&mut self) {
        self.decided = nothing_decided(&self.store);
        self.known.clear();
    }

    /// Returns the number of events to append.
    pub(crate) const fn len(&self) -> usize {
        self.decided.len()
    }

    /// Commits everything, or nothing.
    pub(crate) async fn commit(self) -> Result<(), CommitError> {
        let write = self.notes.into_write(UnsortedChanges::default());
        let append = self.decided.into_decided();
        if append.parts().is_empty() {
            self.store.write_entries(write).await?;
        } else {
            self.store.append(append.with_entries(write)).await?;
        }
        for told in self.told {
            told.notify(usize::MAX);
        }
        Ok(())
    }
}

fn nothing_decided(store: &DynStore) -> repository::UnitOfWork<DynStore> {
    repository::UnitOfWork::begin(store.clone(), Metadata::new(), ReadBack::Yes)
}

/// Returns whether an aggregate could not be loaded because of the store, which may recover a moment later.
const fn is_trouble(error: &LoadError) -> bool {
    match error {
        LoadError::Store(
            StoreError::Limit(_) | StoreError::Corrupt { .. } | StoreError::SeveralLogs { .. },
        ) => false,
        LoadError::Store(_) => true,
        _ => false,
    }
}

/// Why nothing was committed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    #[error(transparent)]
    Entries(#[from] EntryError),
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl CommitError {
    /// Returns whether another transaction changed a note meanwhile.
    pub(crate) const fn is_other_note(&self) -> bool {
        matches!(
            self,
            CommitError::Entries(EntryError::Changed { .. })
                | CommitError::Append(AppendError::EntryChanged { .. })
        )
    }

    /// Returns whether another transaction appended an event meanwhile that this one relied on not to be there.
    pub(crate) const fn is_other_event(&self) -> bool {
        matches!(
            self,
            CommitError::Append(AppendError::Conflict { .. } | AppendError::ConditionFailed { .. })
        )
    }

    /// Returns whether it failed because of a concurrent change.
    pub(crate) const fn is_conflict(&self) -> bool {
        self.is_other_note() || self.is_other_event()
    }

    /// Returns whether it failed because of its contents, and not because of the store.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(
            self,
            CommitError::Append(
                AppendError::Conflict { .. }
                    | AppendError::ConditionFailed { .. }
                    | AppendError::Tombstoned { .. }
                    | AppendError::Encode(_)
                    | AppendError::Store(StoreError::Limit(_) | StoreError::SeveralLogs { .. })
            ) | CommitError::Entries(EntryError::Store(StoreError::Limit(_)))
        )
    }
}

/// A store for units of work: its notes and its streams.
pub(crate) struct UnitOfWorkStore(StoreNotes<DynStore>);

impl UnitOfWorkStore {
    pub(crate) const fn new(store: DynStore) -> Self {
        UnitOfWorkStore(StoreNotes::of(store))
    }

    /// Returns the underlying store.
    pub(crate) const fn store(&self) -> &DynStore {
        self.0.store()
    }

    /// Begins a unit of work that is committed apart from any consumer's.
    pub(crate) fn unit(&self) -> NotedUnitOfWork {
        NotedUnitOfWork::begin(self.store().clone())
    }
}

impl NoteStore for UnitOfWorkStore {
    type Transaction = NotedUnitOfWork;
    type Error = CommitError;

    async fn begin(&self) -> Result<NotedUnitOfWork, CommitError> {
        Ok(self.unit())
    }

    async fn get(
        &self,
        unit: &mut NotedUnitOfWork,
        key: &str,
    ) -> Result<Option<String>, CommitError> {
        Ok(self.0.get(&mut unit.notes, key).await?)
    }

    async fn put(
        &self,
        unit: &mut NotedUnitOfWork,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), CommitError> {
        Ok(self.0.put(&mut unit.notes, key, value).await?)
    }

    async fn list(
        &self,
        unit: &mut NotedUnitOfWork,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, CommitError> {
        Ok(self.0.list(&mut unit.notes, prefix).await?)
    }

    async fn list_page(
        &self,
        unit: &mut NotedUnitOfWork,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, CommitError> {
        Ok(self
            .0
            .list_page(&mut unit.notes, prefix, after, limit)
            .await?)
    }

    async fn commit(&self, unit: NotedUnitOfWork) -> Result<(), CommitError> {
        unit.commit().await
    }

    fn is_conflict(&self, error: &CommitError) -> bool {
        error.is_other_note()
    }

    fn is_refusal(&self, error: &CommitError) -> bool {
        error.is_refusal()
    }
}
