//! What a report should say.

use std::collections::{BTreeMap, BTreeSet};

/// The report of a listing, by a plain fold that shares no code with the shop.
pub fn expected_report(listing: &str, limit_cents: u64) -> String {
    let mut customers = BTreeSet::new();
    let mut owed = BTreeMap::<_, u64>::new();
    let (mut approved, mut rejected, mut cds) = ((0, 0), (0, 0), 0);
    let rows = listing.lines().filter(|line| {
        line.trim()
            .starts_with(|first: char| first.is_ascii_digit())
    });
    for row in rows {
        let columns: Vec<_> = row.split_whitespace().collect();
        let (customer, [date, count, dollars]) = match columns[..] {
            [customer, .., date, count, dollars] => (customer, [date, count, dollars]),
            _ => panic!("no row: {row}"),
        };
        let total: u64 = dollars.replace('.', "").parse().unwrap();
        let owed = owed.entry((customer, &date[..6])).or_default();
        let tally = if *owed + total <= limit_cents {
            *owed += total;
            &mut approved
        } else {
            &mut rejected
        };
        *tally = (tally.0 + 1, tally.1 + total);
        customers.insert(customer);
        cds += count.parse::<u64>().unwrap();
    }
    let tally =
        |(orders, cents): (u64, u64)| format!("{orders} {}.{:02}", cents / 100, cents % 100);
    format!(
        "customers {}\norders {}\napproved {}\nrejected {}\ncds {cds}\n",
        customers.len(),
        approved.0 + rejected.0,
        tally(approved),
        tally(rejected)
    )
}
