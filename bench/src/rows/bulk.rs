//! Durable appends of 1,000 events each, to as many streams.

use super::filled::{self, RawFilled};
use crate::contest::{for_about, per_second, rounds};
use crate::recorded::Recorded;
use crate::table::{Asked, Line};
use crate::workload::Workload;
use crate::{Bench, Outcome};
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use midgard::{Store, block_on};
use midgard_store_lmdb::LmdbStore;
use std::cell::RefCell;
use std::error::Error;
use std::time::{Duration, Instant};

/// How many events one append has.
const BATCH: usize = 1000;
/// How long a turn takes, about.
const TURN: Duration = Duration::from_millis(1000);

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let (directory, workload) = filled::store(bench)?;
    let recorded = Recorded::by(directory.path())?;
    let mut log = RawFilled::new(bench, &recorded, false)?;
    let mut all = RawFilled::new(bench, &recorded, true)?;
    let store = LmdbStore::open(directory.path())?;
    let workload = RefCell::new(workload);
    let [one, several, log, all] = rounds(
        bench.rounds,
        [
            &mut || append(&store, &workload, 1),
            &mut || append(&store, &workload, 4),
            &mut || for_about(TURN, || log.commit(BATCH)),
            &mut || for_about(TURN, || all.commit(BATCH)),
        ],
    )?;
    let line =
        |what, ours, raw, asked| Line::new(format!("bulk{what}"), "events/s", ours, raw, asked);
    Ok(vec![
        line("", &one, &log, Asked::AtLeast(0.6)),
        line(", four appends in flight", &several, &log, Asked::Nothing),
        line(", to log and index", &one, &all, Asked::Nothing),
    ])
}

/// Appends again and again, with so many appends in flight; gives events a second. What is in flight may come into one commit.
fn append(store: &LmdbStore, workload: &RefCell<Workload>, in_flight: usize) -> Outcome<f64> {
    let (began, appended) = (Instant::now(), RefCell::new(0));
    let again = async |_| {
        while began.elapsed() < TURN {
            let append = {
                let mut workload = workload.borrow_mut();
                let streams = workload.streams(BATCH);
                filled::batch(&mut workload, streams)?
            };
            store.append(append).await?;
            *appended.borrow_mut() += BATCH;
        }
        Ok::<_, Box<dyn Error>>(())
    };
    let producers: FuturesUnordered<_> = (0..in_flight).map(again).collect();
    block_on(producers.try_collect::<()>())?;
    Ok(per_second(appended.into_inner(), began.elapsed()))
}
