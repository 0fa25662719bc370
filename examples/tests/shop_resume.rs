//! The shop on disk: killed at any moment and run again, it ends with the same report.

mod support;

use midgard::{DynStore, LogId, Position, Store};
use midgard_examples::open::open;
use midgard_examples::shop::report::Report;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{SAMPLE, SAMPLE_REPORT, expected_report, run};
use tempfile::TempDir;

/// The orders of the sample: each is one event.
const ORDERS: u64 = 6919;

fn shop(listing: impl AsRef<Path>, data: &Path) -> Command {
    let mut shop = support::shop(listing);
    shop.arg("--data").arg(data);
    shop
}

fn events(store: &DynStore) -> u64 {
    let last = midgard::block_on(store.last_position(LogId::MAIN));
    last.map(Position::get).expect("the store can be read")
}

fn store(data: &Path) -> DynStore {
    midgard::block_on(open(None, data)).expect("the store opens")
}

/// Kills a run once the store has so many events; `false` when it ended by itself before.
fn kill_at(target: u64, mut shop: Child, store: &DynStore) -> bool {
    while events(store) < target {
        if shop.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    shop.kill().unwrap();
    !shop.wait().unwrap().success()
}

#[test]
fn a_second_run_adds_no_event() {
    let data = TempDir::new().unwrap();
    for _ in 0..2 {
        let (code, report, errors) = run(&mut shop(SAMPLE, data.path()));
        assert_eq!(
            (code, report.as_str(), errors.as_str()),
            (Some(0), SAMPLE_REPORT, "")
        );
        assert_eq!(events(&store(data.path())), ORDERS);
    }
}

#[test]
fn a_run_that_was_killed_goes_on_and_ends_with_the_same_report() {
    let data = TempDir::new().unwrap();
    let store = store(data.path());
    let mut killed = 0;
    for target in [1, 2, 300, 1000, 1700, 2500, 4000, 5500, 6500, 6900] {
        let running = shop(SAMPLE, data.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let before = events(&store);
        killed += u32::from(kill_at(target, running, &store));
        let left = events(&store);
        assert!(before <= left, "{before} events became {left}");
        // What is there can be read, whole: nothing twice, nothing half.
        let report = midgard::block_on(Report::of(&store)).unwrap();
        assert_eq!(report.approved.orders + report.rejected.orders, left);
    }
    assert!(killed > 0, "every run ended before it could be killed");

    // Run to the end, and a last time: nothing is left to do.
    for _ in 0..2 {
        let (code, report, _) = run(&mut shop(SAMPLE, data.path()));
        assert_eq!((code, report.as_str()), (Some(0), SAMPLE_REPORT));
        assert_eq!(events(&store), ORDERS);
    }
}

#[test]
fn a_listing_is_put_right_and_read_again() {
    let data = TempDir::new().unwrap();
    let sample = fs::read_to_string(SAMPLE).unwrap();
    let mut rows: Vec<_> = sample.lines().collect();
    let listing = data.path().join("listing.txt");
    let events_in = data.path().join("events");

    let right = std::mem::replace(&mut rows[500], "00004 19970101 1");
    fs::write(&listing, rows.join("\n")).unwrap();
    let (code, report, errors) = run(&mut shop(&listing, &events_in));
    assert_eq!((code, report.as_str()), (Some(2), ""));
    let place = format!("{}:501: expected ", listing.display());
    assert!(errors.starts_with(&place), "{errors}");
    assert_eq!(events(&store(&events_in)), 500);

    rows[500] = right;
    fs::write(&listing, rows.join("\n")).unwrap();
    let (code, report, _) = run(&mut shop(&listing, &events_in));
    assert_eq!((code, report.as_str()), (Some(0), SAMPLE_REPORT));
}

#[test]
fn a_listing_that_grew_is_read_on() {
    let data = TempDir::new().unwrap();
    let sample = fs::read_to_string(SAMPLE).unwrap();
    let rows: Vec<_> = sample.lines().collect();
    let listing = data.path().join("listing.txt");
    for count in [0, 1, 2000, rows.len()] {
        let so_far = rows[..count].join("\n");
        fs::write(&listing, &so_far).unwrap();
        let (code, report, _) = run(&mut shop(&listing, &data.path().join("events")));
        assert_eq!((code, report), (Some(0), expected_report(&so_far, 10_000)));
    }
}
