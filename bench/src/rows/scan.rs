//! Reading the log from its beginning to its end.

use super::orders::{BuyerEvent, Orders};
use crate::contest::{Samples, for_about, rounds};
use crate::table::{Asked, Line};
use crate::workload::sum;
use crate::{Bench, Outcome};
use midgard::store::ReadLog;
use midgard::{Store, block_on};
use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Duration;

/// About how long a turn takes.
const TURN: Duration = Duration::from_millis(400);

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let orders = &Orders::new(bench)?;
    let asked = Asked::AtLeast(0.85);
    let (mut ours, mut raw) = (|| ours(orders, sum), || cursor(orders, sum));
    let bytes = contest(bench, &mut ours, &mut raw)?;
    let (mut ours, mut raw) = (|| typed(orders), || bare_decode(orders));
    let decoded = contest(bench, &mut ours, &mut raw)?;
    let (mut ours, mut raw) = (|| self::ours(orders, length), || cursor(orders, length));
    let untouched = contest(bench, &mut ours, &mut raw)?;
    let line =
        |row, [ours, raw]: &[Samples; 2], asked| Line::new(row, "events/s", ours, raw, asked);
    Ok(vec![
        line("scan, raw bytes", &bytes, asked)
            .note("both add up every byte of every payload; ours checks the checksums too"),
        line("scan, typed", &decoded, asked),
        line("scan, nothing read", &untouched, Asked::Nothing)
            .note("only the lengths: what the checksums cost"),
    ])
}

type Scan<'a> = &'a mut dyn FnMut() -> Outcome<usize>;

fn contest(bench: &Bench, ours: Scan<'_>, raw: Scan<'_>) -> Outcome<[Samples; 2]> {
    let mut ours = || for_about(TURN, &mut *ours);
    let mut raw = || for_about(TURN, &mut *raw);
    rounds(bench.rounds, [&mut ours, &mut raw])
}

/// Something that needs none.
fn length(payload: &[u8]) -> u64 {
    payload.len() as u64
}

fn ours(orders: &Orders, consume: impl Fn(&[u8]) -> u64 + Sync) -> Outcome<usize> {
    let mut events = 0;
    block_on(orders.store.read_log(&ReadLog::forward(), &mut |event| {
        black_box(consume(event.payload));
        events += 1;
        ControlFlow::Continue(())
    }))?;
    Ok(events)
}

fn cursor(orders: &Orders, consume: impl Fn(&[u8]) -> u64) -> Outcome<usize> {
    let transaction = orders.raw.env.read_txn()?;
    let mut events = 0;
    for (entry, place) in orders.raw.log.iter(&transaction)?.zip(&orders.places) {
        black_box(consume(place.payload(entry?.1)));
        events += 1;
    }
    Ok(events)
}

fn typed(orders: &Orders) -> Outcome<usize> {
    let (mut events, mut failed) = (0, None);
    block_on(orders.store.read_log(&ReadLog::forward(), &mut |event| {
        events += 1;
        match event.decode::<BuyerEvent>() {
            Ok(decoded) => drop(black_box(decoded)),
            Err(error) => failed = Some(error),
        }
        ControlFlow::Continue(())
    }))?;
    failed.map_or(Ok(events), |error| Err(error.into()))
}

fn bare_decode(orders: &Orders) -> Outcome<usize> {
    let transaction = orders.raw.env.read_txn()?;
    let mut events = 0;
    for (entry, place) in orders.raw.log.iter(&transaction)?.zip(&orders.places) {
        drop(black_box(place.decode(entry?.1)?));
        events += 1;
    }
    Ok(events)
}
