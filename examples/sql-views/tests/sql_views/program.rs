//! The program on the shop's listing.

use super::kit::Database;
use midgard_examples::shop::SAMPLE;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};
use tempfile::TempDir;

/// What a customer may owe in a month, in cents.
const LIMIT: i64 = 10_000;

/// Orders and cents of a month, approved and rejected.
type Month = [(i64, i64); 2];

/// The sample's months and customers, by a plain fold that shares no code with the program.
fn folded() -> (BTreeMap<String, Month>, BTreeMap<i64, i64>) {
    let mut months = BTreeMap::<String, Month>::new();
    let mut owed = BTreeMap::<(i64, String), i64>::new();
    for row in fs::read_to_string(SAMPLE).unwrap().lines() {
        let columns: Vec<_> = row.split_whitespace().collect();
        let [customer, _, date, _, dollars] = columns[..] else {
            panic!("no row: {row}");
        };
        let month = format!("{}-{}", &date[..4], &date[4..6]);
        let cents: i64 = dollars.replace('.', "").parse().unwrap();
        let owed = owed
            .entry((customer.parse().unwrap(), month.clone()))
            .or_default();
        let is_rejected = *owed + cents > LIMIT;
        if !is_rejected {
            *owed += cents;
        }
        let tally = &mut months.entry(month).or_default()[usize::from(is_rejected)];
        *tally = (tally.0 + 1, tally.1 + cents);
    }
    let mut customers = BTreeMap::new();
    for ((customer, _), cents) in owed {
        *customers.entry(customer).or_default() += cents;
    }
    (months, customers)
}

fn run(directory: &TempDir, database: &Database) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_sql_views"))
        .arg("--data")
        .arg(directory.path())
        .arg("--views")
        .arg(database.file())
        .output()
        .unwrap();
    let errors = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{errors}");
    String::from_utf8(stdout).unwrap()
}

#[test]
fn the_tables_say_what_a_plain_fold_says_and_a_second_run_adds_nothing() {
    let (directory, database) = (TempDir::new().unwrap(), Database::new());
    let (months, customers) = folded();
    let first = run(&directory, &database);
    let (new, report) = first.split_once("\n\n").unwrap();
    assert_eq!(new, "6919 events are new to the tables");
    let dollars = |cents: i64| format!("{}.{:02}", cents / 100, cents % 100);
    for (month, [approved, rejected]) in &months {
        let row = report.lines().find(|row| row.starts_with(month)).unwrap();
        let row: Vec<_> = row.split_whitespace().collect();
        let expected = [
            month.clone(),
            approved.0.to_string(),
            dollars(approved.1),
            rejected.0.to_string(),
            dollars(rejected.1),
        ];
        assert_eq!(row, expected);
    }

    let second = run(&directory, &database);
    assert_eq!(
        second,
        format!("0 events are new to the tables\n\n{report}")
    );

    let rows = database.query(
        "SELECT month || status, orders * 1000000000 + cents FROM orders_by_month ORDER BY month, status",
    );
    let expected = months
        .into_iter()
        .flat_map(|(month, [approved, rejected])| {
            let row = |status, (orders, cents): (i64, i64)| {
                (format!("{month}{status}"), orders * 1_000_000_000 + cents)
            };
            [row("approved", approved), row("rejected", rejected)]
        });
    assert!(rows.into_iter().eq(expected));
    let rows = database
        .query("SELECT CAST(customer AS TEXT), approved_cents FROM customers ORDER BY customer");
    let expected = customers
        .into_iter()
        .map(|(customer, cents)| (customer.to_string(), cents));
    assert!(rows.into_iter().eq(expected));
}
