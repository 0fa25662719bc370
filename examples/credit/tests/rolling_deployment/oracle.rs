//! What there must be once all is quiet, by a fold of the raw log.

use crate::effects::Done;
use crate::releases::{Paid, Placed, Row, Voided};
use midgard::store::ReadLog;
use midgard::view::Select;
use midgard::{Event, MidgardHandle, Store as _, Views, block_on};
use midgard_store_lmdb::LmdbStore;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

/// The numbers of the events of each order.
pub(crate) type Numbers = BTreeMap<u64, Vec<u64>>;

/// What is wrong; nothing when all is as it must be.
pub(crate) fn faults(
    store: &LmdbStore,
    mails: &Path,
    published: Option<Numbers>,
    handle: &MidgardHandle,
) -> Vec<String> {
    let (mut orders, mut effects) = (Numbers::new(), BTreeMap::<String, Numbers>::new());
    let mut late = BTreeSet::new();
    let mut each = |event: midgard::event::RecordedEventRef<'_>| {
        let of = match event.name {
            Placed::NAME => {
                let placed: Placed = event.decode().unwrap();
                Some((placed.order, placed.number))
            }
            Paid::NAME => {
                let paid: Paid = event.decode().unwrap();
                Some((paid.order, paid.number))
            }
            Voided::NAME => {
                let voided: Voided = event.decode().unwrap();
                late.insert((voided.order, voided.number));
                Some((voided.order, voided.number))
            }
            Done::NAME => {
                let done: Done = event.decode().unwrap();
                let of = effects.entry(done.what).or_default();
                of.entry(done.order).or_default().push(done.number);
                None
            }
            _ => None,
        };
        if let Some((order, number)) = of {
            orders.entry(order).or_default().push(number);
        }
        ControlFlow::Continue(())
    };
    block_on(store.read_log(&ReadLog::forward(), &mut each)).unwrap();
    let once: Numbers = orders.keys().map(|order| (*order, vec![0])).collect();
    let mut faults = Vec::new();
    for (what, wanted) in [
        ("reacted", &orders),
        ("heard", &orders),
        ("picked", &once),
        ("answered", &once),
    ] {
        let found = effects.remove(what).unwrap_or_default();
        compare(what, &found, wanted, &late, &mut faults);
    }
    compare("mailed", &mailed(mails), &orders, &late, &mut faults);
    if let Some(published) = published {
        compare("published", &published, &orders, &late, &mut faults);
    }
    // Rows are built from the log by the release that readers see.
    let none = BTreeSet::new();
    compare("projected", &rows(store), &orders, &none, &mut faults);
    for name in ["outbox", "mailer", "rows", "picking"] {
        let letters = block_on(handle.dead_letters(name)).unwrap();
        let letters = letters.iter();
        faults.extend(
            letters.map(|letter| format!("{name} has parked {}: {}", letter.name, letter.error)),
        );
    }
    for name in ["warehouse", "picking replies"] {
        for parked in block_on(handle.parked_messages(name)).unwrap() {
            faults.push(format!("{name} has parked a message: {}", parked.error));
        }
    }
    faults
}

/// Each is there once, in the order of the log; but `late` may be what a release has passed that did not know it, and that was
/// handed over when one came that does.
fn compare(
    what: &str,
    found: &Numbers,
    wanted: &Numbers,
    late: &BTreeSet<(u64, u64)>,
    faults: &mut Vec<String>,
) {
    let orders: BTreeSet<_> = found.keys().chain(wanted.keys()).collect();
    for order in orders {
        let (found, wanted) = (found.get(order), wanted.get(order));
        let in_order = |numbers: Option<&Vec<u64>>| {
            let mut sorted = numbers.cloned().unwrap_or_default();
            let mut known = sorted.clone();
            sorted.sort_unstable();
            known.retain(|number| !late.contains(&(*order, *number)));
            (sorted, known)
        };
        if in_order(found) != in_order(wanted) {
            faults.push(format!(
                "order {order} was {what} {found:?} and not {wanted:?}"
            ));
        }
    }
}

/// What was mailed, each when it came first: an effect that is in no transaction comes at least once.
fn mailed(file: &Path) -> Numbers {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut numbers = Numbers::new();
    for line in text.lines() {
        let (order, number) = line.split_once(' ').unwrap();
        let of = numbers.entry(order.parse().unwrap()).or_default();
        let number = number.parse().unwrap();
        if !of.contains(&number) {
            of.push(number);
        }
    }
    numbers
}

fn rows(store: &LmdbStore) -> Numbers {
    let rows = Views::new(store.clone()).select(Select::<Row>::all());
    let rows = rows.unwrap_or_default().into_iter();
    rows.map(|row| (row.order, row.numbers)).collect()
}
