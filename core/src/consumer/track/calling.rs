//! Calls of what users write: the handler, the function that names sequences, and what follows a commit. What panics in
//! one of them, or takes too long, is a failure that the policy or the status tells of.

use super::super::batch::EventBatch;
use super::super::guard::{guarded, guarded_within};
use super::super::handler::{Call, Handler, TransactionOf};
use super::super::handling::HandlingStage;
use super::Track;
use crate::consumer::{Effect, ProjectError};
use crate::event::record::RecordedEventRef;
use crate::store::Store;
use futures_timer::Delay;
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use std::borrow::Cow;
use std::pin::pin;
use std::time::Instant;

impl<S: Store, H: Handler> Track<'_, S, H> {
    /// Calls the handler, and looks at what it has left in the transaction.
    pub(super) async fn handle(
        &mut self,
        event: &RecordedEventRef<'_>,
        transaction: &mut TransactionOf<H>,
        effects: &mut Vec<Effect>,
        failures: u32,
    ) -> Result<(), ProjectError> {
        self.call(event, transaction, effects, failures).await?;
        if H::ATOMIC {
            let checked = guarded(self.around.handler.check(transaction)).await;
            let checked = checked.map_err(|panic| failed("the check of what it wrote", &panic))?;
            checked.map_err(ProjectError::Handler)?;
        }
        Ok(())
    }

    /// Calls the handler. While that of a subscription takes its time, the worker answers for its leases.
    async fn call(
        &mut self,
        event: &RecordedEventRef<'_>,
        transaction: &mut TransactionOf<H>,
        effects: &mut Vec<Effect>,
        failures: u32,
    ) -> Result<(), ProjectError> {
        let call = Call {
            transaction,
            effects,
            generation: self.plan.generation,
            is_replay: self.plan.replaces.is_some(),
            failures,
        };
        let handler = self.around.handler;
        let handling = guarded_within(handler.options().limit(), handler.handle(event, call));
        let mut handling = pin!(handling);
        let outcome = if H::ATOMIC {
            handling.await
        } else if let Some(outcome) = (&mut handling).now_or_never() {
            outcome
        } else {
            loop {
                let alarm = Delay::new(self.leases.interval());
                if let Either::Left((outcome, _)) = select(&mut handling, alarm).await {
                    break outcome;
                }
                let asked = self.around.control.asked();
                if let Err(trouble) = self.update_leases(asked, true).await {
                    tracing::warn!(error = %trouble, "the leases could not be looked at while a handler runs");
                }
            }
        };
        outcome.unwrap_or_else(|failure| Err(failed("the handler", &failure)))
    }

    /// Does what was to be done after the commit, each by itself: what is committed is not handled again, so that one that
    /// fails may not take the others along.
    pub(super) async fn follow_up(&self, effects: Vec<Effect>, batch: &EventBatch) {
        let limit = self.around.handler.options().limit();
        for Effect { position, work } in effects {
            let index = batch.up_to(position).end.saturating_sub(1);
            let event = batch.get(index);
            let place = self.plan.place(position);
            let stage = HandlingStage::AfterCommit;
            self.slot
                .begin(stage, event.name, Some(place), Instant::now());
            if let Err(failure) = guarded_within(limit, work).await {
                let message = format!(
                    "what was to follow the commit of event \"{}\" at position {position} {failure}; it is not done again",
                    event.name
                );
                let progress = self.around.progress;
                progress.failed(progress.state(), Some(place), 1, message);
            }
        }
    }

    /// The sequence of an event.
    pub(super) fn try_sequence_of<'e>(
        &self,
        event: &RecordedEventRef<'e>,
    ) -> Result<Cow<'e, str>, ProjectError> {
        let sequence = self.around.handler.options().try_sequence_of(event);
        sequence
            .map_err(|panic| failed("the function that names the sequence of the event", &panic))
    }

    /// The sequence of an event. One whose sequence cannot be named is in nobody's way but its stream's.
    pub(super) fn sequence_of<'e>(&self, event: &RecordedEventRef<'e>) -> Cow<'e, str> {
        let sequence = self.try_sequence_of(event);
        sequence.unwrap_or(Cow::Borrowed(event.stream))
    }
}

fn failed(what: &str, failure: &str) -> ProjectError {
    ProjectError::Handler(format!("{what} {failure}").into())
}
