//! Appends with a condition on a tag, and reads by tag, next to UmaDB, which is made for them.

use super::producers::{Produced, produce};
use super::tagged::{
    AT_ONCE, EVENTS, TAGS, TURN, events_of, filled, nothing_since_last, tag, tagged,
};
use crate::contest::{Samples, for_about, median, quantile, rounds};
use crate::table::{Asked, Line, Short};
use crate::umadb::UmaDb;
use crate::workload::{EVENT_NAME, Random, Workload};
use crate::{Bench, Outcome};
use midgard::store::{Append, ExpectedVersion, QueryItem, ReadLog};
use midgard::{Store, StreamName, block_on};
use midgard_store_lmdb::LmdbStore;
use std::hint::black_box;
use std::path::Path;
use std::thread;
use umadb_dcb::{DcbAppendCondition, DcbEvent, DcbEventStoreSync, DcbQuery, DcbQueryItem};

/// How many append or read at once.
const AT_A_TIME: [usize; 3] = [1, 64, 256];

pub(super) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let (_directory, store, workload) = filled(bench)?;
    let mut ours = Ours { store, workload };
    let directory = bench.directory()?;
    let mut theirs = Theirs::filled(directory.path())?;
    let mut lines = Vec::new();
    for producers in AT_A_TIME {
        lines.push(appends(bench, &mut ours, &mut theirs, producers)?);
    }
    for readers in AT_A_TIME {
        lines.push(reads(bench, &ours, &theirs, readers)?);
    }
    Ok(lines)
}

struct Ours {
    store: LmdbStore,
    workload: Workload,
}

impl Ours {
    fn produce(&mut self, producers: usize) -> Outcome<Produced> {
        let (store, workload) = (&self.store, &mut self.workload);
        let next = |producer| {
            let number = workload.stream(producer, producers);
            let name = StreamName::new(workload.name(number))?;
            let event = tagged(workload, number);
            let append = Append::to(name, ExpectedVersion::Any, [event]);
            Ok(append.unless(nothing_since_last(store, number)?))
        };
        let append = async |append| Ok(store.append(append).await.map(drop)?);
        produce(producers, TURN, next, append)
    }

    /// Returns how many events have a tag.
    fn read(&self, number: usize) -> Outcome<usize> {
        let item = QueryItem::new().tag(tag(number));
        events_of(&self.store, &ReadLog::forward().matching(item))
    }
}

struct Theirs {
    store: UmaDb,
    workload: Workload,
}

impl Theirs {
    fn filled(directory: &Path) -> Outcome<Self> {
        let (store, mut workload) = (UmaDb::create(directory)?, Workload::new());
        for first in (0..EVENTS).step_by(AT_ONCE) {
            let numbers = first..first + AT_ONCE;
            let events = numbers.map(|number| event(&mut workload, number % TAGS));
            block_on(store.append(events.collect(), None))?;
        }
        Ok(Theirs { store, workload })
    }

    fn produce(&mut self, producers: usize) -> Outcome<Produced> {
        let (store, workload) = (&self.store, &mut self.workload);
        let next = |producer| {
            let number = workload.stream(producer, producers);
            Ok((event(workload, number), condition(store, number)?))
        };
        let append = async |(event, condition)| {
            let appended = store.append(vec![event], Some(condition)).await;
            Ok(appended.map(drop)?)
        };
        produce(producers, TURN, next, append)
    }

    /// Returns how many events have a tag.
    fn read(&self, number: usize) -> Outcome<usize> {
        let query = DcbQuery::with_items([DcbQueryItem::new().tags([tag(number)])]);
        let read = self.store.database().read(Some(query), None, false, None);
        let mut events = 0;
        for event in read? {
            black_box(event?.event.data.len());
            events += 1;
        }
        Ok(events)
    }
}

fn event(workload: &mut Workload, number: usize) -> DcbEvent {
    DcbEvent {
        event_type: EVENT_NAME.into(),
        tags: vec![tag(number)],
        data: workload.payload(),
        ..DcbEvent::default()
    }
}

/// Reads the last event with a tag, and returns the condition that there was none after it.
fn condition(store: &UmaDb, number: usize) -> Outcome<DcbAppendCondition> {
    let item = DcbQueryItem::new().tags([tag(number)]);
    let query = DcbQuery::with_items([item.clone()]);
    let mut last = store.database().read(Some(query), None, true, Some(1))?;
    let last = last.next().transpose()?.map(|event| event.position);
    let query = DcbQuery::with_items([item.types([EVENT_NAME])]);
    Ok(DcbAppendCondition::new(query).after(last))
}

/// Appends that go through only if nothing with their tag was appended since its last event, which each of them reads.
fn appends(bench: &Bench, ours: &mut Ours, theirs: &mut Theirs, producers: usize) -> Outcome<Line> {
    let mut waits = [const { Samples::new() }; 4];
    let [ours_p50, ours_p99, theirs_p50, theirs_p99] = &mut waits;
    let turn = |produced: Produced, p50: &mut Samples, p99: &mut Samples| {
        p50.push(quantile(&produced.waits, 0.5));
        p99.push(quantile(&produced.waits, 0.99));
        produced.appends_per_second
    };
    let mut ours = || Ok(turn(ours.produce(producers)?, ours_p50, ours_p99));
    let mut theirs = || Ok(turn(theirs.produce(producers)?, theirs_p50, theirs_p99));
    let [ours, theirs] = rounds(bench.rounds, [&mut ours, &mut theirs])?;
    let asked = match producers {
        1 => Asked::Nothing,
        _ => Asked::AtLeast(1.0),
    };
    let row = format!("tagged, append-{producers} with a condition, to UmaDB");
    let [p50, p99, their_p50, their_p99] = waits.map(|waits| Short(median(&waits)));
    let note = format!("p50 {p50} ms to {their_p50} ms, p99 {p99} ms to {their_p99} ms");
    Ok(Line::new(row, "events/s", &ours, &theirs, asked).note(note))
}

/// Reads of all events with a tag, by this many threads.
fn reads(bench: &Bench, ours: &Ours, theirs: &Theirs, readers: usize) -> Outcome<Line> {
    let mut ours = || read_in_threads(readers, |number| ours.read(number));
    let mut theirs = || read_in_threads(readers, |number| theirs.read(number));
    let [ours, theirs] = rounds(bench.rounds, [&mut ours, &mut theirs])?;
    let row = format!("tagged, read-{readers} by tag, to UmaDB");
    let line = Line::new(row, "reads/s", &ours, &theirs, Asked::AtLeast(1.0));
    Ok(line.note("ten events or more each"))
}

/// Reads tags at random for about a turn; returns reads per second.
fn read_in_threads(readers: usize, read: impl Fn(usize) -> Outcome<usize> + Sync) -> Outcome<f64> {
    let read = |random: &mut Random| match read(random.below(TAGS)) {
        Ok(10..) => Ok(1),
        Ok(events) => Err(format!("a tag gave {events} events, and has ten or more")),
        Err(error) => Err(error.to_string()),
    };
    let reads = thread::scope(|scope| {
        let start = |reader| {
            let mut random = Random(reader as u64);
            scope.spawn(move || for_about(TURN, || read(&mut random)))
        };
        let readers: Vec<_> = (0..readers).map(start).collect();
        let reads = readers.into_iter().map(|reader| reader.join());
        let reads = reads.map(|reads| reads.map_err(|_| "a reader panicked".to_owned())?);
        reads.sum::<Result<f64, String>>()
    });
    Ok(reads?)
}
