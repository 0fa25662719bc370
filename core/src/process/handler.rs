//! A process manager as a consumer of the log.

use super::cause::Cause;
use super::noted::open_processes;
use super::notes::Process;
use super::record::Kind;
use super::step::{EVENTS, Input, Steps};
use super::{Concerned, ProcessManager};
use crate::aggregate::IdText;
use crate::consumer::coverage::{Covered, covered};
use crate::consumer::handler::{Call, Continuous, Handler};
use crate::consumer::notebook::NotebookOf;
use crate::consumer::notes::NoteError;
use crate::consumer::start::StartFrom;
use crate::consumer::{ConsumerOptions, FailurePolicy};
use crate::consumer::{HandlerError, ProjectError};
use crate::event::reading::with_sources;
use crate::event::record::RecordedEventRef;
use crate::limits::LimitError;
use crate::place::Place;
use crate::store::query::Query;
use crate::store::{AppendError, StoreError};
use crate::unit_of_work::{CommitError, NotedUnitOfWork, UnitOfWorkStore};
use std::sync::Arc;
use std::time::Duration;

/// The part of a process manager that consumes the log.
pub(crate) struct Reacting<P: ProcessManager> {
    pub(super) steps: Arc<Steps<P>>,
    query: Query,
    start: StartFrom,
    options: ConsumerOptions,
}

impl<P: ProcessManager> Reacting<P> {
    pub(crate) fn new(steps: Arc<Steps<P>>, start: StartFrom, options: ConsumerOptions) -> Self {
        Reacting {
            steps,
            query: Query::named(with_sources(P::EVENTS).iter().map(|event| event.name)),
            start,
            options,
        }
    }
}

impl<P: ProcessManager> Continuous for Reacting<P> {
    fn name(&self) -> &str {
        P::NAME
    }

    fn start(&self) -> Option<StartFrom> {
        Some(self.start)
    }
}

impl<P: ProcessManager> Handler for Reacting<P> {
    type Notes = UnitOfWorkStore;
    const ATOMIC: bool = true;

    fn notes(&self) -> &UnitOfWorkStore {
        &self.steps.work
    }

    fn options(&self) -> &ConsumerOptions {
        &self.options
    }

    fn query(&self) -> &Query {
        &self.query
    }

    fn covers(&self) -> Covered {
        let events = with_sources(P::EVENTS).into_iter();
        covered(&self.query, events.map(|event| (event.name, event.version)))
    }

    async fn handle(
        &self,
        event: &RecordedEventRef<'_>,
        call: Call<'_, NotedUnitOfWork>,
    ) -> Result<(), ProjectError> {
        for Concerned { id, rewritten } in P::processes_of(event)? {
            let input = Input {
                to: Kind::Event,
                encoded: match &rewritten {
                    Some(rewritten) => rewritten.view(),
                    None => event.encoded(),
                },
                command: None,
                cause: Cause::event(event),
                correlation_id: event.correlation_id.or(Some(event.id)),
                causation_id: Some(event.id),
            };
            let id = IdText(&id).to_string();
            let taken = self.steps.take(call.transaction, &id, input).await;
            taken.map_err(ProjectError::Handler)?;
        }
        Ok(())
    }

    fn wait_after(
        &self,
        error: &HandlerError,
        policy: &FailurePolicy,
        failures: u32,
    ) -> Option<Duration> {
        // A process whose id breaks a limit is refused every time, and so is an append over several logs.
        let append = error.downcast_ref();
        let is_over_logs = matches!(
            append,
            Some(CommitError::Append(AppendError::Store(
                StoreError::SeveralLogs { .. }
            )))
        );
        let is_of_use = !error.is::<LimitError>() && !is_over_logs;
        is_of_use.then(|| policy.wait_after(failures)).flatten()
    }

    fn is_conflict(&self, error: &HandlerError) -> bool {
        let error = error.downcast_ref::<CommitError>();
        error.is_some_and(CommitError::is_other_event)
    }

    fn is_full(&self, unit: &NotedUnitOfWork) -> bool {
        unit.len() >= EVENTS
    }
}

/// The notes of a process manager: those of a consumer, and the open processes.
pub(crate) struct ProcessBook<P: ProcessManager>(pub(crate) Arc<NotebookOf<Reacting<P>>>);

impl<P: ProcessManager> ProcessBook<P> {
    /// Lists the open processes, in the order of their ids.
    pub(crate) async fn list(&self) -> Result<Vec<Process>, NoteError> {
        let letters = self.0.dead_letters(Place::START, usize::MAX).await?;
        open_processes(&self.0.handler.steps.work, P::NAME, letters).await
    }
}
