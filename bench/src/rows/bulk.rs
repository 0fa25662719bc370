//! Durable appends of 1,000 events each, to as many streams.

use super::filled::{self, RawFilled};
use crate::contest::{for_about, rounds};
use crate::recorded::Recorded;
use crate::table::{Asked, Line};
use crate::{Bench, Outcome};
use midgard::{Store, block_on};
use midgard_store_lmdb::LmdbStore;
use std::time::Duration;

/// How many events one append has.
const BATCH: usize = 1000;
/// How long a turn takes, about.
const TURN: Duration = Duration::from_millis(1000);

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let (directory, mut workload) = filled::store(bench)?;
    let recorded = Recorded::by(directory.path())?;
    let mut log = RawFilled::new(bench, &recorded, false)?;
    let mut all = RawFilled::new(bench, &recorded, true)?;
    let store = LmdbStore::open(directory.path())?;
    let mut append = || {
        let streams = workload.streams(BATCH);
        block_on(store.append(filled::batch(&mut workload, streams)?))?;
        Ok(BATCH)
    };
    let [ours, log, all] = rounds(
        bench.rounds,
        [
            &mut || for_about(TURN, &mut append),
            &mut || for_about(TURN, || log.commit(BATCH)),
            &mut || for_about(TURN, || all.commit(BATCH)),
        ],
    )?;
    let indexed = "bulk, to log and index";
    Ok(vec![
        Line::new("bulk", "events/s", &ours, &log, Asked::AtLeast(0.6)),
        Line::new(indexed, "events/s", &ours, &all, Asked::Nothing),
    ])
}
