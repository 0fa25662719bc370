//! Which rows a selection finds, and in which order.

use super::kit::{Customer, Status, Tables, customer, with_balance};
use midgard::View;
use midgard::view::Select;
use midgard::view::StartingWith;
use serde::{Deserialize, Serialize};
use std::ops::{Bound, ControlFlow};

/// Balances from -20 to 20, each of two rows: 10 × 2 + 2 × 0..=20.
fn balances() -> Tables {
    let tables = Tables::of::<Customer>();
    let rows = (0..10).map(|id| with_balance(id, (id as i64 / 2 - 2) * 10));
    tables.put(rows).unwrap();
    tables
}

fn found(tables: &Tables, select: Select<Customer>) -> Vec<i64> {
    let rows = tables.views.select(select).unwrap();
    rows.iter().map(|row| row.balance).collect()
}

fn twice(balances: &[i64]) -> Vec<i64> {
    balances.iter().flat_map(|one| [*one, *one]).collect()
}

#[test]
fn rows_come_in_the_order_of_keys_or_of_an_index_and_then_of_keys() {
    let tables = Tables::of::<Customer>();
    let cities = ["Oslo", "Bergen", "Ålesund", "Oslo", "bergen"];
    let rows = cities.iter().zip([5, 4, 3, 2, 1]);
    tables
        .put(rows.map(|(city, id)| customer(id, "Norway", city)))
        .unwrap();
    assert_eq!(tables.ids(Select::all()), [1, 2, 3, 4, 5]);
    assert_eq!(tables.ids(Select::all().reverse()), [5, 4, 3, 2, 1]);
    assert_eq!(
        tables.ids(Select::all().reverse().reverse()),
        [1, 2, 3, 4, 5]
    );
    assert_eq!(tables.ids(Customer::ordered_by_city()), [4, 2, 5, 1, 3]);
    assert_eq!(
        tables.ids(Customer::ordered_by_city().reverse()),
        [3, 1, 5, 2, 4]
    );
    assert_eq!(tables.ids(Customer::by_city("Oslo")), [2, 5]);
    assert_eq!(tables.ids(Customer::by_city("Oslo").reverse()), [5, 2]);
    assert!(tables.ids(Customer::by_city("Osl")).is_empty());
    assert!(tables.ids(Customer::by_city("")).is_empty());
}

#[test]
fn a_value_may_be_looked_up_with_what_stands_for_it() {
    let tables = balances();
    let (oslo, ann) = ("Oslo".to_owned(), Some("ann@x.org".to_owned()));
    tables
        .change(|transaction| {
            transaction
                .update::<Customer>(3, |row| row.email = ann.clone())
                .map(drop)
        })
        .unwrap();
    for select in [
        Customer::by_city("Oslo"),
        Customer::by_city(&oslo),
        Customer::by_city(oslo.clone()),
    ] {
        assert_eq!(tables.ids(select).len(), 10);
    }
    let email = "ann@x.org".to_owned();
    for select in [
        Customer::by_email("ann@x.org"),
        Customer::by_email(&email),
        Customer::by_email(email),
        Customer::by_email(&ann),
        Customer::by_email(ann.clone()),
    ] {
        assert_eq!(tables.ids(select), [3]);
    }
    let place = ("Norway".to_owned(), "Oslo".to_owned());
    for select in [
        Customer::by_place(("Norway", "Oslo")),
        Customer::by_place(("Norway", oslo)),
        Customer::by_place(&place),
        Customer::by_badge(("Norway", 3)).filter(|_| true),
    ] {
        assert!(tables.ids(select).contains(&3));
    }
    assert_eq!(tables.views.get::<Customer>(3).unwrap().unwrap().email, ann);
    assert_eq!(tables.views.get::<Customer>(&3).unwrap().unwrap().id, 3);
    assert_eq!(tables.views.get::<Customer>(10).unwrap(), None);
}

#[test]
fn a_range_of_an_index_has_bounds_of_every_kind() {
    use Customer as Row;
    let tables = balances();
    let all = [-20, -10, 0, 10, 20];
    for (select, wanted) in [
        (Row::by_balance_range(-10..10), &[-10, 0][..]),
        (Row::by_balance_range(-10..=10), &[-10, 0, 10]),
        (Row::by_balance_range(-10..), &[-10, 0, 10, 20]),
        (Row::by_balance_range(..0), &[-20, -10]),
        (Row::by_balance_range(..=0), &[-20, -10, 0]),
        (Row::by_balance_range(..), &all),
        (
            Row::by_balance_range((Bound::Excluded(-10), Bound::Excluded(20))),
            &[0, 10],
        ),
        (
            Row::by_balance_range((Bound::Excluded(-10), Bound::Included(20))),
            &[0, 10, 20],
        ),
        (
            Row::by_balance_range((Bound::Excluded(0), Bound::Unbounded)),
            &[10, 20],
        ),
        // Between the values, and around all of them.
        (Row::by_balance_range(-15..15), &[-10, 0, 10]),
        (Row::by_balance_range(i64::MIN..=i64::MAX), &all),
        // Nothing can be in these.
        (Row::by_balance_range(10..10), &[]),
        (
            Row::by_balance_range((Bound::Included(10), Bound::Included(-10))),
            &[],
        ),
        (
            Row::by_balance_range((Bound::Excluded(10), Bound::Excluded(10))),
            &[],
        ),
        (Row::by_balance_range(11..20), &[]),
        (Row::by_balance_range(21..), &[]),
    ] {
        let name = format!("{select:?} {wanted:?}");
        assert_eq!(found(&tables, select), twice(wanted), "{name}");
    }
    let reverse = found(&tables, Row::by_balance_range(-10..=10).reverse());
    assert_eq!(reverse, twice(&[10, 0, -10]));
}

#[test]
fn so_has_a_range_of_keys() {
    let tables = balances();
    for (select, wanted) in [
        (Select::keys(3..6), vec![3, 4, 5]),
        (Select::keys(3..=6), vec![3, 4, 5, 6]),
        (Select::keys(8..), vec![8, 9]),
        (Select::keys(..2), vec![0, 1]),
        (Select::keys(..=2), vec![0, 1, 2]),
        (
            Select::keys((Bound::Excluded(3), Bound::Excluded(6))),
            vec![4, 5],
        ),
        (Select::keys(7..7), vec![]),
        (
            Select::keys((Bound::Included(7), Bound::Excluded(3))),
            vec![],
        ),
        (Select::keys(..).reverse().limit(2), vec![9, 8]),
    ] {
        assert_eq!(tables.ids(select), wanted);
    }
}

#[test]
fn a_range_may_be_of_texts_and_of_what_begins_in_the_same_way() {
    let tables = Tables::of::<Customer>();
    let cities = ["", "a", "a\0", "ab", "abc", "abd", "ac", "b", "\u{10ffff}"];
    let places = cities.iter().zip(1..);
    tables
        .put(places.map(|(city, id)| customer(id, "Norway", city)))
        .unwrap();
    let of = |select| {
        let rows = tables.views.select(select).unwrap();
        rows.into_iter()
            .map(|row: Customer| row.city)
            .collect::<Vec<_>>()
    };
    let range = |from, to| of(Customer::by_city_range((from, to)));
    assert_eq!(
        of(Customer::by_city_range("ab".."ac")),
        ["ab", "abc", "abd"]
    );
    assert_eq!(
        of(Customer::by_city_range("ab".to_owned()..="ac".to_owned())),
        ["ab", "abc", "abd", "ac"]
    );
    assert_eq!(range(Bound::Excluded("a"), Bound::Excluded("ab")), ["a\0"]);
    assert_eq!(of(Customer::by_city_range("b"..)), ["b", "\u{10ffff}"]);
    assert_eq!(
        of(Customer::by_city_range(StartingWith("ab"))),
        ["ab", "abc", "abd"]
    );
    assert_eq!(of(Customer::by_city_range(StartingWith("a\0"))), ["a\0"]);
    assert_eq!(
        of(Customer::by_city_range(StartingWith("\u{10ffff}"))),
        ["\u{10ffff}"]
    );
    assert_eq!(
        of(Customer::by_city_range(StartingWith(""))),
        cities[..]
            .iter()
            .map(|one| (*one).to_owned())
            .collect::<Vec<_>>()
    );
    assert!(of(Customer::by_city_range(StartingWith("x"))).is_empty());
}

#[derive(Debug, PartialEq, Serialize, Deserialize, View)]
#[view(key = (order, line), index(history = (customer, day, order), ordered))]
struct OrderLine {
    order: u16,
    line: u8,
    customer: String,
    day: i32,
}

#[test]
fn a_key_of_several_fields_sorts_by_the_first_and_then_by_the_next() {
    let tables = Tables::of::<OrderLine>();
    let lines = [(300, 2), (1, 200), (1, 3), (256, 1), (300, 1)];
    tables
        .put(lines.map(|(order, line)| OrderLine {
            order,
            line,
            customer: if order == 1 { "ann" } else { "bob" }.to_owned(),
            day: -i32::from(order),
        }))
        .unwrap();
    let of = |select: Select<OrderLine>| {
        let rows = tables.views.select(select).unwrap();
        rows.iter()
            .map(|row| (row.order, row.line))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of(Select::all()),
        [(1, 3), (1, 200), (256, 1), (300, 1), (300, 2)]
    );
    assert_eq!(of(Select::keys(StartingWith(300))), [(300, 1), (300, 2)]);
    assert_eq!(
        of(Select::keys((1, 4)..(300, 2))),
        [(1, 200), (256, 1), (300, 1)]
    );
    // Backwards in time.
    assert_eq!(
        of(OrderLine::by_history_range(StartingWith("bob"))),
        [(300, 1), (300, 2), (256, 1)]
    );
    assert_eq!(
        of(OrderLine::by_history(("ann".to_owned(), -1, 1))),
        [(1, 3), (1, 200)]
    );
    assert_eq!(
        tables
            .views
            .get::<OrderLine>((300, 2))
            .unwrap()
            .unwrap()
            .line,
        2
    );
    assert_eq!(tables.views.get::<OrderLine>((2, 2)).unwrap(), None);
}

#[test]
fn enums_sort_as_they_are_declared() {
    let tables = Tables::of::<Customer>();
    let all = [Status::Closed, Status::New, Status::Active];
    let rows = all.iter().zip(1..).map(|(status, id)| Customer {
        status: *status,
        ..customer(id, "Norway", "Oslo")
    });
    tables.put(rows).unwrap();
    assert_eq!(tables.ids(Customer::ordered_by_status()), [2, 3, 1]);
    assert_eq!(tables.ids(Customer::by_status(Status::Active)), [3]);
    assert_eq!(
        tables.ids(Customer::by_status_range(Status::Active..)),
        [3, 1]
    );
}

#[test]
fn filters_and_limits_and_counts() {
    let tables = balances();
    let even = || Select::all().filter(|row: &Customer| row.id.is_multiple_of(2));
    assert_eq!(tables.ids(even()), [0, 2, 4, 6, 8]);
    assert_eq!(tables.ids(even().filter(|row| row.id > 3)), [4, 6, 8]);
    assert_eq!(
        tables.ids(even().limit(2)),
        [0, 2],
        "rows that pass are counted, not those that are read"
    );
    assert_eq!(tables.ids(even().reverse().limit(2)), [8, 6]);
    assert!(tables.ids(Select::all().limit(0)).is_empty());
    assert_eq!(tables.ids(Select::all().limit(100)).len(), 10);

    let count = |select: Select<Customer>| tables.views.count(select).unwrap();
    assert_eq!(count(Select::all()), 10);
    assert_eq!(count(Customer::by_balance_range(-10..10)), 4);
    assert_eq!(count(Select::all().limit(3)), 3);
    assert_eq!(count(Select::all().limit(0)), 0);
    assert_eq!(count(even()), 5);
    assert_eq!(count(even().limit(2)), 2);
    assert_eq!(count(Customer::by_city("Bergen")), 0);

    let first = |select| tables.views.first::<Customer>(select).unwrap();
    assert_eq!(
        first(Customer::ordered_by_balance().reverse()).unwrap().id,
        9
    );
    assert_eq!(first(even().filter(|row| row.id > 100)), None);
    assert_eq!(first(Select::all().limit(0)), None);
}

#[test]
fn rows_are_visited_one_after_another_until_enough_is_seen() {
    let tables = balances();
    let mut seen = Vec::new();
    tables
        .views
        .for_each(Customer::ordered_by_balance(), |row| {
            seen.push(row.id);
            match row.id {
                4 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
        .unwrap();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}
