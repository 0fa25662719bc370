//! A store with runs of the index, as the first release with that has written them: later ones read them right.
//!
//! `fixtures/format-2-tags/data.mdb` was written by `child_writes_the_fixture`, and is never written again. When the format of
//! runs changes, run that test with `MIDGARD_TEST_CHILD` set to a new directory. That the fixture is queried right is a test
//! beside those of stores without the index.

use super::*;
use crate::common::child_directory;
use midgard::Version;
use std::ops::Range;

/// A checksum and the position up to which the log is merged.
const MANIFEST_HEAD: usize = 4 + 8;
/// How long a run in the manifest is, and where in it its level is, how far it was written, and the number of its blocks.
const RUN: usize = 65;
const LEVEL: usize = 8;
const UNTIL: Range<usize> = 25..41;
const BLOCKS: Range<usize> = 41..49;

#[derive(Debug)]
#[expect(dead_code, reason = "the level is printed")]
struct Run {
    level: u8,
    is_complete: bool,
    blocks: u64,
}

/// The runs there are, the newest first.
fn runs(directory: &Path) -> Vec<Run> {
    let mut runs = Vec::new();
    change_index(directory, |transaction, about, _| {
        let manifest = about.get(transaction, "tags").unwrap();
        let all = manifest.map_or(&[][..], |manifest| &manifest[MANIFEST_HEAD..]);
        runs.extend(all.chunks_exact(RUN).map(|run| Run {
            level: run[LEVEL],
            is_complete: run[UNTIL] == [0xff; 16],
            blocks: u64::from_le_bytes(run[BLOCKS].try_into().unwrap()),
        }));
    });
    runs
}

/// Whether there are four runs, and a part of the one that is made of them.
fn is_half_made(runs: &[Run]) -> bool {
    runs.len() > 4 && runs.iter().any(|run| !run.is_complete && run.blocks > 0)
}

/// Not a test of its own: appends, and removes most of it again, so that the file is small, until four runs are merged by half.
#[test]
fn child_writes_the_fixture() {
    let Some(directory) = child_directory() else {
        return;
    };
    let whole = tempfile::tempdir().unwrap();
    let store = open(whole.path());
    for number in 0.. {
        let name = stream(&format!("stream-{number}"));
        let events = (0..500).map(|index| {
            let mut one = event("{}");
            one.name = format!("name-{}", index % 3).into();
            match index % 25 {
                0 => one.with_tag("once", &format!("{number}-{index}")),
                tag if tag % 2 == 0 => one.with_tag("kind", &(index % 4).to_string()),
                _ => one,
            }
        });
        let append = Append::to(name.clone(), ExpectedVersion::Any, events);
        block_on(store.append(append)).unwrap();
        block_on(store.truncate(&name, Version(497), ExpectedVersion::Any)).unwrap();
        // Not before there are four runs to be merged.
        if number < 4 * 32_768 / 500 {
            continue;
        }
        let copy = Path::new(&directory).join(number.to_string());
        store
            .backup()
            .compacting()
            .to(&copy, |_| ControlFlow::Continue(()))
            .unwrap();
        let runs = runs(&copy);
        println!("{number}: {runs:?}");
        if is_half_made(&runs) {
            return;
        }
    }
}

#[test]
fn the_fixture_has_complete_runs_and_one_that_is_half_made() {
    let directory = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let fixture = fixtures.join("format-2-tags/data.mdb");
    std::fs::copy(fixture, directory.path().join("data.mdb")).unwrap();
    let runs = runs(directory.path());
    assert!(is_half_made(&runs), "{runs:?}");
}
