//! The cost of conditions and of reads by tag with a hundred times as many events.

use super::producers::produce;
use crate::contest::{Samples, for_about, median, rounds};
use crate::raw::{Entry, Raw};
use crate::recorded::beside_payload;
use crate::table::{Asked, Line, Short};
use crate::workload::{Random, sum};
use crate::{Bench, Outcome};
use midgard::event::NewEvent;
use midgard::limits::LimitError;
use midgard::store::{Append, AppendCondition, ExpectedVersion, QueryItem, ReadLog};
use midgard::{Place, Position, Store, StreamName, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::cell::RefCell;
use std::fs::File;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

/// How many tags the stores have, and how many events each tag.
const TAGS: [usize; 2] = [10_000, 1_000_000];
const EVENTS: usize = 10;
/// As many in each store: what is measured is the index of tags.
const STREAMS: usize = 1000;
/// How many bytes the payload of each event have.
const PAYLOAD: usize = 200;
/// How many are appended at once while the stores are filled.
const AT_ONCE: usize = 1000;
const PRODUCERS: usize = 64;
/// About how long a turn takes.
const TURN: Duration = Duration::from_millis(700);
/// How many tags have known positions: more than are read in a turn from a disk.
const KNOWN: usize = 32_768;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let directories = [bench.directory()?, bench.directory()?];
    let raw = [bench.directory()?, bench.directory()?];
    let filled = |at: usize| Grown::fill(directories[at].path(), raw[at].path(), TAGS[at]);
    let (small, large) = (RefCell::new(filled(0)?), RefCell::new(filled(1)?));
    let [small_reads, small_gets, large_reads, large_gets] = rounds(
        bench.rounds,
        [
            &mut || small.borrow_mut().reads(),
            &mut || small.borrow_mut().gets(),
            &mut || large.borrow_mut().reads(),
            &mut || large.borrow_mut().gets(),
        ],
    )?;
    let [small_appends, large_appends] = rounds(
        bench.rounds,
        [&mut || small.borrow_mut().appends(), &mut || {
            large.borrow_mut().appends()
        }],
    )?;
    for grown in [small, large] {
        grown.into_inner().raw.close();
    }
    let line = |what, unit, large: &Samples, small: &Samples, asked| {
        let row = format!("tagged-growth, 10^7 to 10^5 events: {what}");
        let [few, many] = [small, large].map(|samples| Short(median(samples)));
        let note = format!("{few} at 10^5, {many} at 10^7 events");
        Line::new(row, unit, large, small, asked).note(note)
    };
    let asked = Asked::AtLeast(0.8);
    let appends = (&large_appends, &small_appends);
    let what = "append-64 with a condition";
    Ok(vec![
        line(what, "events/s", appends.0, appends.1, asked),
        line("read by tag", "reads/s", &large_reads, &small_reads, asked),
        line(
            "raw LMDB, gets of 10 known positions",
            "reads/s",
            &large_gets,
            &small_gets,
            Asked::Nothing,
        ),
    ])
}

/// A store with this many tags, and as many records in raw LMDB.
struct Grown {
    store: LmdbStore,
    raw: Raw,
    tags: usize,
    /// The positions of the events of some tags.
    known: Vec<[u64; EVENTS]>,
    random: Random,
}

fn tag(number: usize) -> String {
    format!("customer:{number:07}")
}

fn event(number: usize) -> NewEvent {
    let event = NewEvent::json("amount.deposited", 1, vec![b'1'; PAYLOAD]);
    event.with_tag("customer", &format!("{number:07}"))
}

fn name(number: usize) -> Result<StreamName, LimitError> {
    StreamName::new(format!("account-{:03}", number % STREAMS))
}

impl Grown {
    fn fill(directory: &Path, raw: &Path, tags: usize) -> Outcome<Self> {
        let options = LmdbStore::options().durability(Durability::NoSync);
        let store = options.open(directory)?;
        // Far from each other in the log, and in another order in each pass.
        for pass in 0..EVENTS {
            let stride = [7_919, 104_729, 15_485_863][pass % 3];
            for first in (0..tags).step_by(AT_ONCE) {
                let mut numbers = first..tags.min(first + AT_ONCE);
                let append = numbers.try_fold(Append::default(), |append, n| {
                    let event = event(n * stride % tags);
                    Outcome::Ok(append.and(name(n)?, ExpectedVersion::Any, [event]))
                })?;
                block_on(store.append(append))?;
            }
        }
        drop(store);
        // What the system has not written yet would be written while the turns are measured.
        File::open(directory.join("data.mdb"))?.sync_all()?;
        let store = LmdbStore::open(directory)?;
        let mut random = Random(7);
        let mut known = Vec::with_capacity(KNOWN);
        for _ in 0..KNOWN {
            known.push(positions(&store, random.below(tags))?);
        }
        let record = vec![b'1'; beside_payload(&store)? + PAYLOAD];
        Ok(Grown {
            store,
            raw: filled(raw, &record, tags * EVENTS)?,
            tags,
            known,
            random,
        })
    }

    /// Returns how many tags are read per second.
    fn reads(&mut self) -> Outcome<f64> {
        for_about(TURN, || {
            let read = ReadLog::forward().matching(by_tag(self.random.below(self.tags)));
            let mut events = 0;
            block_on(self.store.read_log(&read, &mut |event| {
                black_box(sum(event.payload));
                events += 1;
                ControlFlow::Continue(())
            }))?;
            match events {
                0..EVENTS => Err("a tag has too few events".into()),
                _ => Ok(1),
            }
        })
    }

    /// The same for raw `get`s of as many records.
    fn gets(&mut self) -> Outcome<f64> {
        for_about(TURN, || {
            let positions = self.known[self.random.below(KNOWN)];
            let transaction = self.raw.env.read_txn()?;
            for position in positions {
                let record = self.raw.log.get(&transaction, &position)?;
                black_box(sum(record.ok_or("a record is missing")?));
            }
            Ok(1)
        })
    }

    /// Returns how many events are appended per second, each only if nothing with its tag was appended since the last
    /// event that has it, which is read first.
    fn appends(&mut self) -> Outcome<f64> {
        let (store, tags, random) = (&self.store, self.tags, &mut self.random);
        let next = |producer| {
            let number = random.below(tags / PRODUCERS) * PRODUCERS + producer;
            let last = ReadLog::backward().matching(by_tag(number)).limit(1);
            let mut after = Position::ZERO;
            block_on(store.read_log(&last, &mut |event| {
                after = event.position;
                ControlFlow::Continue(())
            }))?;
            let (query, after) = (by_tag(number).into(), Place::main(after));
            let append = Append::to(name(number)?, ExpectedVersion::Any, [event(number)]);
            Ok(append.unless(AppendCondition { query, after }))
        };
        let append = async |append| Ok(store.append(append).await.map(drop)?);
        Ok(produce(PRODUCERS, TURN, next, append)?.appends_per_second)
    }
}

fn by_tag(number: usize) -> QueryItem {
    QueryItem::new().tag(tag(number))
}

fn positions(store: &LmdbStore, number: usize) -> Outcome<[u64; EVENTS]> {
    let mut positions = [0; EVENTS];
    let mut places = positions.iter_mut();
    let read = ReadLog::forward().matching(by_tag(number));
    block_on(store.read_log(&read, &mut |event| {
        if let Some(place) = places.next() {
            *place = event.position.get();
        }
        ControlFlow::Continue(())
    }))?;
    Ok(positions)
}

/// Returns raw LMDB with this many records.
fn filled(directory: &Path, record: &[u8], records: usize) -> Outcome<Raw> {
    const AT_ONCE: usize = 10_000;
    let mut raw = Raw::open(directory)?;
    let entry = Entry {
        record,
        stream: "",
        number: 0,
        version: 0,
    };
    for _ in 0..records / AT_ONCE {
        raw.commit_log(std::iter::repeat_n(entry, AT_ONCE))?;
    }
    Ok(raw)
}
