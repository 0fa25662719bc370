//! A process manager as a consumer of the log.

use super::cause::Cause;
use super::notes::{Open, Process};
use super::record::Kind;
use super::replies::id_of;
use super::step::{EVENTS, Input, Steps};
use super::{Concerned, ProcessManager};
use crate::aggregate::IdText;
use crate::consumer::coverage::{Covered, covered};
use crate::consumer::handler::{Call, Continuous, Handler};
use crate::consumer::notebook::NotebookOf;
use crate::consumer::notes::{self, NoteError, backend};
use crate::consumer::start::StartFrom;
use crate::consumer::{ConsumerOptions, FailurePolicy};
use crate::consumer::{HandlerError, ProjectError};
use crate::event::reading::with_sources;
use crate::event::record::RecordedEventRef;
use crate::inbox::{InboxKeys, parked_messages};
use crate::limits::LimitError;
use crate::notes::NoteStore as _;
use crate::place::Place;
use crate::store::query::Query;
use crate::time::Timestamp;
use crate::unit_of_work::{CommitError, UnitOfWork, Work};
use std::collections::BTreeMap;
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
    type Notes = Work;
    const ATOMIC: bool = true;

    fn notes(&self) -> &Work {
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
        call: Call<'_, UnitOfWork>,
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
        // A process whose id breaks a limit is refused every time.
        let is_of_use = !error.is::<LimitError>();
        is_of_use.then(|| policy.wait_after(failures)).flatten()
    }

    fn is_conflict(&self, error: &HandlerError) -> bool {
        let error = error.downcast_ref::<CommitError>();
        error.is_some_and(CommitError::is_other_event)
    }

    fn is_full(&self, unit: &UnitOfWork) -> bool {
        unit.len() >= EVENTS
    }
}

/// The notes of a process manager: those of a consumer, and the open processes.
pub(crate) struct ProcessBook<P: ProcessManager>(pub(crate) Arc<NotebookOf<Reacting<P>>>);

impl<P: ProcessManager> ProcessBook<P> {
    /// Lists the open processes, in the order of their ids.
    pub(crate) async fn list(&self) -> Result<Vec<Process>, NoteError> {
        let steps = &self.0.handler.steps;
        let (work, keys) = (&steps.work, &steps.keys);
        let mut unit = work.unit();
        let prefix = keys.open_all();
        let open: Vec<(String, Open)> = notes::list(work, &mut unit, &prefix).await?;
        let mut all: BTreeMap<String, Process> = open
            .into_iter()
            .map(|(key, open)| {
                let id = key.strip_prefix(&prefix).unwrap_or_default().to_owned();
                (id.clone(), shown(id, open))
            })
            .collect();
        let deadlines = work.list(&mut unit, &keys.deadlines()).await;
        for (key, _) in deadlines.map_err(backend)? {
            if let Some((at, _, id)) = keys.parts_of_deadline(&key)
                && let Some(process) = all.get_mut(id)
            {
                // Deadlines are visited in the order of time.
                process.deadline.get_or_insert(Timestamp::from_micros(at));
            }
        }
        let letters = self.0.dead_letters(Place::START, usize::MAX).await?;
        let letters = letters.into_iter();
        let letters = letters.map(|letter| (letter.sequence, letter.parked_at));
        let answers = parked_messages(work, &InboxKeys::new(P::NAME), "", usize::MAX).await?;
        let answers = answers.into_iter().filter_map(|parked| {
            let subject = parked.content.ok()?.subject?;
            let id = id_of::<P>(&subject)?.to_owned();
            Some((id, parked.parked_at))
        });
        for (id, parked_at) in letters.chain(answers) {
            let process = all.entry(id.clone()).or_insert_with(|| Process {
                id,
                since: parked_at,
                updated: parked_at,
                waiting_for: Vec::new(),
                deadline: None,
                is_parked: true,
            });
            process.is_parked = true;
        }
        Ok(all.into_values().collect())
    }
}

fn shown(id: String, open: Open) -> Process {
    Process {
        id,
        since: Timestamp::from_micros(open.since),
        updated: Timestamp::from_micros(open.updated),
        waiting_for: open.waiting,
        deadline: None,
        is_parked: false,
    }
}
