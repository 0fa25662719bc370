//! The cost of a store with a hundred times as many events.

use super::grown::{EVENTS, Grown, PAYLOAD, TURN};
use super::growth_raw::GrownRaw;
use crate::contest::{Samples, for_about, longest, median, rounds};
use crate::recorded::beside_payload;
use crate::table::{Asked, Line, Short};
use crate::{Bench, Outcome};
use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::Path;
use std::time::Instant;

/// How many events the stores have.
const SIZES: [usize; 3] = [100_000, 1_000_000, 10_000_000];

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
    let flushed = bench.directory()?;
    let [small_appends, middle_appends, large_appends, flushes] = rounds(
        bench.rounds,
        [
            &mut || small.appends(),
            &mut || middle.appends(),
            &mut || large.appends(),
            &mut || longest_flush(flushed.path()),
        ],
    )?;
    let appended = [small_appends, middle_appends, large_appends];
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
    let waits = [&*small, &*middle, &*large].map(|grown| grown.longest_waits().clone());
    let longest_waits = waits.each_ref().map(|waits| Short(longest(waits)));
    let (least, most) = (Asked::AtLeast(0.7), Asked::AtMost(50.0));
    Ok(vec![
        line("append-64", "events/s", &appended, Asked::AtLeast(0.85)),
        Line::alone(
            "growth, longest wait for an append",
            "ms",
            longest(&waits[2]),
            &waits[2],
            most,
        )
        .note(format!(
            "{} at 10^5, {} at 10^6, {} at 10^7 events; of the disk alone, to flush 32 KiB: {}",
            longest_waits[0],
            longest_waits[1],
            longest_waits[2],
            Short(longest(&flushes))
        )),
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

/// Loads from the small and the large store, each compared with raw LMDB: the small one's, raw, the large one's, raw.
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

/// Flushes a few pages time and again, and returns how long the longest flush took, in milliseconds.
fn longest_flush(directory: &Path) -> Outcome<f64> {
    let (mut file, pages) = (File::create(directory.join("flushed"))?, [1; 32 << 10]);
    let mut took = Samples::new();
    for_about(TURN, || {
        file.rewind()?;
        file.write_all(&pages)?;
        let began = Instant::now();
        file.sync_data()?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
        Outcome::Ok(1)
    })?;
    Ok(longest(&took))
}

/// Returns the memory of this process that belongs to no file, in MiB.
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
