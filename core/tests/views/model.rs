//! Random operations, compared with a map of all rows.

use super::kit::{Customer, Status, Tables};
use crate::random::Random;
use midgard::view::{Select, ViewError};
use std::collections::BTreeMap;
use std::ops::Bound;

const STATUSES: [Status; 3] = [Status::New, Status::Active, Status::Closed];
const CITIES: [&str; 6] = ["", "Bergen", "Oslo", "Oslo\0", "Oslo\u{1}", "Ålesund"];
const COUNTRIES: [&str; 3] = ["Norway", "Norway\0", "Sweden"];

/// Few values, so that much of it is there twice.
fn row(random: &mut Random, id: u64) -> Customer {
    Customer {
        id,
        country: (*random.pick(&COUNTRIES)).to_owned(),
        city: (*random.pick(&CITIES)).to_owned(),
        email: (random.below(3) > 0).then(|| format!("{}@x.org", random.below(12))),
        balance: random.below(9) as i64 - 4,
        status: *random.pick(&STATUSES),
        number: random.below(12) as u32,
    }
}

type Rows = BTreeMap<u64, Customer>;

fn is_unique(rows: &Rows) -> bool {
    let mut seen = std::collections::HashSet::new();
    rows.values().all(|row| {
        let email = row.email.iter().map(|email| (email.clone(), 0));
        let badge = (row.country.clone(), row.number + 1);
        email.chain([badge]).all(|claim| seen.insert(claim))
    })
}

/// A selection, and the same of the map.
fn selection(random: &mut Random, rows: &Rows) -> (Select<Customer>, Vec<Customer>) {
    let all = || rows.values().cloned().collect::<Vec<_>>();
    let (low, high) = (random.below(11) as i64 - 5, random.below(11) as i64 - 5);
    let city = (*random.pick(&CITIES)).to_owned();
    let country = (*random.pick(&COUNTRIES)).to_owned();
    let status = *random.pick(&STATUSES);
    let (mut select, mut wanted) = match random.below(13) {
        0 => (Select::all(), all()),
        1 => {
            let (low, high) = (random.below(25), random.below(25));
            let mut wanted = all();
            wanted.retain(|row| (low..high).contains(&row.id));
            (Select::keys(low..high), wanted)
        }
        2 => {
            let mut wanted = all();
            wanted.retain(|row| row.city == city);
            (Customer::by_city(&city), wanted)
        }
        3 => {
            let mut wanted = all();
            wanted.retain(|row| row.city >= city);
            wanted.sort_by(|a, b| a.city.cmp(&b.city));
            (Customer::by_city_range(&city..), wanted)
        }
        4 => {
            let email = (low > 0).then(|| format!("{low}@x.org"));
            let mut wanted = all();
            wanted.retain(|row| row.email == email);
            (Customer::by_email(email), wanted)
        }
        5 => {
            let mut wanted = all();
            wanted.sort_by(|a, b| a.email.cmp(&b.email));
            (Customer::ordered_by_email(), wanted)
        }
        6 => {
            let mut wanted = all();
            wanted.retain(|row| row.balance == low);
            (Customer::by_balance(low), wanted)
        }
        7 | 8 => {
            let bound = |random: &mut Random, value| match random.below(3) {
                0 => Bound::Included(value),
                1 => Bound::Excluded(value),
                _ => Bound::Unbounded,
            };
            let range = (bound(random, low), bound(random, high));
            let mut wanted = all();
            wanted.retain(|row| std::ops::RangeBounds::contains(&range, &row.balance));
            wanted.sort_by_key(|row| row.balance);
            (Customer::by_balance_range(range), wanted)
        }
        9 => {
            let mut wanted = all();
            wanted.retain(|row| row.status <= status);
            wanted.sort_by_key(|row| row.status);
            (Customer::by_status_range(..=status), wanted)
        }
        10 => {
            let mut wanted = all();
            wanted.retain(|row| row.country == country && row.city == city);
            (Customer::by_place((country, city)), wanted)
        }
        11 => {
            let mut wanted = all();
            let of = |row: &Customer| (row.country.clone(), row.city.clone());
            wanted.retain(|row| of(row) >= (country.clone(), city.clone()));
            wanted.sort_by_key(of);
            (Customer::by_place_range((country, city)..), wanted)
        }
        _ => {
            let number = random.below(12) as u32;
            let mut wanted = all();
            wanted.retain(|row| row.country == country && row.number == number);
            (Customer::by_badge((country, number)), wanted)
        }
    };
    if random.below(2) == 0 {
        select = select.reverse();
        wanted.reverse();
    }
    if random.below(3) == 0 {
        let even = random.below(2);
        select = select.filter(move |row| row.id % 2 == even);
        wanted.retain(|row| row.id % 2 == even);
    }
    if random.below(3) == 0 {
        let limit = random.below(6) as usize;
        select = select.limit(limit);
        wanted.truncate(limit);
    }
    (select, wanted)
}

/// One transaction of up to eight changes, with selections in between.
fn transaction(seed: u64, random: &mut Random, tables: &Tables, rows: &mut Rows) {
    let mut after = rows.clone();
    let mut transaction = tables.begin();
    for _ in 0..=random.below(8) {
        let id = random.below(24);
        match random.below(6) {
            0 | 1 => {
                let row = row(random, id);
                transaction.put(row.clone()).unwrap();
                after.insert(id, row);
            }
            2 => {
                let was_there = transaction.remove::<Customer>(id).unwrap();
                assert_eq!(was_there, after.remove(&id).is_some(), "seed {seed}");
            }
            3 => {
                let new = row(random, id);
                let change = |row: &mut Customer| *row = new.clone();
                let was_there = transaction.update::<Customer>(id, change).unwrap();
                assert_eq!(
                    was_there,
                    after.get_mut(&id).map(change).is_some(),
                    "seed {seed}"
                );
            }
            4 => {
                let new = row(random, id);
                transaction
                    .upsert::<Customer>(id, || new.clone(), |row| row.balance += 1)
                    .unwrap();
                after.entry(id).or_insert(new).balance += 1;
            }
            _ => {
                let (select, wanted) = selection(random, &after);
                let name = format!("seed {seed}, within a transaction: {select:?}");
                assert_eq!(transaction.select(select).unwrap(), wanted, "{name}");
                assert_eq!(
                    transaction.get::<Customer>(id).unwrap(),
                    after.get(&id),
                    "{name}"
                );
            }
        }
    }
    match random.below(10) {
        0 => drop(transaction),
        _ => match tables.commit(transaction) {
            Ok(()) => {
                assert!(is_unique(&after), "seed {seed}: two rows have one value");
                *rows = after;
            }
            Err(ViewError::NotUnique { .. }) => {
                assert!(
                    !is_unique(&after),
                    "seed {seed}: no two rows have one value"
                );
            }
            Err(error) => panic!("seed {seed}: {error}"),
        },
    }
}

#[test]
fn views_agree_with_a_map_of_their_rows() {
    let mut committed = 0;
    for seed in 0..150 {
        let random = &mut Random(seed);
        let (tables, mut rows) = (Tables::of::<Customer>(), Rows::new());
        for _ in 0..40 {
            let before = rows.clone();
            transaction(seed, random, &tables, &mut rows);
            committed += usize::from(before != rows);
            for _ in 0..4 {
                let (select, wanted) = selection(random, &rows);
                let name = format!("seed {seed}: {select:?}");
                match random.below(3) {
                    0 => {
                        let count = tables.views.count(select).unwrap();
                        assert_eq!(count, wanted.len() as u64, "{name}");
                    }
                    1 => {
                        let first = tables.views.first(select).unwrap();
                        assert_eq!(first.as_ref(), wanted.first(), "{name}");
                    }
                    _ => assert_eq!(tables.views.select(select).unwrap(), wanted, "{name}"),
                }
            }
        }
    }
    assert!(
        committed > 1_000,
        "most transactions change something: {committed}"
    );
}
