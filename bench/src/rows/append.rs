//! Durable appends of one event each, by several producers at once.

use super::filled::{self, RawFilled, counting_commits};
use crate::contest::{Samples, for_about, median, per_second, quantile, rounds};
use crate::recorded::Recorded;
use crate::table::{Asked, Line, Short};
use crate::workload::Workload;
use crate::{Bench, Outcome};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use midgard::{Append, AppendError, Store, StreamName, Version, block_on};
use midgard_store_lmdb::LmdbStore;
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
    /// Lets so many producers append, each to streams of its own; gives events a second.
    fn of(&mut self, store: &LmdbStore, producers: usize) -> Outcome<f64> {
        let mut waits = Samples::new();
        let began = Instant::now();
        block_on(async {
            let mut in_flight: FuturesUnordered<_> = (0..producers)
                .map(|producer| self.append(store, producer, producers))
                .collect();
            while let Some(done) = in_flight.next().await {
                let (producer, wait) = done?;
                waits.push(wait.as_secs_f64() * 1e3);
                if began.elapsed() < TURN {
                    in_flight.push(self.append(store, producer, producers));
                }
            }
            Ok::<_, AppendError>(())
        })?;
        let took = began.elapsed();
        self.events += waits.len();
        self.p50.push(quantile(&waits, 0.5));
        self.p99.push(quantile(&waits, 0.99));
        Ok(per_second(waits.len(), took))
    }

    /// Appends the next event to one of the producer's streams; gives how long that took.
    fn append<'s>(
        &mut self,
        store: &'s LmdbStore,
        producer: usize,
        producers: usize,
    ) -> impl Future<Output = Result<(usize, Duration), AppendError>> + use<'s> {
        let stream = self.workload.stream(producer, producers);
        let expected = Version(self.workload.version(stream));
        self.workload.advance(stream);
        let name = StreamName::new(self.workload.name(stream));
        let event = self.workload.event();
        async move {
            let began = Instant::now();
            store.append(Append::to(name?, expected, [event])).await?;
            Ok((producer, began.elapsed()))
        }
    }
}
