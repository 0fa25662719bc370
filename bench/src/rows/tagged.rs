//! Appends with a condition on a tag, and reads by tag, in a store of a million events with 100,000 tags.

use super::producers::produce;
use crate::contest::{Samples, for_about, median, quantile, rounds};
use crate::table::{Asked, Line, Short};
use crate::workload::{EVENT_NAME, STREAMS, Workload};
use crate::{Bench, Outcome};
use midgard::event::NewEvent;
use midgard::store::{Append, AppendCondition, ExpectedVersion, QueryItem, ReadLog};
use midgard::{LogId, Place, Position, Store, StreamName, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::cell::RefCell;
use std::fs::File;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Duration;
use tempfile::TempDir;

/// About how long a turn takes.
pub(super) const TURN: Duration = Duration::from_millis(700);
/// How many events the store has at first.
pub(super) const EVENTS: usize = 1_000_000;
/// How many events are filled in at once.
pub(super) const AT_ONCE: usize = 1000;
/// The tags of the store: as many as streams, each with ten events that lie far apart.
pub(super) const TAGS: usize = STREAMS;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let (_directory, store, mut workload) = filled(bench)?;
    let mut lines = Vec::new();
    for producers in [1, 64, 256] {
        lines.push(append(bench, &store, &mut workload, producers)?);
    }
    lines.push(read(bench, &store)?);
    Ok(lines)
}

pub(super) fn tag(number: usize) -> String {
    format!("customer:{number:05}")
}

pub(super) fn tagged(workload: &mut Workload, number: usize) -> NewEvent {
    workload
        .event()
        .with_tag("customer", &format!("{number:05}"))
}

pub(super) fn filled(bench: &Bench) -> Outcome<(TempDir, LmdbStore, Workload)> {
    let directory = bench.directory()?;
    let store = LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory.path())?;
    let mut workload = Workload::new();
    for first in (0..EVENTS).step_by(AT_ONCE) {
        let mut numbers = first..first + AT_ONCE;
        let append = numbers.try_fold(Append::default(), |append, number| {
            let event = tagged(&mut workload, number % TAGS);
            let name = StreamName::new(workload.name(number % TAGS))?;
            Outcome::Ok(append.and(name, ExpectedVersion::Any, [event]))
        })?;
        block_on(store.append(append))?;
    }
    drop(store);
    // Else the first durable appends would pay for it.
    File::open(directory.path().join("data.mdb"))?.sync_all()?;
    let store = LmdbStore::open(directory.path())?;
    Ok((directory, store, workload))
}

/// Appends that go through only if nothing with their tag was appended since its last event, as a decision reads it,
/// compared with the same appends without a condition.
fn append(
    bench: &Bench,
    store: &LmdbStore,
    workload: &mut Workload,
    producers: usize,
) -> Outcome<Line> {
    let (mut p50, mut p99) = (Samples::new(), Samples::new());
    let turn = |with_condition: bool| {
        let next = |producer| {
            let number = workload.stream(producer, producers);
            let name = StreamName::new(workload.name(number))?;
            let append = Append::to(name, ExpectedVersion::Any, [tagged(workload, number)]);
            match with_condition {
                true => Ok(append.unless(nothing_since_last(store, number)?)),
                false => Ok(append),
            }
        };
        let append = async |append| Ok(store.append(append).await.map(drop)?);
        let produced = produce(producers, TURN, next, append)?;
        if with_condition {
            p50.push(quantile(&produced.waits, 0.5));
            p99.push(quantile(&produced.waits, 0.99));
        }
        Ok(produced.appends_per_second)
    };
    let turn = RefCell::new(turn);
    let [with, without] = rounds(
        bench.rounds,
        [&mut || turn.borrow_mut()(true), &mut || {
            turn.borrow_mut()(false)
        }],
    )?;
    let row = format!("tagged, append-{producers} with a condition to without");
    let line = Line::new(row, "events/s", &with, &without, Asked::AtLeast(0.8));
    let (p50, p99) = (Short(median(&p50)), Short(median(&p99)));
    Ok(line.note(format!(
        "each reads the last event with its tag first; p50 {p50} ms, p99 {p99} ms"
    )))
}

/// Reads the last event with a tag, and returns the condition that there was none after it.
pub(super) fn nothing_since_last(store: &LmdbStore, number: usize) -> Outcome<AppendCondition> {
    let item = QueryItem::new().name(EVENT_NAME).tag(tag(number));
    Ok(AppendCondition {
        query: item.into(),
        after: Place::main(last_of(store, number)?),
    })
}

/// Returns the position of the last event with a tag.
fn last_of(store: &LmdbStore, number: usize) -> Outcome<Position> {
    let read = ReadLog::backward()
        .matching(QueryItem::new().tag(tag(number)))
        .limit(1);
    let mut last = Position::ZERO;
    block_on(store.read_log(&read, &mut |event| {
        last = event.position;
        ControlFlow::Continue(())
    }))?;
    Ok(last)
}

/// Reads of all events with a tag, compared with reads of the log.
fn read(bench: &Bench, store: &LmdbStore) -> Outcome<Line> {
    let end = block_on(store.last_position(LogId::MAIN))?;
    let mut number = 0;
    let mut by_tag = || {
        for_about(TURN, || {
            number = (number + 7919) % TAGS;
            let read = ReadLog::forward().matching(QueryItem::new().tag(tag(number)));
            events_of(store, &read).map(|_| 1)
        })
    };
    let mut scan = || {
        let reads = for_about(TURN, || events_of(store, &ReadLog::forward()).map(|_| 1))?;
        Outcome::Ok(reads)
    };
    let [by_tag, scan] = rounds(bench.rounds, [&mut by_tag, &mut scan])?;
    let line = Line::new(
        "tagged, read by tag to a scan",
        "reads/s",
        &by_tag,
        &scan,
        Asked::AtLeast(100.0),
    );
    Ok(line.note(format!("ten events or more, of {end}")))
}

pub(super) fn events_of(store: &LmdbStore, read: &ReadLog) -> Outcome<usize> {
    let mut events = 0;
    block_on(store.read_log(read, &mut |event| {
        black_box(event.payload.len());
        events += 1;
        ControlFlow::Continue(())
    }))?;
    Ok(events)
}
