//! Calls of users' code: the handler, the function that names sequences, and effects after a commit. A panic in one of
//! them, or a timeout, is a failure for the policy or the status.

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
    /// Calls the handler, and checks its changes in the transaction.
    pub(super) async fn handle(
        &mut self,
        event: &RecordedEventRef<'_>,
        transaction: &mut TransactionOf<H>,
        effects: &mut Vec<Effect>,
        failures: u32,
    ) -> Result<(), ProjectError> {
        self.call(event, transaction, effects, failures).await?;
        if H::ATOMIC {
            let checked = guarded(self.context.handler.check(transaction)).await;
            let checked = checked.map_err(|panic| failed("the check of what it wrote", &panic))?;
            checked.map_err(ProjectError::Handler)?;
        }
        Ok(())
    }

    /// Calls the handler. While a handler of a subscription runs, the worker answers challenges to its leases.
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
        let handler = self.context.handler;
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
                let wake_count = self.context.control.wake_count();
                if let Err(error) = self.update_leases(wake_count, true).await {
                    tracing::warn!(%error, "the leases could not be checked while a handler runs");
                }
            }
        };
        outcome.unwrap_or_else(|failure| Err(failed("the handler", &failure)))
    }

    /// Runs the effects after the commit, each by itself. Committed events are not handled again, so an effect that fails
    /// must not prevent the others.
    pub(super) async fn follow_up(&self, effects: Vec<Effect>, batch: &EventBatch) {
        let limit = self.context.handler.options().limit();
        for Effect { position, work } in effects {
            let index = batch.up_to(position).end.saturating_sub(1);
            let event = batch.get(index);
            let place = self.plan.place(position);
            let stage = HandlingStage::AfterCommit;
            self.slot
                .begin(stage, event.name, Some(place), Instant::now());
            if let Err(failure) = guarded_within(limit, work).await {
                let message = format!(
                    "an effect after the commit of event \"{}\" at position {position} {failure}; it is not run again",
                    event.name
                );
                let progress = self.progress();
                progress.failed(progress.state(), Some(place), 1, message);
            }
        }
    }

    /// Returns the sequence of an event.
    pub(super) fn try_sequence_of<'e>(
        &self,
        event: &RecordedEventRef<'e>,
    ) -> Result<Cow<'e, str>, ProjectError> {
        let sequence = self.context.handler.options().try_sequence_of(event);
        sequence
            .map_err(|panic| failed("the function that names the sequence of the event", &panic))
    }

    /// Returns the sequence of an event. An event whose sequence cannot be named holds up only its stream.
    pub(super) fn sequence_of<'e>(&self, event: &RecordedEventRef<'e>) -> Cow<'e, str> {
        let sequence = self.try_sequence_of(event);
        sequence.unwrap_or(Cow::Borrowed(event.stream))
    }
}

fn failed(what: &str, failure: &str) -> ProjectError {
    ProjectError::Handler(format!("{what} {failure}").into())
}
