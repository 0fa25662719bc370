//! How much disk an event takes.

use super::filled;
use crate::table::{Asked, Line};
use crate::workload::STREAMS;
use crate::{Bench, Outcome};
use midgard::store::ReadLog;
use midgard::{Store, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::fs;
use std::ops::ControlFlow;

/// How many events there are.
const EVENTS: usize = 500_000;
/// How many are appended at once.
const BATCH: usize = 1000;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let (directory, mut workload) = filled::store(bench)?;
    let store = LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory.path())?;
    for _ in 0..(EVENTS - STREAMS) / BATCH {
        let streams = workload.streams(BATCH);
        block_on(store.append(filled::batch(&mut workload, streams)?))?;
    }
    let (mut events, mut payloads) = (0, 0);
    block_on(store.read_log(&ReadLog::forward(), &mut |event| {
        events += 1;
        payloads += event.payload.len();
        ControlFlow::Continue(())
    }))?;
    drop(store);
    let file = fs::metadata(directory.path().join("data.mdb"))?.len();
    let each = |bytes: f64| vec![bytes / f64::from(events)];
    let least = payloads as f64 + 64.0 * f64::from(events);
    Ok(vec![
        Line::new(
            "disk",
            "bytes/event",
            &each(file as f64),
            &each(least),
            Asked::AtMost(1.15),
        )
        .note(format!(
            "{events} events over {STREAMS} streams; the whole file, its free pages too"
        )),
    ])
}
