//! `given_projection().event(..).then_row(..)`: the rows that a projection derives from events.

// A test kit reports by panicking, at the line of the test.
#![allow(clippy::panic)]

use super::process::difference;
use super::sound;
use crate::clock::ManualClock;
use crate::consumer::{ConsumerOptions, FailurePolicy, ProjectError};
use crate::event::metadata::Metadata;
use crate::event::record::{NewEvent, RecordedEventRef};
use crate::event::{Event, EventDescriptor};
use crate::place::{LogId, Position};
use crate::projection::{Context, Keeps, Projection, ViewDefinition};
use crate::runner::Midgard;
use crate::store::{Append, ExpectedVersion, MemoryStore, Store as _};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use crate::view::{KeyOf, Select, View, ViewError, ViewSnapshot, Views};
use pollster::block_on;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// Begins a test of a projection, with an empty log.
///
/// The projection itself runs, on a store in memory, including its commits: indexes, unique values and rows that must read
/// back are checked as in a program. Each `then` lets it handle the events so far, and then rebuilds the views from the
/// first event on: a projection that would derive other rows from the same events, because it depends on the time or on
/// chance, fails the test.
///
/// Rows are compared as they would be stored, so they need no `PartialEq`.
///
/// ```
/// use midgard::testing::given_projection;
/// use midgard::{Context, Event, HandlerResult, Project, Projection, View};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "order.placed")]
/// struct OrderPlaced { customer: String, cents: u64 }
///
/// #[derive(Serialize, Deserialize, View)]
/// #[view(key = customer, index(cents, ordered))]
/// struct Customer { customer: String, cents: u64, since: String }
///
/// #[derive(Default, Projection)]
/// #[projection(name = "customers", events(OrderPlaced), views(Customer))]
/// struct Customers;
///
/// impl Project<OrderPlaced> for Customers {
///     async fn project(&self, event: OrderPlaced, context: &mut Context<'_, Self>) -> HandlerResult {
///         if event.cents == 0 {
///             return Err("an order of nothing".into());
///         }
///         let OrderPlaced { customer, cents } = event;
///         let since = context.recorded().time.to_string();
///         let new = || Customer { customer: customer.clone(), cents: 0, since };
///         Ok(context.upsert::<Customer>(&customer, new, |row| row.cents += cents)?)
///     }
/// }
///
/// let placed = |customer: &str, cents| OrderPlaced { customer: customer.to_owned(), cents };
/// given_projection::<Customers>()
///     .at("2026-11-25T18:30:00Z".parse()?)
///     .event_of("order-1", placed("ann", 300))
///     .event_of("order-2", placed("bo", 50))
///     .at("2026-11-26T09:00:00Z".parse()?)
///     .event_of("order-3", placed("ann", 100))
///     .then_row("ann", Customer {
///         customer: "ann".to_owned(),
///         cents: 400,
///         since: "2026-11-25T18:30:00.000000Z".to_owned(),
///     })
///     .then_no_row::<Customer>("eve")
///     .then_views(|views| assert_eq!(views.count(Customer::by_cents_range(100..)).unwrap(), 1))
///     .event_of("order-4", placed("bo", 0))
///     .then_fails("an order of nothing");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// A projection that is not created by [`Default`] is passed to [`given_projection_with`].
pub fn given_projection<P>() -> GivenProjection<P>
where
    P: Projection<Store = Views> + Default,
{
    given_projection_with(P::default())
}

/// Does what [`given_projection`] does, for a projection that is passed in.
pub fn given_projection_with<P>(projection: P) -> GivenProjection<P>
where
    P: Projection<Store = Views>,
{
    let clock = ManualClock::at(Timestamp::now());
    GivenProjection {
        projection: Arc::new(projection),
        log: MemoryStore::with_clock(&clock),
        clock,
        views: Views::new(MemoryStore::new()),
    }
}

/// A projection and its events so far; created by [`given_projection`].
pub struct GivenProjection<P> {
    projection: Arc<P>,
    log: MemoryStore,
    clock: ManualClock,
    /// The views that it derives from the events as they arrive.
    views: Views,
}

impl<P: Projection<Store = Views>> GivenProjection<P> {
    /// Sets the time at which later events are recorded. By default, this is the time at which the test began.
    ///
    /// # Panics
    /// When it is earlier than the time of an event before: the log has its events in the order of time.
    #[must_use = "nothing is tested before `then_row` and the like"]
    #[track_caller]
    pub fn at(self, time: Timestamp) -> Self {
        let (now, last) = (
            self.clock.now(),
            block_on(self.log.last_position(LogId::MAIN)),
        );
        if time < now && sound(last) > Position::ZERO {
            panic!(
                "the events before were recorded at {now}, and no later one is recorded at {time}"
            );
        }
        self.clock.set(time);
        self
    }

    /// Records an event. Its stream is called `test`.
    ///
    /// # Panics
    /// When the event cannot be stored.
    #[must_use = "nothing is tested before `then_row` and the like"]
    #[track_caller]
    pub fn event<E: Event>(self, event: E) -> Self {
        self.event_of("test", event)
    }

    /// Records an event of this stream.
    ///
    /// # Panics
    /// As [`event`](Self::event).
    #[must_use = "nothing is tested before `then_row` and the like"]
    #[track_caller]
    pub fn event_of<E: Event>(self, stream: &str, event: E) -> Self {
        self.event_with(stream, event, Metadata::new())
    }

    /// Records an event of this stream, with metadata.
    ///
    /// # Panics
    /// As [`event`](Self::event).
    #[must_use = "nothing is tested before `then_row` and the like"]
    #[track_caller]
    #[allow(clippy::needless_pass_by_value)] // `.event(OrderPlaced { order: 7 })` reads as it should.
    pub fn event_with<E: Event>(self, stream: &str, event: E, metadata: Metadata) -> Self {
        let event = sound(NewEvent::encode(&event)).with_metadata(metadata);
        let stream = sound(StreamName::new(stream));
        let append = Append::to(stream, ExpectedVersion::Any, [event]);
        sound(block_on(self.log.append(append)));
        self
    }

    /// Checks that the view `V` has this row under the key.
    ///
    /// # Panics
    /// With the difference, line by line, when the row is another; when there is none; and as
    /// [`then_views`](Self::then_views).
    #[track_caller]
    #[allow(clippy::needless_pass_by_value)]
    pub fn then_row<V: View>(self, key: impl KeyOf<V::Key>, expected: V) -> Self
    where
        P: Keeps<V>,
    {
        let views = self.run();
        let Some(found) = sound(views.get::<V>(key)) else {
            let rows = sound(views.select(Select::<V>::all()));
            let rows = lines(&rows).join("\n  ");
            panic!(
                "view \"{}\" has no row under the key; its rows are:\n  {rows}",
                V::NAME
            );
        };
        compare(&[expected], &[found]);
        self
    }

    /// Checks that the view `V` has no row under the key.
    ///
    /// # Panics
    /// When it has one; and as [`then_views`](Self::then_views).
    #[track_caller]
    pub fn then_no_row<V: View>(self, key: impl KeyOf<V::Key>) -> Self
    where
        P: Keeps<V>,
    {
        if let Some(row) = sound(self.run().get::<V>(key)) {
            let row = lines(&[row]).join("\n  ");
            panic!("view \"{}\" has a row under the key:\n  {row}", V::NAME);
        }
        self
    }

    /// Checks that the view `V` has exactly these rows, in the order of their keys; `then_rows::<V>([])` that it has none.
    ///
    /// # Panics
    /// With the difference, line by line, when it has others; and as [`then_views`](Self::then_views).
    #[track_caller]
    pub fn then_rows<V: View>(self, expected: impl IntoIterator<Item = V>) -> Self
    where
        P: Keeps<V>,
    {
        self.then_selected(Select::all(), expected)
    }

    /// Checks that a selection, such as one by an index, has exactly these rows, in this order.
    ///
    /// # Panics
    /// As [`then_rows`](Self::then_rows).
    #[track_caller]
    pub fn then_selected<V: View>(
        self,
        select: Select<V>,
        expected: impl IntoIterator<Item = V>,
    ) -> Self
    where
        P: Keeps<V>,
    {
        let found = sound(self.run().select(select));
        compare(&Vec::from_iter(expected), &found);
        self
    }

    /// Calls `check` with all views, as they are after the events so far.
    ///
    /// # Panics
    /// Whenever `check` does; when the projection fails on an event; and when a rebuild derives other rows.
    #[track_caller]
    pub fn then_views(self, check: impl FnOnce(&ViewSnapshot)) -> Self {
        check(&self.run());
        self
    }

    /// Checks that the projection fails on one of the events, with an error that contains this text.
    ///
    /// # Panics
    /// When it fails with another error, or not at all.
    #[track_caller]
    pub fn then_fails(self, text: &str) {
        match self.project(&self.views, false) {
            Ok(()) => panic!(
                "projection \"{}\" has handled all events; expected an error with {text:?}",
                P::NAME
            ),
            Err(error) if error.contains(text) => {}
            Err(error) => panic!(
                "the projection fails with another error: {error}\nexpected one with {text:?}"
            ),
        }
    }

    /// Lets the projection handle the events so far, and returns the views.
    #[track_caller]
    fn run(&self) -> ViewSnapshot {
        sound(self.project(&self.views, false));
        let rebuilt = Views::new(MemoryStore::new());
        let again = self.project(&rebuilt, true);
        let [rows, again] = match again {
            Ok(()) => [&self.views, &rebuilt].map(|views| sound(all_lines(views))),
            Err(error) => panic!("the projection fails when its views are rebuilt: {error}"),
        };
        if rows != again {
            panic!(
                "the views have other rows when they are rebuilt, as if the projection depended on the time, on chance, or on what it had seen before: first (-), then (+){}",
                difference(&rows, &again)
            );
        }
        sound(self.views.snapshot())
    }

    /// Handles the events that are in the log and not yet in the views.
    fn project(&self, views: &Views, is_replay: bool) -> Result<(), String> {
        let projection = Given {
            projection: self.projection.clone(),
            is_replay,
        };
        let options = ConsumerOptions::new().on_failure(FailurePolicy::retry(0).then_stop());
        let midgard = Midgard::with_clock(self.log.clone(), &self.clock);
        let run = midgard.project_with(projection, views.clone(), options);
        block_on(run.catch_up()).map_err(|error| error.to_string())
    }
}

impl<P: Projection> fmt::Debug for GivenProjection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenProjection")
            .field("projection", &P::NAME)
            .field("log", &self.log)
            .field("time", &self.clock.now())
            .finish_non_exhaustive()
    }
}

/// A projection that runs several times.
struct Given<P> {
    projection: Arc<P>,
    is_replay: bool,
}

impl<P: Projection<Store = Views>> Projection for Given<P> {
    const NAME: &'static str = P::NAME;
    const VERSION: u32 = P::VERSION;
    const EVENTS: &'static [&'static EventDescriptor] = P::EVENTS;
    type Store = Views;

    fn views() -> Vec<ViewDefinition> {
        P::views()
    }

    async fn project_event(
        &self,
        event: &RecordedEventRef<'_>,
        context: &mut Context<'_, Self>,
    ) -> Result<(), ProjectError> {
        let mut context = Context {
            event: context.event,
            transaction: context.transaction.transaction(),
            effects: context.effects,
            generation: context.generation,
            is_replay: self.is_replay,
        };
        self.projection.project_event(event, &mut context).await
    }
}

/// Rows as they would be stored.
#[track_caller]
fn lines<V: View>(rows: &[V]) -> Vec<String> {
    let mut all = Vec::new();
    for row in rows {
        let mut json = Vec::new();
        sound(row.__to_json(&mut json));
        all.extend(pretty(V::NAME, &String::from_utf8_lossy(&json)));
    }
    all
}

/// Returns all rows of all views.
fn all_lines(views: &Views) -> Result<Vec<String>, ViewError> {
    let contents = block_on(views.contents())?;
    let rows = contents
        .iter()
        .flat_map(|(view, rows)| rows.iter().flat_map(move |row| pretty(view, row)));
    Ok(rows.collect())
}

fn pretty(view: &str, json: &str) -> Vec<String> {
    let row = serde_json::from_str(json)
        .map_or_else(|_| json.to_owned(), |row: Value| format!("{row:#}"));
    format!("{view} {row}").lines().map(str::to_owned).collect()
}

#[track_caller]
fn compare<V: View>(expected: &[V], found: &[V]) {
    let [expected, found] = [expected, found].map(|rows| lines(rows));
    if expected != found {
        panic!(
            "view \"{}\" has other rows: expected (-), found (+){}",
            V::NAME,
            difference(&expected, &found)
        );
    }
}
