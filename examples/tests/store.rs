//! The program that looks after stores, on a store that the shop has made.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use support::{SAMPLE, run};
use tempfile::TempDir;

fn store(arguments: &[&Path]) -> (Option<i32>, String, String) {
    run(Command::new(env!("CARGO_BIN_EXE_store")).args(arguments))
}

/// The rows of what was printed, cell by cell, where no cell has two spaces in it.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|row| {
            let cells = row.split("  ").map(str::trim);
            cells.filter(|cell| !cell.is_empty()).collect()
        })
        .collect()
}

#[test]
fn a_store_is_counted_verified_and_backed_up() {
    let parent = TempDir::new().unwrap();
    let (data, copy) = (parent.path().join("data"), parent.path().join("copy"));
    let sample = fs::read_to_string(SAMPLE).unwrap();
    let listing = parent.path().join("listing.txt");
    let some: Vec<_> = sample.lines().take(500).collect();
    fs::write(&listing, some.join("\n")).unwrap();
    let (code, report, errors) = run(support::shop(&listing).arg("--data").arg(&data));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let printed = |name: &str| {
        let line = report.lines().find(|line| line.starts_with(name)).unwrap();
        line.split(' ').nth(1).unwrap().to_owned()
    };

    let (code, counted, _) = store(&["statistics".as_ref(), &data]);
    assert_eq!(code, Some(0));
    let counted = rows(&counted);
    assert!(
        counted.contains(&vec!["streams", &printed("customers")]),
        "{counted:?}"
    );
    assert!(
        counted.contains(&vec!["damaged records", "0"]),
        "{counted:?}"
    );
    let approved = counted
        .iter()
        .find(|row| row.first() == Some(&"order.approved"));
    assert_eq!(approved.unwrap()[1], printed("approved"), "{counted:?}");

    let (code, made, errors) = store(&["backup".as_ref(), "--compacting".as_ref(), &data, &copy]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("copying: 100%"), "{errors}");
    assert!(made.contains(" bytes in "), "{made}");
    let (code, _, errors) = store(&["backup".as_ref(), &data, &copy]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("is not empty"), "{errors}");

    let (code, found, _) = store(&["verify".as_ref(), &copy]);
    assert_eq!(code, Some(0));
    assert!(
        found.ends_with("and all are as they were written\n"),
        "{found}"
    );
    let file = copy.join("data.mdb");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(14).position(|name| name == b"order.approved");
    bytes[at.unwrap()] = b'O';
    fs::write(&file, bytes).unwrap();
    let (code, found, _) = store(&["verify".as_ref(), &copy]);
    assert_eq!(code, Some(1));
    assert!(
        found.contains("the checksum of its header does not match"),
        "{found}"
    );

    let (code, _, errors) = store(&["verify".as_ref(), &parent.path().join("none")]);
    assert_eq!(code, Some(2));
    assert!(
        errors.ends_with("has no store; name its directory\n"),
        "{errors}"
    );
}
