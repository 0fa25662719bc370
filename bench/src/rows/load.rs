//! Loading an aggregate of 100 events that lie far apart in the log.

use super::orders::{AGGREGATES, Buyer, EVENTS, Orders};
use crate::contest::{for_about, median, rounds};
use crate::table::{Asked, Line, Short};
use crate::workload::Random;
use crate::{Bench, Outcome};
use midgard::aggregate::Fold as _;
use midgard::{Repository, block_on};
use std::hint::black_box;
use std::time::Duration;

/// About how long a turn takes.
const TURN: Duration = Duration::from_millis(400);

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let orders = Orders::new(bench)?;
    let repository = Repository::<Buyer, _>::new(orders.store.clone());
    let load = |aggregate| Outcome::Ok(block_on(repository.load(&aggregate))?.into_state());
    let fold = |aggregate| fold(&orders, aggregate);
    for aggregate in [0, AGGREGATES - 1] {
        if load(aggregate)? != fold(aggregate)? {
            return Err("the two sides do not read the same".into());
        }
    }
    let (mut random, mut again) = (Random(1), Random(1));
    let mut ours = || {
        black_box(load(random.below(AGGREGATES as usize) as u32)?);
        Ok(1)
    };
    let mut raw = || {
        black_box(fold(again.below(AGGREGATES as usize) as u32)?);
        Ok(1)
    };
    let [ours, raw] = rounds(
        bench.rounds,
        [&mut || for_about(TURN, &mut ours), &mut || {
            for_about(TURN, &mut raw)
        }],
    )?;
    let note = format!("{} µs a load", Short(1e6 / median(&ours)));
    Ok(vec![
        Line::new("load-100", "loads/s", &ours, &raw, Asked::AtLeast(0.8)).note(note),
    ])
}

/// Loads the aggregate by raw `get`s of known positions.
fn fold(orders: &Orders, aggregate: u32) -> Outcome<Buyer> {
    let transaction = orders.raw.env.read_txn()?;
    let mut buyer = Buyer::default();
    for number in 1..=EVENTS {
        let position = Orders::position(aggregate, number);
        let record = orders.raw.log.get(&transaction, &position)?;
        let place = orders.places[position as usize - 1];
        buyer.apply_event(place.decode(record.ok_or("an event is missing")?)?);
    }
    Ok(buyer)
}
