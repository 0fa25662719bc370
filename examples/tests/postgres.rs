//! The shop with its events in PostgreSQL, and its views on this disk.

mod support;

use midgard_test_servers::shared_postgres;
use support::{SAMPLE, SAMPLE_REPORT, run};
use tempfile::TempDir;

#[test]
fn the_shop_in_postgresql_ends_with_the_same_report_and_a_second_run_adds_nothing() {
    let Some(server) = shared_postgres("the shop in PostgreSQL") else {
        return;
    };
    let address = server.create_database("shop").unwrap();
    for _ in 0..2 {
        let mut shop = support::shop(SAMPLE);
        let (code, report, errors) = run(shop.args(["--store", &address]));
        assert_eq!(
            (code, report.as_str(), errors.as_str()),
            (Some(0), SAMPLE_REPORT, "")
        );
    }
    let events = server.query("shop", "SELECT count(*) FROM midgard.events");
    assert_eq!(events.unwrap().trim(), "6919");

    let views = TempDir::new().unwrap();
    let mut report = support::shop("report");
    report.args(["--top", "1", "--store", &address, "--data"]);
    let (code, lines, errors) = run(report.arg(views.path()));
    assert_eq!(code, Some(0), "{errors}");
    assert!(lines.contains("│ 20111          29   1100.61 │"), "{lines}");
}

#[test]
fn an_address_that_nobody_answers_at_is_an_error_without_the_password() {
    let mut shop = support::shop(SAMPLE);
    let address = "postgres://jun:geheim@127.0.0.1:1/shop";
    let (code, _, errors) = run(shop.args(["--store", address]));
    assert_eq!(code, Some(1));
    assert!(errors.contains("127.0.0.1:1"), "{errors}");
    assert!(!errors.contains("geheim"), "{errors}");
}
