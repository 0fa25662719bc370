//! Projections: events turned into views.

use super::context::Context;
use super::store::{ViewDefinition, ViewStore};
use crate::consumer::{HandlerError, ProjectError};
use crate::event::EventDescriptor;
use crate::event::reading::with_sources;
use crate::event::record::RecordedEventRef;
use crate::store::query::Query;

/// Turns events into rows of views.
///
/// Implement it with the derive of the same name. Each event that it lists needs a [`Project`]; a forgotten one
/// does not compile.
///
/// ```
/// use midgard::{Aggregate, Apply, Context, Event, HandlerResult, Project, Projection, View};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "order.placed")]
/// struct OrderPlaced { order: u64, cents: u64 }
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "order.paid")]
/// struct OrderPaid { order: u64 }
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "order.viewed")]
/// struct OrderViewed {}
/// # #[derive(Debug, Default, Aggregate)]
/// # #[aggregate(name = "order", id = u64, events(OrderPlaced, OrderPaid, OrderViewed))]
/// # struct Order;
/// # impl Apply<OrderPlaced> for Order { fn apply(&mut self, _: OrderPlaced) {} }
/// # impl Apply<OrderPaid> for Order { fn apply(&mut self, _: OrderPaid) {} }
/// # impl Apply<OrderViewed> for Order { fn apply(&mut self, _: OrderViewed) {} }
///
/// #[derive(Serialize, Deserialize, View)]
/// #[view(key = order)]
/// struct OpenOrder { order: u64, cents: u64 }
///
/// #[derive(Projection)]
/// #[projection(
///     name = "open orders",
///     events(OrderPlaced, OrderPaid),
///     ignore(OrderViewed),
///     covers(OrderEvent), // all events of the aggregate `Order` are in one of the lists
///     views(OpenOrder),
/// )]
/// struct OpenOrders;
///
/// impl Project<OrderPlaced> for OpenOrders {
///     async fn project(&self, event: OrderPlaced, context: &mut Context<'_, Self>) -> HandlerResult {
///         let OrderPlaced { order, cents } = event;
///         Ok(context.put(OpenOrder { order, cents })?)
///     }
/// }
///
/// impl Project<OrderPaid> for OpenOrders {
///     async fn project(&self, event: OrderPaid, context: &mut Context<'_, Self>) -> HandlerResult {
///         context.remove::<OpenOrder>(event.order)?;
///         Ok(())
///     }
/// }
/// ```
///
/// - `events(..)` lists events, or [sets](crate::EventSet) of them, each handled by one `Project` for the set.
///   Only these are read.
/// - `ignore(..)` lists what is left out on purpose, and `covers(..)` lists sets whose events must all be in one of the
///   two lists: after an aggregate gains an event, the projection does not compile until it lists or ignores it.
/// - `version = 2` declares that the code has changed, so the views are rebuilt. They are also rebuilt when an event is
///   added to the list. Removing an event takes a higher version: with the same version, the program is taken for an
///   older release, and its projection stops and reports it.
/// - `views(..)` lists the views it may write. Without any, it only keeps a checkpoint, and does its work
///   [after the commit](Context::after_commit) or in the transaction of a [store](ViewStore) of its own,
///   `store = SqlViews`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a projection",
    label = "this type does not implement `Projection`",
    note = "a projection is a type of your own, not a closure: write `#[derive(Projection)] #[projection(name = \"..\", events(..), views(..))] struct Orders;`, and `impl Project<E> for Orders` for each event `E`",
    note = "a closure can handle events that do not become rows: pass it to `Midgard::subscribe`"
)]
pub trait Projection: Send + Sync + Sized + 'static {
    /// The name under which its checkpoint is kept.
    const NAME: &'static str;
    /// The version of its code. A higher version than that of the stored views causes a rebuild; a lower one does not
    /// run.
    const VERSION: u32;
    /// The events that it handles. Added events cause a rebuild; with fewer events, the same version does not run.
    const EVENTS: &'static [&'static EventDescriptor];
    /// The store that keeps its views.
    type Store: ViewStore;

    /// Returns the definitions of its views.
    fn views() -> Vec<ViewDefinition>;

    /// Hands a recorded event to its handler.
    fn project_event(
        &self,
        event: &RecordedEventRef<'_>,
        context: &mut Context<'_, Self>,
    ) -> impl Future<Output = Result<(), ProjectError>> + Send;
}

/// Returns the query for the events of a projection.
pub(crate) fn query_of<P: Projection>() -> Query {
    Query::named(with_sources(P::EVENTS).iter().map(|event| event.name))
}

/// What a projection does with one event, or with any event of a set. See the example of [`Projection`].
///
/// Rows are written through the context, and committed together with the checkpoint: each event takes effect once,
/// however often it is tried. An error or a panic leaves nothing of the event behind; the
/// [policy](crate::consumer::FailurePolicy) decides what happens next.
///
/// A handler passes on the errors of its context with `?`. Where the views are in a database that awaits each read, such as
/// PostgreSQL, a row that was not read yet is such an error: the row is read, and the handler is called again.
///
/// A handler may wait for anything: the store keeps nothing open for it meanwhile. If another worker has taken over the
/// projection by then, reading a row for the first time is an error, nothing of the event is written here, and no
/// failure is counted.
#[diagnostic::on_unimplemented(
    message = "projection `{Self}` has no handler for event `{E}`",
    label = "`{E}` is listed here, but never projected",
    note = "write `impl Project<{E}> for {Self} {{ async fn project(&self, event: {E}, context: &mut Context<'_, Self>) -> Result<(), HandlerError> {{ .. }} }}`, or move `{E}` to `ignore(..)`"
)]
pub trait Project<E>: Projects<E> {
    /// Applies an event to the views.
    fn project(
        &self,
        event: E,
        context: &mut Context<'_, Self>,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// Marks an event, or a set of events, that a projection lists and so handles. The derive implements it.
#[diagnostic::on_unimplemented(
    message = "projection `{Self}` does not list the event `{E}`",
    label = "`{E}` is not in `events(..)` of `{Self}`: this handler would never be called",
    note = "add `{E}` to the list: `#[projection(.., events({E}))]` above `{Self}`"
)]
pub trait Projects<E>: Projection {}

/// Marks a view that a projection lists and may write to.
#[diagnostic::on_unimplemented(
    message = "projection `{Self}` does not list the view `{V}`",
    label = "`{V}` is not in `views(..)` of `{Self}`",
    note = "add `{V}` to the list: `#[projection(.., views({V}))]` above `{Self}`"
)]
// No bound on `V`: a type that is not a view is reported once, where the projection lists it.
pub trait Keeps<V>: Projection {}
