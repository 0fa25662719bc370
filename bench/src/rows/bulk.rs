//! Durable appends of 1,000 events each, to as many streams.

use super::filled::{self, RawFilled};
use super::producers::produce;
use crate::contest::{for_about, rounds};
use crate::recorded::Recorded;
use crate::table::{Asked, Line};
use crate::workload::Workload;
use crate::{Bench, Outcome};
use midgard::Store;
use midgard_store_lmdb::LmdbStore;
use std::cell::RefCell;
use std::time::Duration;

/// How many events one append has.
const BATCH: usize = 1000;
/// About how long a turn takes.
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
            &mut || append(&store, &mut workload.borrow_mut(), 1),
            &mut || append(&store, &mut workload.borrow_mut(), 4),
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

/// Appends repeatedly, with this many appends in flight; returns events per second. Appends in flight may share a
/// commit.
fn append(store: &LmdbStore, workload: &mut Workload, in_flight: usize) -> Outcome<f64> {
    let next = |_| {
        let streams = workload.streams(BATCH);
        filled::batch(workload, streams)
    };
    let append = async |append| Ok(store.append(append).await.map(drop)?);
    let produced = produce(in_flight, TURN, next, append)?;
    Ok(produced.appends_per_second * BATCH as f64)
}
