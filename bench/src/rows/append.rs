//! Durable appends of one event each, by several producers at once.

use super::filled::{self, RawFilled, counting_commits};
use super::producers::produce;
use crate::contest::{Samples, for_about, median, quantile, rounds};
use crate::recorded::Recorded;
use crate::table::{Asked, Line, Short};
use crate::workload::Workload;
use crate::{Bench, Outcome};
use midgard::store::Append;
use midgard::{Store, StreamName, Version};
use std::time::Duration;

/// About how long a turn takes.
const TURN: Duration = Duration::from_millis(700);

/// Raw commits hold as many events as there are producers: the most that can come together.
pub(crate) fn measure(bench: &Bench, producers: usize) -> Outcome<Vec<Line>> {
    let (directory, mut workload) = filled::store(bench)?;
    let recorded = Recorded::by(directory.path())?;
    let mut log = RawFilled::new(bench, &recorded, false)?;
    let mut all = RawFilled::new(bench, &recorded, true)?;
    let (_directory, queued) = filled::queued(bench, &recorded, producers)?;
    let mut others = Workload::new();
    let (mut events, mut p50, mut p99) = (0, Samples::new(), Samples::new());
    let mut samples = Default::default();
    let commits = counting_commits(directory.path(), |store| {
        samples = rounds(
            bench.rounds,
            [
                &mut || {
                    let append = async |append| Ok(store.append(append).await.map(drop)?);
                    let next = |producer| next(&mut workload, producer, producers);
                    let produced = produce(producers, TURN, next, append)?;
                    events += produced.waits.len();
                    p50.push(quantile(&produced.waits, 0.5));
                    p99.push(quantile(&produced.waits, 0.99));
                    Ok(produced.appends_per_second)
                },
                &mut || for_about(TURN, || log.commit(producers)),
                &mut || for_about(TURN, || all.commit(producers)),
                &mut || {
                    let append = async |append| queued.append(append).await;
                    let next = |producer| next(&mut others, producer, producers);
                    Ok(produce(producers, TURN, next, append)?.appends_per_second)
                },
            ],
        )?;
        Ok(())
    })?;
    let [ours, log, all, queued] = samples;

    let row = format!("append-{producers}");
    let asked = Asked::AtLeast(if producers == 1 { 0.95 } else { 0.8 });
    let each = events as f64 / commits as f64;
    let line = |to: &str, raw: &Samples, asked| {
        Line::new(format!("{row}{to}"), "events/s", &ours, raw, asked)
    };
    let mut lines = vec![
        line("", &log, asked).note(format!("{} events a commit", Short(each))),
        line(", to the log behind a queue", &queued, Asked::Nothing),
        line(", to log and index", &all, Asked::Nothing),
    ];
    if producers == 64 {
        let row = format!("{row}, p99 to p50");
        let line = Line::new(row, "ms", &p99, &p50, Asked::AtMost(8.0));
        let (p50, p99) = (Short(median(&p50)), Short(median(&p99)));
        lines.push(line.note(format!("p50 {p50} ms, p99 {p99} ms")));
    }
    Ok(lines)
}

/// Returns the next event of one of a producer's streams.
fn next(workload: &mut Workload, producer: usize, producers: usize) -> Outcome<Append> {
    let stream = workload.stream(producer, producers);
    let expected = Version(workload.version(stream));
    workload.advance(stream);
    let name = StreamName::new(workload.name(stream))?;
    Ok(Append::to(name, expected, [workload.event()]))
}
