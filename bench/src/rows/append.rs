//! Durable appends of one event each, by several producers at once.

use super::filled::{self, RawFilled, counting_commits};
use crate::contest::{Samples, for_about, median, per_second, quantile, rounds};
use crate::recorded::Recorded;
use crate::table::{Asked, Line, Short};
use crate::workload::Workload;
use crate::{Bench, Outcome};
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use midgard::{Append, AppendError, Store, StreamName, Version, block_on};
use midgard_store_lmdb::LmdbStore;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// How long a turn takes, about.
const TURN: Duration = Duration::from_millis(700);

/// Raw commits hold as many events as there are producers: the most that can come together.
pub(crate) fn measure(bench: &Bench, producers: usize) -> Outcome<Vec<Line>> {
    let (directory, workload) = filled::store(bench)?;
    let recorded = Recorded::by(directory.path())?;
    let mut log = RawFilled::new(bench, &recorded, false)?;
    let mut all = RawFilled::new(bench, &recorded, true)?;
    let mut appends = Appends {
        workload,
        events: 0,
        p50: Samples::new(),
        p99: Samples::new(),
    };
    let mut samples = Default::default();
    let commits = counting_commits(directory.path(), |store| {
        samples = rounds(
            bench.rounds,
            [
                &mut || appends.of(store, producers),
                &mut || for_about(TURN, || log.commit(producers)),
                &mut || for_about(TURN, || all.commit(producers)),
            ],
        )?;
        Ok(())
    })?;
    let [ours, log, all] = samples;

    let row = format!("append-{producers}");
    let asked = Asked::AtLeast(if producers == 1 { 0.95 } else { 0.8 });
    let each = appends.events as f64 / commits as f64;
    let mut lines = vec![
        Line::new(&row, "events/s", &ours, &log, asked)
            .note(format!("{} events a commit", Short(each))),
        Line::new(
            format!("{row}, to log and index"),
            "events/s",
            &ours,
            &all,
            Asked::Nothing,
        ),
    ];
    if producers == 64 {
        let row = format!("{row}, p99 to p50");
        let line = Line::new(row, "ms", &appends.p99, &appends.p50, Asked::AtMost(8.0));
        lines.push(line.note(format!(
            "p50 {} ms, p99 {} ms",
            Short(median(&appends.p50)),
            Short(median(&appends.p99))
        )));
    }
    Ok(lines)
}

/// What the producers have appended.
struct Appends {
    workload: Workload,
    events: usize,
    p50: Samples,
    p99: Samples,
}

impl Appends {
    /// Lets so many producers append, each to streams of its own, one event after the other; gives events a second.
    fn of(&mut self, store: &LmdbStore, producers: usize) -> Outcome<f64> {
        let (workload, waits) = (
            RefCell::new(&mut self.workload),
            RefCell::new(Samples::new()),
        );
        let began = Instant::now();
        let producer = async |number| {
            while began.elapsed() < TURN {
                let append = next(&mut workload.borrow_mut(), number, producers)?;
                let asked = Instant::now();
                store.append(append).await?;
                waits.borrow_mut().push(asked.elapsed().as_secs_f64() * 1e3);
            }
            Ok::<_, AppendError>(())
        };
        let producers: FuturesUnordered<_> = (0..producers).map(producer).collect();
        block_on(producers.try_collect::<()>())?;
        let (took, waits) = (began.elapsed(), waits.into_inner());
        self.events += waits.len();
        self.p50.push(quantile(&waits, 0.5));
        self.p99.push(quantile(&waits, 0.99));
        Ok(per_second(waits.len(), took))
    }
}

/// The next event of one of a producer's streams.
fn next(workload: &mut Workload, producer: usize, producers: usize) -> Result<Append, AppendError> {
    let stream = workload.stream(producer, producers);
    let expected = Version(workload.version(stream));
    workload.advance(stream);
    let name = StreamName::new(workload.name(stream))?;
    Ok(Append::to(name, expected, [workload.event()]))
}
