//! Projections that catch up, against loops written by hand that keep the same rows.

mod by_hand;
mod sales;
mod views;

use crate::contest::rounds;
use crate::table::{Asked, Line};
use crate::{Bench, Outcome};
use by_hand::ByHand;
use midgard::view::Select;
use sales::{EVENTS, Order, Sales, Total};
use views::{Orders, Totals, catch_up};

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let sales = Sales::new(bench)?;
    let mut lines = totals(bench, &sales)?;
    lines.extend(orders(bench, &sales)?);
    Ok(lines)
}

/// Rows that change repeatedly.
fn totals(bench: &Bench, sales: &Sales) -> Outcome<Vec<Line>> {
    // Once before the rounds: in how many commits, and whether both sides keep the same.
    let first = catch_up(bench, sales, Totals, |views| {
        let in_order = views.select(Total::ordered_by_cents())?.into_iter();
        let keys: Vec<_> = in_order.map(|row| row.customer).collect();
        Ok((views.select(Select::<Total>::all())?, keys))
    })?;
    let each = (EVENTS as usize).div_ceil(first.commits);
    let (rows, keys) = first.seen;
    for project in [ByHand::totals, ByHand::totals_by_event] {
        let hand = ByHand::new(bench)?;
        project(&hand, sales, each)?;
        if hand.all::<Total>()? != rows || hand.in_order()? != keys {
            return Err("the two sides do not keep the same totals".into());
        }
    }
    let [ours, by_commit, by_event] = rounds(
        bench.rounds,
        [
            &mut || Ok(catch_up(bench, sales, Totals, |_| Ok(()))?.events_per_second),
            &mut || ByHand::new(bench)?.totals(sales, each),
            &mut || ByHand::new(bench)?.totals_by_event(sales, each),
        ],
    )?;
    let note = format!(
        "{EVENTS} events, {} rows with one ordered index; {} commits",
        rows.len(),
        first.commits
    );
    let asked = Asked::AtLeast(0.6);
    Ok(vec![
        Line::new("project, totals", "events/s", &ours, &by_commit, asked).note(note),
        Line::new(
            "project, totals, to a put for each event",
            "events/s",
            &ours,
            &by_event,
            Asked::Nothing,
        ),
    ])
}

/// A row for each event.
fn orders(bench: &Bench, sales: &Sales) -> Outcome<Vec<Line>> {
    let first = catch_up(bench, sales, Orders, |views| {
        Ok(views.select(Select::<Order>::all())?)
    })?;
    let each = (EVENTS as usize).div_ceil(first.commits);
    let hand = ByHand::new(bench)?;
    hand.orders(sales, each)?;
    if hand.all::<Order>()? != first.seen {
        return Err("the two sides do not keep the same orders".into());
    }
    let [ours, by_hand] = rounds(
        bench.rounds,
        [
            &mut || Ok(catch_up(bench, sales, Orders, |_| Ok(()))?.events_per_second),
            &mut || ByHand::new(bench)?.orders(sales, each),
        ],
    )?;
    let asked = Asked::AtLeast(0.6);
    Ok(vec![
        Line::new("project, orders", "events/s", &ours, &by_hand, asked).note(format!(
            "{EVENTS} events, as many rows; {} commits",
            first.commits
        )),
    ])
}
