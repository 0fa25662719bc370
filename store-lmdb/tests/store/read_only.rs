//! Stores that are opened to be read only: nothing about them changes, and others write beside, as far as locks allow it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::process::Process;
use crate::common::user::{READ_ONLY_MOUNT, Seen, can_mount, chmod, unprivileged};
use crate::common::{
    append, assert_sound, child_directory, copy_format_1, event, fill, payloads, read_entries,
    read_log, read_stream, stream, verify,
};
use futures_util::FutureExt;
use futures_util::future::{join, join_all};
use midgard::store::{AppendError, ExpectedVersion, StoreError};
use midgard::store::{EmbeddedStore, EntryError, EntryWrite, ReadEntries};
use midgard::view::Live;
use midgard::{
    Context, Event, HandlerError, LogId, Midgard, Position, Project, Projection, StartFrom, Store,
    Subscription, Version, View, Views, block_on,
};
use midgard_store_lmdb::{Durability, LmdbStore};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::ops::ControlFlow;
use std::path::Path;
use tempfile::TempDir;

const EVENTS: usize = 400;

/// A store with some of everything. Everybody may look into its directory.
fn made() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    chmod(directory.path(), 0o755);
    let store = LmdbStore::open(directory.path()).unwrap();
    fill(&store, "user", 20, 20);
    let large = event("x".repeat(100_000));
    append(&store, "large", vec![large]).unwrap();
    block_on(store.tombstone(&stream("large"), ExpectedVersion::Any)).unwrap();
    let entries = EntryWrite::new().put(b"key", b"value");
    block_on(store.write_entries(entries)).unwrap();
    directory
}

fn read_only(directory: impl AsRef<Path>) -> Result<LmdbStore, StoreError> {
    LmdbStore::options().read_only().open(directory)
}

fn assert_refused(error: &StoreError, directory: &Path) {
    assert!(
        matches!(error, StoreError::ReadOnly { path } if path == directory),
        "{error}"
    );
    let sentence = "was opened read-only, and this would write to it; open it for writing";
    assert!(error.to_string().contains(sentence), "{error}");
}

/// Tries all that writes.
fn assert_refuses_writes(store: &LmdbStore) {
    let refused = |error: AppendError| match error {
        AppendError::Store(error) => assert_refused(&error, store.directory()),
        error => panic!("{error}"),
    };
    refused(append(store, "user-1", vec![event("new")]).unwrap_err());
    let (user, any) = (stream("user-1"), ExpectedVersion::Any);
    refused(block_on(store.truncate(&user, Version(3), any)).unwrap_err());
    refused(block_on(store.tombstone(&user, any)).unwrap_err());
    let write = EntryWrite::new().put(b"key", b"other");
    match block_on(store.write_entries(write)).unwrap_err() {
        EntryError::Store(error) => assert_refused(&error, store.directory()),
        error => panic!("{error}"),
    }
}

/// Not a test of its own: reads everything, in every way.
#[test]
fn child_reads_everything() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = read_only(&directory).unwrap();
    // Shared, in one process.
    let again = read_only(Path::new(&directory).join(".")).unwrap();
    let log = read_log(&store).unwrap();
    assert_eq!(log.len(), EVENTS);
    assert_eq!(read_stream(&again, "user-7").unwrap().len(), 20);
    let large = block_on(store.stream_state(&stream("large"))).unwrap();
    assert!(large.tombstoned);
    let entries = read_entries(&store, &ReadEntries::prefix(b""));
    assert_eq!(entries, [(b"key".to_vec(), b"value".to_vec())]);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.get(b"key").unwrap(), Some(&b"value"[..]));
    block_on(store.wait_past(LogId::MAIN, Position(7))).unwrap();
    assert_sound(&verify(&store));
    let statistics = store.statistics(|_| ControlFlow::Continue(())).unwrap();
    assert_eq!(statistics.streams, 21);
    for compacting in [false, true] {
        let target = tempfile::tempdir().unwrap();
        let backup = store.backup();
        let backup = if compacting {
            backup.compacting()
        } else {
            backup
        };
        backup
            .to(target.path(), |_| ControlFlow::Continue(()))
            .unwrap();
        let restored = LmdbStore::open(target.path()).unwrap();
        append(&restored, "user-1", vec![event("more")]).unwrap();
        assert_eq!(read_log(&restored).unwrap().len(), EVENTS + 1);
    }
    assert_refuses_writes(&store);
    // The thread that waits for others has nothing to tidy up.
    drop((snapshot, store, again));
    println!("read everything");
}

fn read_as(shell: &str, directory: &Path) {
    let mut child = Process::start_in(shell, "read_only::child_reads_everything", directory, &[]);
    child.next("read everything");
    assert!(child.end().success());
}

#[test]
fn what_may_only_be_read_is_read_in_full_and_stays_as_it_is() {
    if child_directory().is_some() {
        return;
    }
    for has_lock_file in [true, false] {
        let directory = made();
        if !has_lock_file {
            fs::remove_file(directory.path().join("lock.mdb")).unwrap();
        }
        let mut shells = vec![unprivileged()];
        if can_mount() {
            shells.push(READ_ONLY_MOUNT);
        }
        for shell in shells {
            for file in fs::read_dir(directory.path()).unwrap() {
                chmod(file.unwrap().path(), 0o444);
            }
            chmod(directory.path(), 0o555);
            let before = Seen::of(directory.path());
            assert_eq!(before.names().len(), 1 + usize::from(has_lock_file));
            read_as(shell, directory.path());
            assert_eq!(Seen::of(directory.path()), before, "{shell}");
            chmod(directory.path(), 0o755);
        }
    }
}

/// Not a test of its own: waits for what others append.
#[test]
fn child_waits() {
    let Some(directory) = child_directory() else {
        return;
    };
    let options = LmdbStore::options().initial_map_size(1 << 20);
    let store = options.read_only().open(directory).unwrap();
    println!("open");
    loop {
        let last = block_on(store.last_position(LogId::MAIN)).unwrap();
        println!("waiting");
        block_on(store.wait_past(LogId::MAIN, last)).unwrap();
        let appended = read_stream(&store, "appended").unwrap();
        let bytes = appended.last().unwrap().payload.len();
        println!("woken by {bytes}");
        assert_refuses_writes(&store);
        if bytes > 1 << 20 {
            return;
        }
    }
}

#[test]
fn a_reader_of_another_user_sees_at_once_what_others_append_beside_it() {
    if child_directory().is_some() {
        return;
    }
    let directory = made();
    let path = directory.path();
    let store = LmdbStore::open(path).unwrap();
    chmod(path.join("data.mdb"), 0o444);
    chmod(path.join("lock.mdb"), 0o666);
    let mut child = Process::start_in(unprivileged(), "read_only::child_waits", path, &[]);
    child.next("open");
    // The last one is larger than the map that the reader has.
    for bytes in [10, 2_000, 10 << 20] {
        child.next("waiting");
        append(&store, "appended", vec![event("x".repeat(bytes))]).unwrap();
        child.next(&format!("woken by {bytes}"));
    }
    assert!(child.end().success());
    append(&store, "appended", vec![event("after it")]).unwrap();
    assert_sound(&verify(&store));
}

#[test]
fn what_is_only_read_is_not_written_to_though_it_could_be() {
    let directory = made();
    let data = |seen: Seen| {
        let names: Vec<_> = seen.names().into_iter().map(str::to_owned).collect();
        let data = seen.files.into_iter().find(|(name, ..)| name == "data.mdb");
        (names, seen.modified, data)
    };
    // As a process that was killed leaves it.
    let file = directory.path().join("data.mdb");
    let file = OpenOptions::new().append(true).open(file).unwrap();
    file.set_len(file.metadata().unwrap().len() + (512 << 10))
        .unwrap();
    let before = data(Seen::of(directory.path()));
    let store = read_only(directory.path()).unwrap();
    assert_eq!(read_log(&store).unwrap().len(), EVENTS);
    let last = block_on(store.last_position(LogId::MAIN)).unwrap();
    {
        // Begins to wait, so that there is a thread.
        let mut waiting = Box::pin(store.wait_past(LogId::MAIN, last));
        assert!(waiting.as_mut().now_or_never().is_none());
    }
    assert_refuses_writes(&store);
    drop(store);
    assert_eq!(data(Seen::of(directory.path())), before);
}

#[test]
fn what_is_no_store_is_not_made_into_one() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let sentence = |path: &Path| read_only(path).unwrap_err().to_string();
    let missing = directory.path().join("missing");
    let error = sentence(&missing);
    assert!(error.contains("missing: No such file"), "{error}");
    assert!(
        error.contains("without read_only to create a store there"),
        "{error}"
    );
    assert!(!missing.exists());
    let error = sentence(directory.path());
    assert!(error.contains("data.mdb: No such file"), "{error}");
    assert_eq!(Seen::of(directory.path()).names(), [""; 0]);
    for begun in [0, 4096] {
        fs::write(directory.path().join("data.mdb"), vec![0; begun]).unwrap();
        let before = Seen::of(directory.path());
        let error = sentence(directory.path());
        assert!(error.contains("open it once without read_only"), "{error}");
        assert_eq!(Seen::of(directory.path()), before);
    }
}

#[test]
fn a_store_of_an_older_format_is_refused_and_not_upgraded() {
    let directory = tempfile::tempdir().unwrap();
    copy_format_1(directory.path());
    let before = Seen::of(directory.path());
    let error = read_only(directory.path()).unwrap_err().to_string();
    assert!(
        error.contains("has format 1, and has to become one of format 2"),
        "{error}"
    );
    assert!(error.contains("open it once without read_only"), "{error}");
    assert_eq!(Seen::of(directory.path()), before);
    let log = read_log(&LmdbStore::open(directory.path()).unwrap()).unwrap();
    assert_eq!(
        read_log(&read_only(directory.path()).unwrap()).unwrap(),
        log
    );
}

#[test]
fn a_file_that_was_cut_off_is_an_error_and_not_made_longer() {
    let directory = made();
    let data = directory.path().join("data.mdb");
    let length = fs::metadata(&data).unwrap().len();
    let file = OpenOptions::new().write(true).open(&data).unwrap();
    file.set_len(length - 8192).unwrap();
    fs::remove_file(directory.path().join("lock.mdb")).unwrap();
    let before = Seen::of(directory.path());
    let error = read_only(directory.path()).unwrap_err().to_string();
    let sentence = format!(
        "data.mdb has {} bytes, and should have {length}; open it once without read_only",
        length - 8192
    );
    assert!(error.contains(&sentence), "{error}");
    assert_eq!(Seen::of(directory.path()), before);
}

#[test]
fn no_commit_leaves_a_file_that_looks_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let options = LmdbStore::options().durability(Durability::NoSync);
    let store = options.open(directory.path()).unwrap();
    for round in 1..100 {
        // Pages that are taken and given back in one transaction, behind all others.
        let put = EntryWrite::new().put(b"key", &vec![1; round * 10_000]);
        let remove = EntryWrite::new().remove(b"key");
        let writes = [put, remove].map(|write| store.write_entries(write));
        let written = block_on(join_all(writes));
        assert!(written.iter().all(Result::is_ok));
        let file = store.statistics(|_| ControlFlow::Break(())).unwrap().file;
        assert!(file.length >= file.used, "round {round}: {file:?}");
        // The next ones cannot be those again.
        append(&store, "appended", vec![event("x".repeat(30_000))]).unwrap();
    }
}

#[test]
fn in_one_process_what_is_open_for_writing_is_shared_and_the_other_way_round_is_an_error() {
    let directory = made();
    let writing = LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory.path())
        .unwrap();
    let reading = read_only(directory.path()).unwrap();
    append(&writing, "appended", vec![event("1")]).unwrap();
    assert_eq!(payloads(&read_stream(&reading, "appended").unwrap()), ["1"]);
    assert_refuses_writes(&reading);
    drop(writing);
    assert_refuses_writes(&reading);
    drop(reading);
    let reading = read_only(directory.path()).unwrap();
    let error = LmdbStore::open(directory.path()).unwrap_err().to_string();
    assert!(
        error.contains("is open in this process read-only; drop those handles first"),
        "{error}"
    );
    assert_refuses_writes(&reading);
    drop(reading);
    let writing = LmdbStore::open(directory.path()).unwrap();
    append(&writing, "appended", vec![event("2")]).unwrap();
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "thing.happened")]
struct Happened {
    number: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = number)]
struct Times {
    number: u64,
    times: u64,
}

#[derive(Projection)]
#[projection(name = "times", events(Happened), views(Times))]
struct TimesOfNumbers;

impl Project<Happened> for TimesOfNumbers {
    async fn project(
        &self,
        event: Happened,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let Happened { number } = event;
        let none = || Times { number, times: 0 };
        Ok(context.upsert::<Times>(number, none, |row| row.times += 1)?)
    }
}

#[test]
fn live_projections_work_and_what_would_note_how_far_it_is_ends_with_a_sentence() {
    let directory = made();
    let store = read_only(directory.path()).unwrap();
    let live = Live::new(TimesOfNumbers, store.clone());
    let views = block_on(live.views()).unwrap();
    let row = views.get::<Times>(7).unwrap().unwrap();
    assert_eq!(row.times, 20);
    let happened = Subscription::<Happened>::events("all", StartFrom::Start);
    let subscribed = Midgard::new(store.clone()).subscribe(happened, |_| async { Ok(()) });
    let views = Views::new(store.clone());
    let projected = Midgard::new(store).project(TimesOfNumbers, views);
    let ended = block_on(join(subscribed.catch_up(), projected.catch_up()));
    for ended in <[_; 2]>::from(ended) {
        let error = ended.unwrap_err().to_string();
        assert!(
            error.contains("was opened read-only, and this would"),
            "{error}"
        );
    }
}
