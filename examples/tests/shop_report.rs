//! The shop's views as a program prints and draws them, against a plain fold of the listing.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{SAMPLE, run};
use tempfile::TempDir;

/// The sample, imported.
fn imported() -> TempDir {
    let data = TempDir::new().unwrap();
    let (code, _, errors) = run(support::shop(SAMPLE).arg("--data").arg(data.path()));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    data
}

fn report(data: &Path, options: &[&str]) -> (Option<i32>, String, String) {
    let mut shop = Command::new(env!("CARGO_BIN_EXE_shop"));
    shop.arg("report").arg("--data").arg(data).args(options);
    run(&mut shop)
}

/// What a report prints that should go well.
fn printed(data: &Path, options: &[&str]) -> String {
    let (code, text, errors) = report(data, options);
    assert_eq!(code, Some(0), "{errors}");
    text
}

/// The cells of all lines between vertical borders.
fn cells(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .filter(|line| line.starts_with('│'))
        .map(|line| line.trim_matches('│').split_whitespace().collect())
        .collect()
}

/// The listing's orders: customer, date, CDs, cents, and whether they were approved.
fn orders() -> Vec<(String, String, u64, u64, bool)> {
    let sample = fs::read_to_string(SAMPLE).unwrap();
    let mut owed = BTreeMap::<_, u64>::new();
    let rows = sample.lines().map(|row| {
        let columns: Vec<_> = row.split_whitespace().collect();
        let [customer, _, date, cds, dollars] = columns[..] else {
            panic!("no row: {row}");
        };
        let cents: u64 = dollars.replace('.', "").parse().unwrap();
        let owed = owed
            .entry((customer.to_owned(), date[..6].to_owned()))
            .or_default();
        let is_approved = *owed + cents <= 10_000;
        *owed += if is_approved { cents } else { 0 };
        let cds = cds.parse().unwrap();
        (
            customer.to_owned(),
            date.to_owned(),
            cds,
            cents,
            is_approved,
        )
    });
    rows.collect()
}

fn decision(is_approved: bool) -> &'static str {
    if is_approved { "approved" } else { "rejected" }
}

fn dollars(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[test]
fn months_are_those_of_the_listing() {
    let mut months = BTreeMap::<_, (u64, u64, u64)>::new();
    for (_, date, cds, cents, is_approved) in orders() {
        let month = format!("{}-{}", &date[..4], &date[4..6]);
        let of_month = months.entry((month, decision(is_approved))).or_default();
        *of_month = (of_month.0 + 1, of_month.1 + cds, of_month.2 + cents);
    }
    let expected: Vec<_> = months
        .into_iter()
        .map(|((month, decision), (orders, cds, cents))| {
            let [orders, cds] = [orders, cds].map(|count| count.to_string());
            vec![month, decision.to_owned(), orders, cds, dollars(cents)]
        })
        .collect();
    let data = imported();
    let text = printed(data.path(), &["--top", "1"]);
    let (months, _) = text.split_once("\n\n").unwrap();
    assert_eq!(cells(months)[1..], expected);
}

#[test]
fn pages_list_all_customers_once_the_best_first() {
    let mut totals = BTreeMap::<_, (u64, u64)>::new();
    for (customer, _, _, cents, _) in orders().into_iter().filter(|order| order.4) {
        let total = totals.entry(customer).or_default();
        *total = (total.0 + cents, total.1 + 1);
    }
    let mut expected: Vec<_> = totals.into_iter().collect();
    expected.sort_by(|(one, (one_total, _)), (other, (other_total, _))| {
        (other_total, other).cmp(&(one_total, one))
    });
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(customer, (cents, orders))| vec![customer, orders.to_string(), dollars(cents)])
        .collect();

    let data = imported();
    let (mut listed, mut place) = (Vec::new(), None::<String>);
    loop {
        let mut options = vec!["--top", "600"];
        if let Some(place) = &place {
            options.extend(["--after", place]);
        }
        let text = printed(data.path(), &options);
        let (_, best) = text.split_once("\n\n").unwrap();
        assert!(best.starts_with("Best of 2313 customers"), "{best}");
        let page = cells(best).split_off(1);
        listed.extend(page.into_iter().map(|row| {
            let owned = row.into_iter().map(str::to_owned);
            owned.collect::<Vec<_>>()
        }));
        let more = best
            .lines()
            .last()
            .unwrap()
            .strip_prefix("more with --after ");
        match more {
            Some(more) => place = Some(more.to_owned()),
            None => break,
        }
    }
    assert_eq!(listed, expected);
}

#[test]
fn a_customers_history_is_in_the_order_of_the_listing() {
    let data = imported();
    for customer in ["00021", "08496"] {
        let of_customer = orders().into_iter().filter(|order| order.0 == customer);
        let expected: Vec<_> = of_customer
            .enumerate()
            .map(|(index, (_, date, cds, cents, is_approved))| {
                let [number, cds] = [index as u64 + 1, cds].map(|count| count.to_string());
                vec![
                    number,
                    date,
                    cds,
                    dollars(cents),
                    decision(is_approved).to_owned(),
                ]
            })
            .collect();
        let text = printed(data.path(), &["--customer", customer]);
        assert_eq!(cells(&text)[1..], expected);
    }
    let text = printed(data.path(), &["--customer", "3"]);
    assert_eq!(text, "Customer 00003 has no orders.\n");
}

#[test]
fn views_that_are_made_anew_say_the_same_and_show_how_far_they_are() {
    let data = imported();
    let (_, first, built) = report(data.path(), &[]);
    assert!(
        built.ends_with("updating the views: at position 6919 of 6919\n"),
        "{built}"
    );
    let (_, second, silent) = report(data.path(), &[]);
    assert_eq!((second, silent.as_str()), (first.clone(), ""));
    let (code, rebuilt, progress) = report(data.path(), &["--rebuild"]);
    assert_eq!((code, rebuilt), (Some(0), first));
    assert!(
        progress.contains("rebuilding the views: at position"),
        "{progress}"
    );
}

#[test]
fn orders_that_come_later_are_taken_in() {
    let sample = fs::read_to_string(SAMPLE).unwrap();
    let directory = TempDir::new().unwrap();
    let (listing, data) = (
        directory.path().join("part.txt"),
        directory.path().join("data"),
    );
    let rows: Vec<_> = sample.split_inclusive('\n').collect();
    for end in [1_000, rows.len()] {
        fs::write(&listing, rows[..end].concat()).unwrap();
        let (code, _, errors) = run(support::shop(&listing).arg("--data").arg(&data));
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        printed(&data, &[]);
    }
    assert_eq!(printed(&data, &[]), printed(imported().path(), &[]));
}

#[test]
fn the_drawing_has_two_bars_for_each_month() {
    let data = imported();
    let file: PathBuf = data.path().join("dollars.svg");
    printed(data.path(), &["--plot", file.to_str().unwrap()]);
    let svg = fs::read_to_string(&file).unwrap();
    assert!(svg.starts_with("<svg "), "{svg}");
    assert!(svg.trim_end().ends_with("</svg>"));
    for name in ["1997-01", "1998-06", "approved", "rejected", "dollars"] {
        assert!(svg.contains(name), "{name}");
    }
    // Eighteen months, and the legend.
    for color in ["#2F7D4F", "#C44E3A"] {
        assert_eq!(svg.matches(color).count(), 18 + 1, "{color}");
    }
    let nowhere = data.path().join("missing").join("dollars.svg");
    let (code, _, error) = report(data.path(), &["--plot", nowhere.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(error.contains("could not be written"), "{error}");
}

#[test]
fn what_cannot_be_reported_is_said() {
    let nothing = TempDir::new().unwrap();
    let missing = nothing.path().join("missing");
    let (code, text, error) = report(&missing, &[]);
    assert_eq!((code, text.as_str()), (Some(1), ""));
    assert!(error.contains("import some with `shop --data"), "{error}");
    assert!(!missing.exists());

    let data = imported();
    let (code, _, error) = report(data.path(), &["--after", "abc"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("not a cursor"), "{error}");
}
