//! The rows as views, and the projections that keep them.

use super::sales::{EVENTS, Order, Sales, Sold, Total};
use crate::contest::per_second;
use crate::raw::Raw;
use crate::{Bench, Outcome};
use midgard::projection::{Keeps, ProjectError};
use midgard::view::{KeyBytes, ViewDefinition, ViewIndex};
use midgard::{
    Context, Event, EventDescriptor, HandlerError, Midgard, Project, Projection, RecordedEventRef,
    Select, View, ViewKey, Views, block_on,
};
use midgard_store_lmdb::LmdbStore;
use std::thread;
use std::time::{Duration, Instant};

impl View for Total {
    const NAME: &'static str = "total";
    const INDEXES: &'static [ViewIndex<Self>] = &[ViewIndex::new(
        "cents",
        false,
        <u64 as ViewKey>::describe,
        |row: &Total, bytes: &mut KeyBytes| row.cents.encode(bytes),
    )];
    type Key = u32;

    fn encode_key(&self, bytes: &mut KeyBytes) {
        self.customer.encode(bytes);
    }

    fn describe(form: &mut String) {
        form.push_str("customer: u32, orders: u64, cents: u64");
    }
}

impl View for Order {
    const NAME: &'static str = "order";
    const INDEXES: &'static [ViewIndex<Self>] = &[];
    type Key = u64;

    fn encode_key(&self, bytes: &mut KeyBytes) {
        self.order.encode(bytes);
    }

    fn describe(form: &mut String) {
        form.push_str("order: u64, customer: u32, product: String, quantity: u32, cents: u64");
    }
}

macro_rules! projection {
    ($projection:ident of $view:ident named $name:literal) => {
        pub(super) struct $projection;

        impl Projection for $projection {
            const NAME: &'static str = $name;
            const VERSION: u32 = 1;
            const EVENTS: &'static [&'static EventDescriptor] = &[Sold::DESCRIPTOR];
            type Store = Views;

            fn views() -> Vec<ViewDefinition> {
                vec![ViewDefinition::of::<$view>()]
            }

            async fn project_event(
                &self,
                event: &RecordedEventRef<'_>,
                context: &mut Context<'_, Self>,
            ) -> Result<(), ProjectError> {
                let sold = event.decode::<Sold>()?;
                let projected = self.project(sold, context).await;
                projected.map_err(ProjectError::Handler)
            }
        }

        impl Keeps<$view> for $projection {}
    };
}

projection!(Totals of Total named "totals");
projection!(Orders of Order named "orders");

impl Project<Sold> for Totals {
    async fn project(
        &self,
        sold: Sold,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let none = || Total::none(sold.customer);
        Ok(context.upsert::<Total>(sold.customer, none, |total| total.add(&sold))?)
    }
}

impl Project<Sold> for Orders {
    async fn project(
        &self,
        sold: Sold,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        Ok(context.put(Order::from(sold))?)
    }
}

/// What a projection made of the whole log.
pub(super) struct Projected<V> {
    pub(super) events_per_second: f64,
    /// The commits that its views took, until they were caught up.
    pub(super) commits: usize,
    /// By key.
    pub(super) rows: Vec<V>,
    /// In the order of the index, where there is one.
    pub(super) in_order: Vec<V>,
}

/// Runs a projection on a new store of views until it has caught up.
pub(super) fn catch_up<P, V>(bench: &Bench, sales: &Sales, projection: P) -> Outcome<Projected<V>>
where
    P: Projection<Store = Views>,
    V: View,
{
    let directory = bench.directory()?;
    drop(LmdbStore::open(directory.path())?);
    let before = Raw::commits_of(directory.path())?;

    let views = Views::new(LmdbStore::open(directory.path())?);
    let midgard = Midgard::new(sales.store.clone()).project(projection, views.clone());
    let handle = midgard.handle();
    let began = Instant::now();
    let running = thread::spawn(|| block_on(midgard.run()));
    block_on(handle.wait_for(P::NAME, sales.last, Duration::from_secs(600)))?;
    let took = began.elapsed();

    handle.stop();
    running.join().map_err(|_| "the projection panicked")??;
    let rows = views.select(Select::all())?;
    let in_order = match V::INDEXES {
        [] => Vec::new(),
        _ => views.select(Select::__in_order(0))?,
    };
    drop((views, handle));
    // The last one, when it stops, gives back its lease.
    let commits = Raw::commits_of(directory.path())? - before - 1;
    Ok(Projected {
        events_per_second: per_second(EVENTS as usize, took),
        commits,
        rows,
        in_order,
    })
}
