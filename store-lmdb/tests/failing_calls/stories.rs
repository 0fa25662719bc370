//! What a program meets after a failure, step by step.

use crate::common::{
    assert_sound, child_directory, event, payloads, read_log, read_stream, stream, verify,
};
use crate::disk::{Bench, Disk, fail, fail_no_more};
use midgard::event::NewEvent;
use midgard::store::{Append, AppendError, Appended, ExpectedVersion, StoreError};
use midgard::store::{EmbeddedStore, EntryWrite};
use midgard::{Store, block_on};
use midgard_store_lmdb::LmdbStore;
use std::fs;
use std::path::Path;

/// `None` in a child, and where there is no compiler.
fn bench() -> Option<Bench> {
    match child_directory() {
        None => Bench::new(),
        Some(_) => None,
    }
}

/// Runs a child on a disk that does what it is to do before it fails, and gives the payloads that are there when the power was cut.
fn payloads_on(disk: &Disk<'_>, child: &str, seed: u64) -> Vec<String> {
    let mut process = disk.start(
        child,
        &[("FAULT_LATE", 1), ("FAULT_ERROR", 5), ("FAULT_SEED", seed)],
    );
    process.next("done");
    process.end();
    let store = LmdbStore::open(disk.after_the_power_cut()).unwrap();
    assert_sound(&verify(&store));
    payloads(&read_log(&store).unwrap()).split_off(1)
}

/// In the child: says that it is done, and cuts the power while the store is open.
fn done() -> ! {
    println!("done");
    std::process::exit(0)
}

fn put(store: &LmdbStore, event: &NewEvent) -> Result<Appended, AppendError> {
    block_on(store.append(Append::to(
        stream("a"),
        ExpectedVersion::Any,
        [event.clone()],
    )))
}

fn is_unknown(outcome: &Result<Appended, AppendError>) -> bool {
    matches!(
        outcome,
        Err(AppendError::Store(StoreError::OutcomeUnknown { .. }))
    )
}

#[track_caller]
fn assert_says(outcome: Result<impl Sized, impl ToString>, words: &[&str]) {
    let error = outcome.err().unwrap().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

#[test]
fn child_cannot_undo_what_a_commit_left() {
    let Some(directory) = child_directory() else {
        return;
    };
    let directory = Path::new(&directory);
    let store = LmdbStore::open(directory).unwrap();
    put(&store, &event("1")).unwrap();
    fail(directory, "f");
    let second = event("2");
    assert!(is_unknown(&put(&store, &second)));
    fail_no_more(directory);
    for _ in 0..2 {
        assert_says(
            put(&store, &second),
            &[
                "could not be undone",
                "drop the store's handles",
                "open it again",
            ],
        );
        assert_eq!(payloads(&read_stream(&store, "a").unwrap()), ["1"]);
    }
    drop(store);
    let store = LmdbStore::open(directory).unwrap();
    // What could not be done before is done before the next write, and meets this.
    fail(directory, "f1");
    put(&store, &second).unwrap();
    done();
}

#[test]
fn where_a_commit_cannot_be_undone_nothing_is_written_before_the_store_is_opened_anew() {
    let Some(bench) = bench() else { return };
    let payloads = payloads_on(
        &bench.disk(),
        "stories::child_cannot_undo_what_a_commit_left",
        1,
    );
    assert_eq!(payloads, ["1", "2"]);
}

#[test]
fn child_goes_on_beside_a_snapshot() {
    let Some(directory) = child_directory() else {
        return;
    };
    let directory = Path::new(&directory);
    let store = LmdbStore::open(directory).unwrap();
    block_on(store.write_entries(EntryWrite::new().put(b"key", b"1"))).unwrap();
    let snapshot = store.snapshot().unwrap();
    // LMDB can go on after this.
    fail(directory, "f1");
    let first = put(&store, &event("1"));
    assert!(first.is_err() && !is_unknown(&first), "{first:?}");
    put(&store, &event("2")).unwrap();
    // And cannot after this.
    fail(directory, "m1");
    let third = event("3");
    assert!(is_unknown(&put(&store, &third)));
    assert_says(
        put(&store, &third),
        &["1 entry snapshots or backups", "wait for them to end"],
    );
    assert_says(
        read_stream(&store, "a"),
        &["1 entry snapshots or backups", "wait for them to end"],
    );
    assert_eq!(snapshot.get(b"key").unwrap(), Some(&b"1"[..]));
    drop(snapshot);
    assert_eq!(payloads(&read_stream(&store, "a").unwrap()), ["2"]);
    put(&store, &third).unwrap();
    done();
}

#[test]
fn a_store_goes_on_beside_a_snapshot_where_lmdb_can_and_says_why_it_waits_where_it_cannot() {
    let Some(bench) = bench() else { return };
    let payloads = payloads_on(&bench.disk(), "stories::child_goes_on_beside_a_snapshot", 1);
    assert_eq!(payloads, ["2", "3"]);
}

#[test]
fn child_appends_again_what_is_there() {
    let Some(directory) = child_directory() else {
        return;
    };
    let directory = Path::new(&directory);
    let store = LmdbStore::open(directory).unwrap();
    let first = event("1");
    let acknowledged = put(&store, &first).unwrap();
    let conflict = || {
        let append = Append::to(stream("a"), ExpectedVersion::NoStream, [event("2")]);
        block_on(store.append(append)).unwrap_err();
    };
    let commits = |work: &dyn Fn()| {
        let before = last_transaction(directory);
        work();
        last_transaction(directory) - before
    };
    let again = || assert_eq!(put(&store, &first).unwrap(), acknowledged);
    assert_eq!((commits(&again), commits(&conflict)), (0, 0));
    for work in [&again as &dyn Fn(), &conflict] {
        fail(directory, "f1");
        put(&store, &event("3")).unwrap_err();
        assert_eq!((commits(work), commits(work)), (1, 0));
    }
    done();
}

/// The number of the last transaction, from the meta pages.
fn last_transaction(directory: &Path) -> u64 {
    let bytes = fs::read(directory.join("data.mdb")).unwrap();
    let number = |page: usize| {
        let at = page * 4096 + 144;
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    };
    number(0).max(number(1))
}

#[test]
fn after_a_failure_what_is_there_already_is_flushed_before_it_is_acknowledged_again() {
    let Some(bench) = bench() else { return };
    let payloads = payloads_on(
        &bench.disk(),
        "stories::child_appends_again_what_is_there",
        1,
    );
    assert_eq!(payloads, ["1"]);
}

#[test]
fn child_cannot_take_a_meta_page_back() {
    let Some(directory) = child_directory() else {
        return;
    };
    let directory = Path::new(&directory);
    let store = LmdbStore::open(directory).unwrap();
    put(&store, &event("1")).unwrap();
    let second = event("2");
    fail(directory, "M");
    let outcome = put(&store, &second);
    if !is_unknown(&outcome) {
        outcome.unwrap_err();
        done();
    }
    put(&store, &second).unwrap();
    put(&store, &event("3")).unwrap();
    done();
}

#[test]
fn a_meta_page_that_lmdb_could_not_take_back_is_taken_for_what_it_is() {
    let Some(bench) = bench() else { return };
    let child = "stories::child_cannot_take_a_meta_page_back";
    for seed in 1..=4 {
        // LMDB looks for the last transaction in the meta pages.
        assert_eq!(payloads_on(&bench.disk(), child, seed), ["1", "2", "3"]);
        // LMDB asks the other process, which knows nothing of it.
        let disk = bench.disk();
        let _open = LmdbStore::open(disk.directory()).unwrap();
        assert_eq!(payloads_on(&disk, child, seed), ["1"]);
    }
}
