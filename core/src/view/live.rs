//! Projections that are folded on demand.

use crate::consumer::ProjectError;
use crate::consumer::about::{AboutProjection, Built};
use crate::consumer::batch::{EVENTS, EventBatch, next_events};
use crate::consumer::notes::{self, Checkpoint, Keys};
use crate::event::reading::reads;
use crate::event::record::RecordedEventRef;
use crate::notes::NoteStore as _;
use crate::place::{Place, Position, Version};
use crate::projection::{Context, Generation, Projection, ViewStore as _, query_of};
use crate::store::StoreError;
use crate::store::query::Query;
use crate::store::{MemoryStore, ReadStream, Store};
use crate::stream_name::StreamName;
use crate::view::{ViewError, ViewSnapshot, ViewTransaction, Views};
use futures_util::lock::Mutex;
use serde::Serialize;
use std::fmt;

/// A projection that is folded on demand: its views are in memory, and up to date with the log whenever they are
/// read.
///
/// The logs of a store with several are folded one after another, each in its own order.
///
/// Nothing is stored, and nothing runs in between: for views that are small or rarely read, and for those that must
/// not lag behind. The first read folds all events, each later one only those that came since. Effects
/// [after the commit](Context::after_commit) do not run.
///
/// ```
/// use midgard::{Context, Event, HandlerResult, MemoryStore, Project, Projection, View};
/// use midgard::view::Live;
/// # use midgard::store::{Append, ExpectedVersion};
/// # use midgard::event::NewEvent;
/// # use midgard::{Store, StreamName};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "order.placed")]
/// # struct OrderPlaced { customer: String }
/// #[derive(Serialize, Deserialize, View)]
/// #[view(key = customer)]
/// struct Orders { customer: String, count: u64 }
///
/// #[derive(Projection)]
/// #[projection(name = "orders", events(OrderPlaced), views(Orders))]
/// struct OrdersByCustomer;
///
/// impl Project<OrderPlaced> for OrdersByCustomer {
///     async fn project(&self, event: OrderPlaced, context: &mut Context<'_, Self>) -> HandlerResult {
///         let none = || Orders { customer: event.customer.clone(), count: 0 };
///         Ok(context.upsert::<Orders>(&event.customer, none, |row| row.count += 1)?)
///     }
/// }
///
/// # midgard::block_on(async {
/// # let store = MemoryStore::new();
/// # let event = NewEvent::encode(&OrderPlaced { customer: "ann".to_owned() })?;
/// # store.append(Append::to(StreamName::new("order-1")?, ExpectedVersion::NoStream, [event])).await?;
/// let orders = Live::new(OrdersByCustomer, store.clone());
/// let of_ann = orders.views().await?.get::<Orders>("ann")?;
/// assert_eq!(of_ann.map(|row| row.count), Some(1));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Live<P, S> {
    projection: P,
    store: S,
    of: Of,
    views: Views,
    keys: Keys,
    folded: Mutex<Folded>,
}

/// The events that are folded.
enum Of {
    Log(Query),
    Stream(StreamName),
}

/// The progress of the fold.
#[derive(Default)]
struct Folded {
    is_prepared: bool,
    /// The position up to which each log is folded; of a stream, those of its events.
    places: Vec<Place>,
    version: Version,
    batch: EventBatch,
}

/// Why a projection could not be folded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// An event could not be projected.
    #[error(
        "live projection \"{projection}\" failed on event \"{name}\" at position {place}: {cause}"
    )]
    Project {
        /// The projection.
        projection: &'static str,
        /// The stored name of the event.
        name: String,
        /// Its place in the log.
        place: Place,
        /// What went wrong.
        cause: ProjectError,
    },
    /// The views could not be read or written.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The events could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<P: Projection<Store = Views>, S: Store> Live<P, S> {
    /// Creates a live projection of the whole log. Nothing is read yet.
    pub fn new(projection: P, store: S) -> Self {
        Self::of(projection, store, Of::Log(query_of::<P>()))
    }

    /// Creates a live projection of one stream alone. Events that a later truncation removes stay folded.
    pub fn of_stream(projection: P, store: S, stream: StreamName) -> Self {
        Self::of(projection, store, Of::Stream(stream))
    }

    fn of(projection: P, store: S, of: Of) -> Self {
        Live {
            projection,
            store,
            of,
            views: Views::new(MemoryStore::new()),
            keys: Keys::new("projection", P::NAME),
            folded: Mutex::default(),
        }
    }

    /// Folds the events appended since the last call, and returns the views as they are then.
    ///
    /// # Errors
    /// [`LiveError`]; the next call tries again.
    pub async fn views(&self) -> Result<ViewSnapshot, LiveError> {
        let mut folded = self.folded.lock().await;
        let generation = Generation::new(P::NAME, 1, P::views());
        if !folded.is_prepared {
            let places = match &self.of {
                Of::Log(_) => {
                    let logs = self.store.logs().await?.into_iter();
                    logs.map(|log| Place::new(log, Position::ZERO)).collect()
                }
                // Its first event shows in which log it is.
                Of::Stream(_) => vec![Place::START],
            };
            let mut transaction = self.views.begin_generation(&generation).await?;
            self.views.prepare(&mut transaction, &generation).await?;
            self.views.activate(&mut transaction, &generation).await?;
            let active = Built {
                number: generation.number,
                version: P::VERSION,
                ..Built::default()
            };
            let about = AboutProjection {
                active: Some(active),
                ..AboutProjection::default()
            };
            self.note(&mut transaction, &self.keys.about(), about)
                .await?;
            self.views.commit(transaction).await?;
            folded.places = places;
            folded.is_prepared = true;
        }
        for log in 0..folded.places.len() {
            while self.fold(&generation, &mut folded, log).await? {}
        }
        Ok(self.views.snapshot()?)
    }

    /// Folds the next events of a log; returns whether there may be more.
    async fn fold(
        &self,
        generation: &Generation,
        folded: &mut Folded,
        log: usize,
    ) -> Result<bool, LiveError> {
        let from = folded.places[log];
        let reached = match &self.of {
            Of::Log(query) => {
                let read = next_events(query, from);
                let reached = folded.batch.fill(&self.store, &read).await?;
                Place::new(from.log, reached)
            }
            Of::Stream(stream) => {
                let read = ReadStream::forward(stream.clone()).from(folded.version.next());
                folded
                    .batch
                    .fill_stream(&self.store, &read.limit(EVENTS))
                    .await?;
                from
            }
        };
        if folded.batch.len() == 0 && reached <= from {
            return Ok(false);
        }
        let mut transaction = self.views.begin_generation(generation).await?;
        let mut failed = None;
        let mut done = (from, folded.version);
        for index in 0..folded.batch.len() {
            let event = folded.batch.get(index);
            let mut effects = Vec::new();
            let mut context = Context {
                event: &event,
                transaction: &mut transaction,
                effects: &mut effects,
                generation: generation.number,
                is_replay: true,
            };
            if let Err(cause) = self.project(&event, &mut context).await {
                failed = Some((index, cause));
                break;
            }
            done = (event.place(), event.version);
        }
        let Some((index, cause)) = failed else {
            let place = if reached > done.0 { reached } else { done.0 };
            let key = self.keys.checkpoint(generation.number, place.log, 0);
            let checkpoint = Checkpoint::at(place.position);
            self.note(&mut transaction, &key, checkpoint).await?;
            self.views.commit(transaction).await?;
            folded.places[log] = place;
            folded.version = done.1;
            return Ok(folded.batch.len() > 0);
        };
        let event = folded.batch.get(index);
        Err(LiveError::Project {
            projection: P::NAME,
            name: event.name.to_owned(),
            place: event.place(),
            cause,
        })
    }

    /// Writes a note as a running projection would, so that readers find the place of the views.
    async fn note<T: Serialize>(
        &self,
        transaction: &mut ViewTransaction,
        key: &str,
        note: T,
    ) -> Result<(), ViewError> {
        let text = notes::write(note).map_err(|error| ViewError::DamagedNote {
            note: key.to_owned(),
            reason: error.to_string(),
        })?;
        self.views.put(transaction, key, Some(&text)).await
    }

    /// Projects an event if the projection lists it: a stream may have others.
    async fn project(
        &self,
        event: &RecordedEventRef<'_>,
        context: &mut Context<'_, P>,
    ) -> Result<(), ProjectError> {
        if reads(P::EVENTS, event.name) {
            self.projection.project_event(event, context).await?;
            let checked = self.views.check(context.transaction()).await;
            checked.map_err(|error| ProjectError::Handler(error.into()))?;
        }
        Ok(())
    }
}

impl<P: Projection, S> fmt::Debug for Live<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("projection", &P::NAME)
            .finish_non_exhaustive()
    }
}
