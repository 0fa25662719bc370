//! The program: two processes and a broker, killed at random.

use crate::expected::expected_report;
use crate::running::run;
use crate::services::{LIMIT, listing};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

struct Place(TempDir);

impl Place {
    /// A directory with a listing.
    fn new() -> Self {
        let place = Place(TempDir::new().unwrap());
        fs::write(place.listing(), listing()).unwrap();
        place
    }

    fn listing(&self) -> std::path::PathBuf {
        self.0.path().join("listing.txt")
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs the program until all orders are decided, and looks at its lines.
    fn run(&self, arguments: &[&str]) {
        let mut credit = Command::new(env!("CARGO_BIN_EXE_credit"));
        credit.arg(self.listing()).args(arguments);
        credit.arg("--data").arg(self.path().join("data"));
        let (code, lines, errors) = run(&mut credit);
        let expected = expected_report(&listing(), LIMIT.0);
        assert_eq!(
            (code, lines),
            (Some(0), expected),
            "{arguments:?}: {errors}"
        );
    }
}

#[test]
fn in_one_process_and_again_on_the_same_data() {
    let place = Place::new();
    place.run(&[]);
    place.run(&[]);
}

#[test]
fn each_service_has_the_store_of_its_name_at_an_address() {
    let place = Place::new();
    let stores = place.path().join("stores");
    fs::create_dir(&stores).unwrap();
    place.run(&[
        "--chaos",
        "--store",
        &format!("lmdb:{}/{{service}}", stores.display()),
    ]);
    for service in ["customers", "orders"] {
        assert!(stores.join(service).is_dir(), "{service}");
    }
    assert!(!place.path().join("data").exists());
}

#[test]
fn two_services_at_one_address_are_refused() {
    let mut credit = Command::new(env!("CARGO_BIN_EXE_credit"));
    let (code, _, errors) = run(credit.args(["--store", "memory:"]));
    assert_eq!(code, Some(2), "{errors}");
    assert!(
        errors.contains("the services have a store each: write {service}"),
        "{errors}"
    );
}

#[test]
fn killed_at_random_in_one_process() {
    Place::new().run(&["--chaos"]);
}

#[test]
fn over_nats_with_both_services_and_the_server_killed_at_random() {
    if midgard_test_servers::nats("credit over nats").is_some() {
        let place = Place::new();
        place.run(&["--bus", "nats", "--chaos"]);
        // A server that begins empty is told everything anew, and nothing changes.
        place.run(&["--bus", "nats"]);
    }
}

#[test]
fn over_rabbitmq_with_both_services_and_the_broker_killed_at_random() {
    if midgard_test_servers::has_rabbitmq("credit over rabbitmq") {
        let place = Place::new();
        place.run(&["--bus", "rabbitmq", "--chaos"]);
        place.run(&["--bus", "rabbitmq"]);
    }
}

#[test]
fn a_malformed_row_is_named_and_what_comes_before_it_is_placed() {
    let place = Place::new();
    let mut text = fs::read(place.listing()).unwrap();
    text.extend_from_slice(b"00004 19970101 x 29.33\n");
    fs::write(place.listing(), text).unwrap();
    let mut credit = Command::new(env!("CARGO_BIN_EXE_credit"));
    credit.arg(place.listing());
    credit.arg("--data").arg(place.path().join("data"));
    let (code, lines, errors) = run(&mut credit);
    assert_eq!((code, lines.as_str()), (Some(2), ""));
    assert!(
        errors.contains("expected a number of CDs, 1 or more, found \"x\""),
        "{errors}"
    );
}
