//! The projections that keep the rows as views.

use super::sales::{EVENTS, Order, Sales, Sold, Total};
use crate::contest::per_second;
use crate::raw::Raw;
use crate::{Bench, Outcome};
use midgard::{Context, HandlerError, Midgard, Place, Project, Projection, Views, block_on};
use midgard_store_lmdb::LmdbStore;
use std::thread;
use std::time::{Duration, Instant};

#[derive(Projection)]
#[projection(name = "totals", events(Sold), views(Total))]
pub(super) struct Totals;

#[derive(Projection)]
#[projection(name = "orders", events(Sold), views(Order))]
pub(super) struct Orders;

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

/// The result of projecting the whole log.
pub(super) struct Projected<T> {
    pub(super) events_per_second: f64,
    /// The number of commits until its views were caught up.
    pub(super) commits: usize,
    /// The contents of its views.
    pub(super) seen: T,
}

/// Runs a projection on a new store of views until it has caught up; then reads its views.
pub(super) fn catch_up<P, T>(
    bench: &Bench,
    sales: &Sales,
    projection: P,
    look: impl FnOnce(&Views) -> Outcome<T>,
) -> Outcome<Projected<T>>
where
    P: Projection<Store = Views>,
{
    let directory = bench.directory()?;
    drop(LmdbStore::open(directory.path())?);
    let before = Raw::commits_of(directory.path())?;

    let views = Views::new(LmdbStore::open(directory.path())?);
    let midgard = Midgard::new(sales.store.clone()).project(projection, views.clone());
    let handle = midgard.handle();
    let began = Instant::now();
    let running = thread::spawn(|| block_on(midgard.run()));
    block_on(handle.wait_for(P::NAME, Place::main(sales.last), Duration::from_secs(600)))?;
    let took = began.elapsed();

    handle.stop();
    running.join().map_err(|_| "the projection panicked")??;
    let seen = look(&views)?;
    drop((views, handle));
    // The last commit, when it stops, gives up its lease.
    let commits = Raw::commits_of(directory.path())? - before - 1;
    Ok(Projected {
        events_per_second: per_second(EVENTS as usize, took),
        commits,
        seen,
    })
}
