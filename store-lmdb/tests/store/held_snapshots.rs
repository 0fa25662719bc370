//! Snapshots, backups and reads that are held while the map is full: nobody waits for ever, and who only reads does not wait.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::process::{LONG, Process};
use crate::common::{append, child_directory, event, payloads, read_log, read_stream, stream};
use futures_util::FutureExt as _;
use futures_util::future::join;
use midgard::store::{Append, AppendError, ExpectedVersion, ReadStream};
use midgard::store::{EmbeddedStore, EntryWrite};
use midgard::{LogId, Store, block_on};
use midgard_store_lmdb::{BackupError, Durability, LmdbStore};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

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
        let read = ReadStream::forward(stream("first"));
        block_on(store.read_stream(&read, &mut |_| {
            error = Some(fill(&store));
            // Another read within the read.
            assert_eq!(payloads(&read_stream(&store, "first").unwrap()), ["kept"]);
            ControlFlow::Break(())
        }))
        .unwrap();
        assert_says(&error.unwrap(), "a read is taking very long");
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

/// Not a test of its own: the process that makes the file larger than the map of the other.
#[test]
fn child_makes_the_file_large() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory)
        .unwrap();
    append(&store, "large", vec![event("x".repeat(5_000_000))]).unwrap();
    println!("done");
}

#[test]
fn a_read_waits_without_its_thread_for_a_snapshot_that_the_same_thread_drops() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    let snapshot = store.snapshot().unwrap();
    let mut child = Process::start(
        "held_snapshots::child_makes_the_file_large",
        directory.path(),
        &[],
    );
    child.next("done");
    assert!(child.end().success());
    in_time(move || {
        let read = async {
            let mut visit = |_: midgard::event::RecordedEventRef<'_>| ControlFlow::Continue(());
            let read = ReadStream::forward(stream("large"));
            let state = store.read_stream(&read, &mut visit).await.unwrap();
            assert_eq!(state.last.get(), 1);
            assert_eq!(store.last_position(LogId::MAIN).await.unwrap().get(), 2);
        };
        block_on(join(read, async {
            // The read has begun.
            assert_eq!(snapshot.get(b"key").unwrap(), Some(&b"value"[..]));
            drop(snapshot);
        }));
    });
}

/// How much memory this process has, in bytes.
#[cfg(target_os = "linux")]
fn memory() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let resident = pages.split(' ').nth(1).unwrap();
    resident.parse::<usize>().unwrap() * 4096
}

#[test]
#[cfg(target_os = "linux")]
fn appends_that_are_given_up_leave_the_queue_of_a_writer_that_is_held_up() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    // In a process of its own, whose memory nobody else uses.
    let mut child = crate::common::child_command(
        "held_snapshots::child_gives_up_appends",
        directory.path(),
        "",
    );
    assert!(child.status().unwrap().success());
}

/// Not a test of its own: gives up appends, and looks at its memory.
#[test]
#[cfg(target_os = "linux")]
fn child_gives_up_appends() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open_small(Path::new(&directory));
    in_time(move || {
        let snapshot = store.snapshot().unwrap();
        let begin = |name: &str, bytes: usize| {
            let append = Append::to(
                stream(name),
                ExpectedVersion::Any,
                [event("x".repeat(bytes))],
            );
            Box::pin(store.append(append))
        };
        // The writer waits for the snapshot.
        let mut held_up = begin("held up", 2_000_000);
        assert!((&mut held_up).now_or_never().is_none());
        let before = memory();
        // As many as there is room for, which are written, and those that wait in line, which are not.
        let mut waiting: Vec<_> = (0..70).map(|_| begin("waiting", 1_000_000)).collect();
        for append in &mut waiting {
            assert!(append.now_or_never().is_none());
        }
        waiting.truncate(2);
        // So few that it takes a moment: the writer does not wait for the snapshot for ever.
        for _ in 0..4_000 {
            assert!(begin("given up", 50_000).now_or_never().is_none());
        }
        let more = memory().saturating_sub(before);
        assert!(more < 150 << 20, "{} MiB were piled up", more >> 20);

        drop(snapshot);
        // Refused, if all of this took longer than the writer waits.
        let _ = block_on(held_up);
        let written = waiting.into_iter().map(block_on).filter(Result::is_ok);
        let written = written.count();
        append(&store, "after", vec![event("last")]).unwrap();
        assert_eq!(read_stream(&store, "waiting").unwrap().len(), written);
        assert_eq!(read_stream(&store, "given up").unwrap().len(), 0);
    });
}
