//! What a store costs when it has a hundred times as much in it.

use super::growth_raw::GrownRaw;
use super::producers::produce;
use crate::contest::{Samples, for_about, median, rounds};
use crate::recorded::beside_payload;
use crate::table::{Asked, Line, Short};
use crate::workload::Random;
use crate::{Bench, Outcome};
use midgard::event::NewEvent;
use midgard::store::{Append, ReadStream, StoreError};
use midgard::{Store, StreamName, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::cell::RefCell;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many events the stores have.
const SIZES: [usize; 3] = [100_000, 1_000_000, 10_000_000];
/// How many events each stream has.
pub(super) const EVENTS: usize = 10;
/// How many bytes their payloads have.
const PAYLOAD: usize = 200;
/// How many are appended at once while the stores are filled.
const AT_ONCE: usize = 1000;
const PRODUCERS: usize = 64;
/// How long a turn takes, about.
pub(super) const TURN: Duration = Duration::from_millis(500);

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let directories = [bench.directory()?, bench.directory()?, bench.directory()?];
    let mut grown = Vec::new();
    for (directory, events) in directories.iter().zip(SIZES) {
        grown.push(Grown::fill(directory.path(), events / EVENTS)?);
    }
    let [small, middle, large] = &mut grown[..] else {
        return Err("there are three stores".into());
    };
    let open = rounds(
        bench.rounds,
        [&mut || small.opened(), &mut || middle.opened(), &mut || {
            large.opened()
        }],
    )?;
    let loaded = rounds(
        bench.rounds,
        [&mut || small.loads(), &mut || middle.loads(), &mut || {
            large.loads()
        }],
    )?;
    let beside_raw = beside_raw(bench, small, large)?;
    let appended = rounds(
        bench.rounds,
        [
            &mut || small.appends(),
            &mut || middle.appends(),
            &mut || large.appends(),
        ],
    )?;
    let memory = anonymous_memory()?;

    let row = "growth, 10^7 to 10^5 events";
    let note = |samples: &[Samples; 3]| {
        let [small, middle, large] = samples.each_ref().map(|samples| Short(median(samples)));
        format!("{small} at 10^5, {middle} at 10^6, {large} at 10^7 events")
    };
    let line = |what, unit, samples: &[Samples; 3], asked| {
        let [small, _, large] = samples;
        Line::new(format!("{row}: {what}"), unit, large, small, asked).note(note(samples))
    };
    let gets = |events, ours: &Samples, raw: &Samples| {
        let what = "growth, load of 10 events to raw gets";
        let row = format!("{what}, 10^{events} events");
        let note = format!(
            "{} µs, {} µs",
            Short(1e6 / median(ours)),
            Short(1e6 / median(raw))
        );
        Line::new(row, "loads/s", ours, raw, Asked::Nothing).note(note)
    };
    let [small_ours, small_raw, large_ours, large_raw] = &beside_raw;
    let (least, most) = (Asked::AtLeast(0.7), Asked::AtMost(50.0));
    Ok(vec![
        line("append-64", "events/s", &appended, least),
        line("load of 10 events", "loads/s", &loaded, least),
        Line::new(
            format!("{row}: raw LMDB, gets of 10 known positions"),
            "loads/s",
            large_raw,
            small_raw,
            Asked::Nothing,
        )
        .note("what is left to raw LMDB of its speed"),
        gets(5, small_ours, small_raw),
        gets(7, large_ours, large_raw),
        Line::alone("growth, opening", "ms", median(&open[2]), &open[2], most).note(note(&open)),
        Line::alone(
            "growth, memory",
            "MiB",
            memory,
            &vec![memory],
            Asked::AtMost(300.0),
        )
        .note("anonymous, with all three stores open; 10^6 streams in the largest"),
    ])
}

/// Loads from the small and the large store, each beside raw LMDB: the small one's, raw, the large one's, raw.
fn beside_raw(
    bench: &Bench,
    small: &mut Grown<'_>,
    large: &mut Grown<'_>,
) -> Outcome<[Samples; 4]> {
    let size = beside_payload(&small.store()?)? + PAYLOAD;
    let directories = [bench.directory()?, bench.directory()?];
    let small = RefCell::new(GrownRaw::of(small, size, directories[0].path())?);
    let large = RefCell::new(GrownRaw::of(large, size, directories[1].path())?);
    let samples = rounds(
        bench.rounds,
        [
            &mut || small.borrow_mut().ours(),
            &mut || small.borrow_mut().raw(),
            &mut || large.borrow_mut().ours(),
            &mut || large.borrow_mut().raw(),
        ],
    )?;
    for grown in [small, large] {
        grown.into_inner().close();
    }
    Ok(samples)
}

/// A store with so many streams.
pub(super) struct Grown<'d> {
    directory: &'d Path,
    store: Option<LmdbStore>,
    versions: Vec<u32>,
    random: Random,
}

pub(super) fn name(stream: usize) -> Result<StreamName, midgard::limits::LimitError> {
    StreamName::new(format!("account-{stream:07}"))
}

fn event() -> NewEvent {
    NewEvent::json("amount.deposited", 1, vec![b'1'; PAYLOAD])
}

impl<'d> Grown<'d> {
    fn fill(directory: &'d Path, streams: usize) -> Outcome<Self> {
        let store = LmdbStore::options()
            .durability(Durability::NoSync)
            .open(directory)?;
        // Far from each other in the log, and in another order in each pass.
        for pass in 0..EVENTS {
            let stride = [7_919, 104_729, 15_485_863][pass % 3];
            for first in (0..streams).step_by(AT_ONCE) {
                let numbers = first..streams.min(first + AT_ONCE);
                let append = numbers
                    .into_iter()
                    .try_fold(Append::default(), |append, n| {
                        let name = name(n * stride % streams)?;
                        Outcome::Ok(append.and(name, Version(pass as u64), [event()]))
                    })?;
                block_on(store.append(append))?;
            }
        }
        drop(store);
        Ok(Grown {
            directory,
            store: None,
            versions: vec![EVENTS as u32; streams],
            random: Random(7),
        })
    }

    pub(super) fn store(&mut self) -> Result<LmdbStore, StoreError> {
        match &self.store {
            Some(store) => Ok(store.clone()),
            None => Ok(self.store.insert(LmdbStore::open(self.directory)?).clone()),
        }
    }

    pub(super) fn any_stream(&mut self) -> usize {
        self.random.below(self.versions.len())
    }

    /// How many events it was filled with.
    pub(super) const fn events(&self) -> usize {
        self.versions.len() * EVENTS
    }

    /// How long it takes to open it, in milliseconds.
    fn opened(&mut self) -> Outcome<f64> {
        self.store = None;
        let began = Instant::now();
        self.store()?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }

    fn loads(&mut self) -> Outcome<f64> {
        let store = self.store()?;
        for_about(TURN, || {
            let stream = self.any_stream();
            let read = ReadStream::forward(name(stream)?);
            let mut events = 0;
            block_on(store.read_stream(&read, &mut |_| {
                events += 1;
                ControlFlow::Continue(())
            }))?;
            match events {
                0..EVENTS => Err("a stream has too few events".into()),
                _ => Ok(1),
            }
        })
    }

    fn appends(&mut self) -> Outcome<f64> {
        let store = self.store()?;
        let append = async |append| Ok(store.append(append).await.map(drop)?);
        let produced = produce(PRODUCERS, TURN, |producer| self.next(producer), append)?;
        Ok(produced.appends_per_second)
    }

    /// The next event of one of a producer's streams.
    fn next(&mut self, producer: usize) -> Outcome<Append> {
        let stream = self.random.below(self.versions.len() / PRODUCERS) * PRODUCERS + producer;
        let version = Version(u64::from(self.versions[stream]));
        self.versions[stream] += 1;
        Ok(Append::to(name(stream)?, version, [event()]))
    }
}

/// The memory of this process that is no file's, in MiB.
fn anonymous_memory() -> Outcome<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB"));
    let kibibytes: f64 = kibibytes
        .ok_or("the system does not tell")?
        .trim()
        .parse()?;
    Ok(kibibytes / 1024.0)
}
