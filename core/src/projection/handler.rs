//! A projection as a consumer of the log.

use super::{Context, Generation, Projection, ViewDefinition, ViewStore, query_of};
use crate::consumer::coverage::{Covered, covered};
use crate::consumer::handler::{Call, Handler};
use crate::consumer::notes::{NoteError, backend, committed};
use crate::consumer::{ConsumerOptions, HandlerError, ProjectError};
use crate::event::reading::with_sources;
use crate::event::record::RecordedEventRef;
use crate::notes::NoteStore;
use crate::store::query::Query;
use std::sync::Arc;

/// A projection, as a consumer runs it.
pub(crate) struct Projected<P: Projection> {
    projection: P,
    views: P::Store,
    query: Query,
    options: ConsumerOptions,
    definitions: Arc<[ViewDefinition]>,
}

impl<P: Projection> Projected<P> {
    pub(crate) fn new(projection: P, views: P::Store, options: ConsumerOptions) -> Self {
        Projected {
            projection,
            views,
            query: query_of::<P>(),
            options,
            definitions: P::views().into(),
        }
    }

    /// Returns a generation of its views.
    pub(crate) fn generation(&self, number: u32) -> Generation {
        Generation::new(P::NAME, number, self.definitions.clone())
    }
}

impl<P: Projection> Handler for Projected<P> {
    type Notes = P::Store;
    const ATOMIC: bool = true;

    fn notes(&self) -> &P::Store {
        &self.views
    }

    async fn begin(
        &self,
        generation: u32,
    ) -> Result<<P::Store as NoteStore>::Transaction, NoteError> {
        let generation = self.generation(generation);
        self.views
            .begin_generation(&generation)
            .await
            .map_err(backend)
    }

    async fn check(
        &self,
        transaction: &mut <P::Store as NoteStore>::Transaction,
    ) -> Result<(), HandlerError> {
        Ok(self.views.check(transaction).await?)
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
        call: Call<'_, <P::Store as NoteStore>::Transaction>,
    ) -> Result<(), ProjectError> {
        let held = self.views.held(call.transaction);
        let mut context = Context {
            event,
            transaction: call.transaction,
            effects: call.effects,
            generation: call.generation,
            is_replay: call.is_replay,
        };
        let handled = self.projection.project_event(event, &mut context);
        match held {
            Some(held) => held.while_working(handled).await,
            None => handled.await,
        }
    }

    fn lacking(&self, transaction: &<P::Store as NoteStore>::Transaction) -> usize {
        self.views.lacking(transaction)
    }

    async fn load(
        &self,
        transaction: &mut <P::Store as NoteStore>::Transaction,
    ) -> Result<(), NoteError> {
        let loaded = self.views.load(transaction).await;
        committed(&self.views, loaded)
    }

    fn is_overtaken(&self, transaction: &<P::Store as NoteStore>::Transaction) -> bool {
        let held = self.views.held(transaction);
        held.is_some_and(|held| held.is_overtaken())
    }
}
