//! Projections: events turned into views.

mod context;
mod live;
mod store;

pub use context::Context;
pub(crate) use context::Effect;
pub use live::{Live, LiveError};
pub use store::{Generation, ViewStore};

use crate::codec::DecodeError;
use crate::event::EventDescriptor;
use crate::query::{Query, QueryItem};
use crate::record::RecordedEventRef;
use crate::view::ViewDefinition;
use std::error::Error;

/// Any error of a handler.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// Turns events into rows of views.
///
/// Implement it with the derive of the same name, which dispatches to one [`Project`] impl for each
/// listed event.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a projection",
    label = "this type does not implement `Projection`",
    note = "add `#[derive(Projection)]` and `#[projection(name = \"..\", events(..), views(..))]` to `{Self}`"
)]
pub trait Projection: Send + Sync + Sized + 'static {
    /// The name under which its checkpoint is kept.
    const NAME: &'static str;
    /// Which version of its code. Another one than the views were made with is a rebuild.
    const VERSION: u32;
    /// The events that it handles.
    const EVENTS: &'static [&'static EventDescriptor];
    /// Where its views are.
    type Store: ViewStore;

    /// The views that it keeps.
    fn views() -> Vec<ViewDefinition>;

    /// Hands a recorded event to its handler.
    fn project_event(
        &self,
        event: &RecordedEventRef<'_>,
        context: &mut Context<'_, Self>,
    ) -> impl Future<Output = Result<(), ProjectError>> + Send;
}

/// The events of a projection.
pub(crate) fn query_of<P: Projection>() -> Query {
    let names = P::EVENTS.iter();
    let item = names.fold(QueryItem::new(), |item, event| item.name(event.name));
    item.into()
}

/// What a projection does with one event.
#[diagnostic::on_unimplemented(
    message = "projection `{Self}` has no handler for event `{E}`",
    label = "`{E}` is listed here but never projected",
    note = "write `impl Project<{E}> for {Self} {{ async fn project(&self, event: {E}, context: &mut Context<'_, Self>) -> Result<(), HandlerError> {{ .. }} }}`, or list `{E}` in `ignore(..)`"
)]
pub trait Project<E>: Projection {
    /// Takes an event into the views.
    fn project(
        &self,
        event: E,
        context: &mut Context<'_, Self>,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// A view that a projection lists, and may write to.
#[diagnostic::on_unimplemented(
    message = "projection `{Self}` does not list the view `{V}`",
    label = "`{V}` is not one of its views",
    note = "add it: `#[projection(.., views({V}))]`"
)]
// Asks nothing of `V`: a type that is no view is said so once, where the projection lists it.
pub trait Keeps<V>: Projection {}

/// Why an event was not projected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// The event could not be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The handler failed.
    #[error("{0}")]
    Handler(HandlerError),
}
