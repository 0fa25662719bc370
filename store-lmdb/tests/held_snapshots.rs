//! Snapshots, backups and reads that are held while the map is full: nobody waits for ever, and who only reads does not wait.
#![allow(clippy::unwrap_used)]

mod common;

use common::{append, event, payloads, read_log, read_stream};
use midgard::store::{EmbeddedStore, EntryWrite};
use midgard::{AppendError, ReadStream, Store, block_on};
use midgard_store_lmdb::{BackupError, Durability, LmdbStore};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Longer than a write waits for what is held.
const LONG: Duration = Duration::from_secs(20);

fn open_small(directory: &Path) -> LmdbStore {
    let store = LmdbStore::options()
        .initial_map_size(1 << 20)
        .durability(Durability::NoSync)
        .open(directory)
        .unwrap();
    append(&store, "first", vec![event("kept")]).unwrap();
    block_on(store.write_entries(EntryWrite::new().put(b"key", b"value"))).unwrap();
    store
}

/// Appends until the map is full; it never is when it can grow.
fn fill(store: &LmdbStore) -> AppendError {
    (0..100)
        .find_map(|_| append(store, "large", vec![event("x".repeat(50_000))]).err())
        .unwrap()
}

#[track_caller]
fn assert_says(error: &impl ToString, words: &str) {
    let error = error.to_string();
    assert!(
        error.contains(words) && error.contains("nothing was done"),
        "{error}"
    );
}

/// Fails when something never ends, rather than to never end as well.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, is_done) = mpsc::channel();
    let worker = thread::spawn(move || done.send(work()).unwrap());
    match is_done.recv_timeout(LONG) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it never ends"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(worker.join().unwrap_err())
        }
    }
}

#[test]
fn who_holds_a_snapshot_and_fills_the_map_is_told_so_and_others_read_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    in_time(move || {
        let snapshot = store.snapshot().unwrap();
        let error = thread::scope(|scope| {
            let error = scope.spawn(|| fill(&store));
            while !error.is_finished() {
                assert_eq!(payloads(&read_stream(&store, "first").unwrap()), ["kept"]);
            }
            error.join().unwrap()
        });
        assert_says(&error, "1 entry snapshots or backups are held");
        assert_eq!(snapshot.get(b"key").unwrap(), Some(&b"value"[..]));
        let log = read_log(&store).unwrap().len();
        drop(snapshot);
        append(&store, "large", vec![event("x".repeat(500_000))]).unwrap();
        assert_eq!(read_log(&store).unwrap().len(), log + 1);
    });
}

#[test]
fn an_append_in_the_middle_of_a_read_is_told_that_the_map_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    in_time(move || {
        let mut error = None;
        let read = ReadStream::forward(common::stream("first"));
        block_on(store.read_stream(&read, &mut |_| {
            error = Some(fill(&store));
            // Another read within the read.
            assert_eq!(payloads(&read_stream(&store, "first").unwrap()), ["kept"]);
            ControlFlow::Break(())
        }))
        .unwrap();
        assert_says(&error.unwrap(), "a read takes very long");
        append(&store, "large", vec![event("x".repeat(500_000))]).unwrap();
    });
}

#[test]
fn an_append_waits_for_a_snapshot_that_is_dropped_soon() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    in_time(move || {
        let snapshot = store.snapshot().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..40 {
                    append(&store, "large", vec![event("x".repeat(50_000))]).unwrap();
                }
            });
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(300));
                drop(snapshot);
            });
        });
        assert_eq!(read_stream(&store, "large").unwrap().len(), 40);
    });
}

#[test]
fn a_backup_that_is_stopped_or_through_is_held_no_longer() {
    let directory = tempfile::tempdir().unwrap();
    let target = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    let path = target.path().to_owned();
    in_time(move || {
        let mut error = None;
        let stopped = store.backup().to(path.join("stopped"), |_| {
            error.get_or_insert_with(|| fill(&store));
            ControlFlow::Break(())
        });
        assert!(matches!(stopped, Err(BackupError::Stopped { .. })));
        assert_says(&error.unwrap(), "1 entry snapshots or backups are held");
        append(&store, "large", vec![event("x".repeat(500_000))]).unwrap();
        store
            .backup()
            .to(path.join("whole"), |_| ControlFlow::Continue(()))
            .unwrap();
        append(&store, "large", vec![event("x".repeat(5_000_000))]).unwrap();
    });
}
