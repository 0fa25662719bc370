//! The shop as a program: its report, its listings, its errors.

mod support;

use midgard::{MemoryStore, Repository};
use midgard_examples::shop::generate;
use midgard_examples::shop::import::{ImportError, import};
use midgard_examples::shop::listing::{ListingError, Rows};
use midgard_examples::shop::report::Report;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use support::{SAMPLE, SAMPLE_REPORT, expected_report, run};
use tempfile::TempDir;

/// The limit that is used without another, in cents.
const LIMIT: u64 = 10_000;

/// A listing in a file of its own.
struct Listing {
    directory: TempDir,
}

impl Listing {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let listing = Listing {
            directory: TempDir::new().unwrap(),
        };
        fs::write(listing.path(), text).unwrap();
        listing
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("listing.txt")
    }

    fn shop(&self) -> Command {
        let mut shop = support::shop(self.path());
        shop.args(["--store", "memory:"]);
        shop
    }

    /// The report, of a run that should go well.
    fn report(&self) -> String {
        let (code, report, errors) = run(&mut self.shop());
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        report
    }
}

#[test]
fn the_sample_is_what_is_read_without_a_file() {
    let mut shop = Command::new(env!("CARGO_BIN_EXE_shop"));
    let (code, report, errors) = run(shop.args(["--store", "memory:"]));
    assert_eq!(
        (code, report.as_str(), errors.as_str()),
        (Some(0), SAMPLE_REPORT, "")
    );
    let sample = fs::read_to_string(SAMPLE).unwrap();
    assert_eq!(expected_report(&sample, LIMIT), SAMPLE_REPORT);
}

#[test]
fn another_limit_approves_other_orders() {
    let sample = fs::read_to_string(SAMPLE).unwrap();
    for (limit, cents) in [("0.00", 0), ("29.33", 2_933), ("250", 25_000)] {
        let mut shop = support::shop(SAMPLE);
        let (code, report, _) = run(shop.args(["--store", "memory:", "--credit-limit", limit]));
        assert_eq!((code, report), (Some(0), expected_report(&sample, cents)));
    }
}

#[test]
fn the_full_listing_has_a_header_four_columns_and_crlf() {
    let sample = fs::read_to_string(SAMPLE).unwrap();
    let mut full = "customer  date  CDs  dollars\r\n\r\n".to_owned();
    for row in sample.lines() {
        let columns: Vec<_> = row.split_whitespace().collect();
        let [customer, _, date, cds, dollars] = columns[..] else {
            panic!("no row of the sample: {row}");
        };
        full += &format!("{customer} {date} {cds} {dollars}\r\n");
        if customer == "00111" {
            full += " \r\n";
        }
    }
    assert_eq!(Listing::new(full).report(), SAMPLE_REPORT);
}

#[test]
fn a_listing_ten_times_as_large_is_decided_alike() {
    let mut listing = Vec::new();
    generate::listing(23_570, &mut listing).unwrap();
    let text = String::from_utf8(listing).unwrap();
    assert!(text.lines().count() > 69_000);
    assert_eq!(Listing::new(&text).report(), expected_report(&text, LIMIT));
}

#[test]
fn customers_whose_rows_are_far_apart_keep_their_order() {
    // By date instead of by customer; a stable sort leaves each customer's rows in order.
    let sample = fs::read_to_string(SAMPLE).unwrap();
    let mut rows: Vec<_> = sample.lines().collect();
    rows.sort_by_key(|row| row.split_whitespace().nth(2).map(str::to_owned));
    assert_eq!(Listing::new(rows.join("\n")).report(), SAMPLE_REPORT);
}

#[test]
fn one_customer_with_many_rows_is_served_in_order() {
    let row = |n: u32| format!("00001 199701{:02} 1 {}.50\n", n / 200 + 1, n % 97);
    let listing: String = (0..5000).map(row).collect();
    assert_eq!(
        Listing::new(&listing).report(),
        expected_report(&listing, LIMIT)
    );
}

#[test]
fn equal_rows_are_separate_orders() {
    let listing = Listing::new("00001 19970101 1 40.00\n".repeat(3));
    let expected = "customers 1\norders 3\napproved 2 80.00\nrejected 1 40.00\ncds 3\n";
    assert_eq!(listing.report(), expected);
}

#[test]
fn an_empty_listing_has_an_empty_report() {
    let expected = "customers 0\norders 0\napproved 0 0.00\nrejected 0 0.00\ncds 0\n";
    assert_eq!(Listing::new("").report(), expected);
    assert_eq!(
        Listing::new("customer date cds dollars\r\n\r\n").report(),
        expected
    );
}

#[test]
fn a_malformed_row_ends_the_run_with_file_line_and_what_was_expected() {
    for (row, expected) in [
        (
            "00002 19970101 1",
            r#"expected 4 or 5 columns (customer, [number in the sample], date, CDs, dollars), found "00002 19970101 1""#,
        ),
        (
            "00002 19970230 1 5.00",
            r#"expected a date YYYYMMDD that exists, found "19970230""#,
        ),
        (
            "00002 19970101 one 5.00",
            r#"expected a number of CDs, 1 or more, found "one""#,
        ),
        (
            "00002 19970101 1 5,00",
            r#"expected dollars and cents such as 29.33, found "5,00""#,
        ),
    ] {
        let listing = Listing::new(format!(
            "customer date cds dollars\r\n00001 19970101 1 40.00\r\n\r\n{row}\r\n00003 19970101 1 1.00\r\n"
        ));
        let message = format!("{}:4: {expected}\n", listing.path().display());
        assert_eq!(run(&mut listing.shop()), (Some(2), String::new(), message));
    }
}

#[test]
fn the_rows_before_a_malformed_one_are_kept() {
    let sample = fs::read_to_string(SAMPLE).unwrap();
    let good: Vec<_> = sample.lines().take(1000).collect();
    let listing = format!("{}\n00004 19970101 1\n{sample}", good.join("\n"));

    midgard::block_on(async {
        let customers = Repository::new(MemoryStore::new());
        let rows = Rows::new(listing.as_bytes(), "listing");
        let limit = "100.00".parse().unwrap();
        let mut placed = 0;
        let ended = import(&customers, rows, limit, || placed += 1).await;
        assert!(matches!(
            ended,
            Err(ImportError::Row(ListingError::Malformed { line: 1001, .. }))
        ));
        assert_eq!(placed, 1000);
        let report = Report::of(customers.store()).await.unwrap();
        assert_eq!(
            format!("{report}\n"),
            expected_report(&good.join("\n"), LIMIT)
        );
    });
}

#[test]
fn an_import_goes_on_where_another_ended_and_a_third_adds_nothing() {
    let sample = fs::read_to_string(SAMPLE).unwrap();
    let half: Vec<_> = sample.lines().take(3456).collect();
    let half = half.join("\n");

    midgard::block_on(async {
        let customers = Repository::new(MemoryStore::new());
        let limit = "100.00".parse().unwrap();
        for listing in [&half, &sample, &sample] {
            let rows = Rows::new(listing.as_bytes(), "listing");
            import(&customers, rows, limit, || {}).await.unwrap();
            let report = Report::of(customers.store()).await.unwrap();
            assert_eq!(format!("{report}\n"), expected_report(listing, LIMIT));
        }
    });
}

#[test]
fn another_listing_on_the_same_events_is_refused() {
    midgard::block_on(async {
        let customers = Repository::new(MemoryStore::new());
        let limit = "100.00".parse().unwrap();
        let listing = |text: &'static str| Rows::new(text.as_bytes(), "listing");
        import(&customers, listing("7 19970101 1 1.00\n"), limit, || {})
            .await
            .unwrap();
        let ended = import(&customers, listing("7 19970101 2 1.00\n"), limit, || {}).await;
        assert_eq!(
            ended.unwrap_err().to_string(),
            "order 1 of customer 00007: the command was rejected: order 1 is known as 1 CDs for 1.00 \
             on 19970101, not 2 for 1.00 on 19970101; the store was filled from another listing"
        );
    });
}

#[test]
fn a_file_that_is_not_there_is_a_failure_of_another_kind() {
    let mut shop = support::shop("no/such/listing.txt");
    let (code, report, errors) = run(shop.args(["--store", "memory:"]));
    assert_eq!((code, report.as_str()), (Some(1), ""));
    assert!(errors.starts_with("no/such/listing.txt could not be opened: "));
}
