//! A full map, a full disk, no slot for a reader: the append says which, and goes through once there is room.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::{
    Lines, append, child_directory, event, payloads, read_entries, read_log, read_stream,
    start_child, stream,
};
use midgard::store::{AppendError, Full, ReadStream, StoreError};
use midgard::store::{EntryError, EntryWrite, ReadEntries};
use midgard::{Store, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const MEBIBYTE: usize = 1 << 20;

fn open_small(directory: &Path) -> LmdbStore {
    LmdbStore::options()
        .initial_map_size(MEBIBYTE)
        .durability(Durability::NoSync)
        .open(directory)
        .unwrap()
}

#[test]
fn the_map_grows_by_itself_while_readers_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    append(&store, "first", vec![event("kept")]).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..200 {
                let payload = format!("{number}{}", "x".repeat(100_000));
                append(&store, "large", vec![event(payload)]).unwrap();
            }
        });
        while !writer.is_finished() {
            assert_eq!(payloads(&read_stream(&store, "first").unwrap()), ["kept"]);
        }
    });
    let large = read_stream(&store, "large").unwrap();
    assert_eq!(large.len(), 200);
    assert!(large.iter().all(|event| event.payload.len() > 100_000));
    drop(store);
    assert_eq!(
        read_log(&LmdbStore::open(directory.path()).unwrap())
            .unwrap()
            .len(),
        201
    );
}

#[test]
fn one_append_larger_than_the_whole_map_goes_through() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    append(&store, "a", vec![event("x".repeat(10 * MEBIBYTE))]).unwrap();
    assert_eq!(
        read_stream(&store, "a").unwrap()[0].payload.len(),
        10 * MEBIBYTE
    );
}

/// Not a test of its own: makes the store larger than the map that the other process has.
#[test]
fn child_appends_ten_mebibytes() {
    let Some(directory) = child_directory() else {
        return;
    };
    append(
        &open_small(Path::new(&directory)),
        "of-the-child",
        vec![event("y".repeat(10 * MEBIBYTE))],
    )
    .unwrap();
}

#[test]
fn a_map_that_another_process_outgrew_is_taken_over() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    append(&store, "a", vec![event("1")]).unwrap();
    assert!(
        start_child("room::child_appends_ten_mebibytes", directory.path(), "")
            .wait()
            .unwrap()
            .success()
    );
    assert_eq!(
        read_stream(&store, "of-the-child").unwrap()[0]
            .payload
            .len(),
        10 * MEBIBYTE
    );

    assert!(
        start_child("room::child_appends_ten_mebibytes", directory.path(), "")
            .wait()
            .unwrap()
            .success()
    );
    append(&store, "a", vec![event("2")]).unwrap();
    assert_eq!(payloads(&read_stream(&store, "a").unwrap()), ["1", "2"]);
    assert_eq!(read_stream(&store, "of-the-child").unwrap().len(), 2);
}

/// Not a test of its own: appends ten mebibytes in many steps, to a stream of its own.
#[test]
fn child_appends_large_events() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open_small(Path::new(&directory));
    let own = format!("own-{}", std::process::id());
    for number in 0..100 {
        append(
            &store,
            &own,
            vec![event(format!("{number}{}", "x".repeat(100_000)))],
        )
        .unwrap();
    }
}

#[test]
fn several_processes_outgrow_each_others_maps_while_threads_read() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    append(&store, "first", vec![event("kept")]).unwrap();
    let mut children: Vec<_> = (0..3)
        .map(|_| start_child("room::child_appends_large_events", directory.path(), ""))
        .collect();
    let writing = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..100 {
                let payload = format!("{number}{}", "x".repeat(100_000));
                append(&store, "own", vec![event(payload)]).unwrap();
            }
            writing.store(false, Ordering::Relaxed);
        });
        for _ in 0..4 {
            scope.spawn(|| {
                while writing.load(Ordering::Relaxed) {
                    assert_eq!(payloads(&read_stream(&store, "first").unwrap()), ["kept"]);
                }
            });
        }
    });
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let log = read_log(&store).unwrap();
    assert!(log.iter().map(|event| event.position.get()).eq(1..=401));
}

/// Not a test of its own: fills the map under a limit on the address space, then appends once more.
#[test]
fn child_fills_the_address_space() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::options()
        .initial_map_size(128 * MEBIBYTE)
        .durability(Durability::NoSync)
        .open(directory)
        .unwrap();
    let mut appended = 0;
    // Small beside the limit: it is the map that is to meet it.
    let error = loop {
        match append(&store, "a", vec![event("z".repeat(4 * MEBIBYTE))]) {
            Ok(_) => appended += 1,
            Err(error) => break error,
        }
        assert!(appended < 100, "the limit was never met");
    };
    println!("failed with {error:?}");
    let mut kept = 0;
    let read = ReadStream::forward(stream("a"));
    let counted = block_on(store.read_stream(&read, &mut |_| {
        kept += 1;
        ControlFlow::Continue(())
    }));
    counted.unwrap();
    println!("kept {}", kept == appended);
    append(&store, "b", vec![event("small")]).unwrap();
    println!("done");
}

#[test]
fn a_map_that_cannot_grow_is_an_error_and_the_store_goes_on() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let shell = "export MALLOC_ARENA_MAX=1; ulimit -v 300000; ulimit -t 60;";
    let mut child = start_child(
        "room::child_fills_the_address_space",
        directory.path(),
        shell,
    );
    let mut lines = Lines::of(&mut child);
    assert_eq!(lines.next("failed with ").unwrap(), "Store(Full(Map))");
    assert_eq!(lines.next("kept ").unwrap(), "true");
    assert!(lines.next("done").is_some());
    assert!(child.wait().unwrap().success());
}

/// Not a test of its own: opens with a map that the system does not grant, and is no power of two.
#[test]
fn child_opens_with_more_than_there_is() {
    let Some(directory) = child_directory() else {
        return;
    };
    let pages = ((616 * MEBIBYTE) >> 12) + 1;
    let store = LmdbStore::options()
        .initial_map_size(pages << 12)
        .open(directory)
        .unwrap();
    append(&store, "a", vec![event("1")]).unwrap();
}

#[test]
fn a_map_of_any_number_of_pages_is_made_smaller_where_the_system_grants_less() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let shell = "export MALLOC_ARENA_MAX=1; ulimit -v 300000;";
    let mut child = start_child(
        "room::child_opens_with_more_than_there_is",
        directory.path(),
        shell,
    );
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_store_that_could_not_be_opened_anew_works_again_once_it_can() {
    let parent = tempfile::tempdir().unwrap();
    let (directory, away) = (parent.path().join("store"), parent.path().join("away"));
    let store = open_small(&directory);
    append(&store, "a", vec![event("1")]).unwrap();
    // Stands for whatever keeps files from being opened for a while, such as a limit on their number.
    std::fs::rename(&directory, &away).unwrap();
    append(&store, "a", vec![event("x".repeat(3 * MEBIBYTE))]).unwrap_err();
    read_stream(&store, "a").unwrap_err();
    std::fs::rename(&away, &directory).unwrap();
    assert_eq!(payloads(&read_stream(&store, "a").unwrap()), ["1"]);
    append(&store, "a", vec![event("x".repeat(3 * MEBIBYTE))]).unwrap();
    assert_eq!(read_stream(&store, "a").unwrap().len(), 2);
}

#[test]
fn the_writer_opens_a_store_again_that_could_not_be_opened_anew() {
    let parent = tempfile::tempdir().unwrap();
    let (directory, away) = (parent.path().join("store"), parent.path().join("away"));
    let store = open_small(&directory);
    std::fs::rename(&directory, &away).unwrap();
    append(&store, "a", vec![event("x".repeat(3 * MEBIBYTE))]).unwrap_err();
    std::fs::rename(&away, &directory).unwrap();
    append(&store, "a", vec![event("x".repeat(3 * MEBIBYTE))]).unwrap();
    assert_eq!(read_stream(&store, "a").unwrap().len(), 1);
}

/// Not a test of its own: appends under a limit on the size of files until it is met, waits until the
/// limit is gone, and goes on.
#[test]
fn child_fills_the_disk() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::open(&directory).unwrap();
    let mut acknowledged = 0;
    let error = loop {
        match append(&store, "a", vec![event("z".repeat(50_000))]) {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1000, "the limit was never met");
    };
    assert!(
        matches!(error, AppendError::Store(StoreError::Full(Full::Disk))),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "the disk is full; free some space and try again; what was acknowledged before is kept"
    );
    assert_eq!(
        read_stream(&store, "a").unwrap().len(),
        acknowledged,
        "what was acknowledged is kept"
    );
    // A change of entries says the same, and nothing of it is there.
    let large = vec![b'z'; 50_000];
    let change = || {
        (0..20u8).fold(EntryWrite::new(), |change, key| {
            change.put(&[b'k', key], &large)
        })
    };
    let error = block_on(store.write_entries(change())).unwrap_err();
    assert!(
        matches!(error, EntryError::Store(StoreError::Full(Full::Disk))),
        "{error:?}"
    );
    assert!(read_entries(&store, &ReadEntries::prefix(b"")).is_empty());
    println!("full after {acknowledged}");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    append(&store, "a", vec![event("z".repeat(50_000))]).unwrap();
    block_on(store.write_entries(change())).unwrap();
    assert_eq!(read_entries(&store, &ReadEntries::prefix(b"k")).len(), 20);
    println!("appended {}", read_stream(&store, "a").unwrap().len());
}

#[test]
fn a_full_disk_fails_the_append_and_the_store_works_again_once_there_is_room() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    // A limit on the size of files stands for the disk: it needs no rights, and can be lifted. Only the
    // soft limit is set, and the signal that comes with it is ignored, so that writes fail.
    let shell = "trap '' XFSZ; ulimit -S -f 8192;";
    let mut child = start_child_with_input("room::child_fills_the_disk", directory.path(), shell);
    let mut lines = Lines::of(&mut child);
    let full = lines.next("full after ").unwrap();
    let lifted = std::process::Command::new("prlimit")
        .args([&format!("--pid={}", child.id()), "--fsize=unlimited"])
        .status();
    assert!(
        lifted.unwrap().success(),
        "prlimit (util-linux) is needed to lift the limit"
    );
    child.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    let appended = lines.next("appended ").unwrap();
    assert_eq!(
        appended.parse::<u64>().unwrap(),
        full.parse::<u64>().unwrap() + 1
    );
    assert!(child.wait().unwrap().success());
}

fn start_child_with_input(name: &str, directory: &Path, shell: &str) -> std::process::Child {
    crate::common::child_command(name, directory, shell)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn no_slot_for_a_reader_says_how_many_there_are_and_writes_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::options()
        .max_readers(1)
        .open(directory.path())
        .unwrap();
    append(&store, "a", vec![event("1")]).unwrap();
    let mut inner = None;
    block_on(
        store.read_stream(&ReadStream::forward(stream("a")), &mut |_| {
            // This read holds the only slot.
            inner = Some(thread::scope(|scope| {
                scope.spawn(|| read_log(&store)).join().unwrap()
            }));
            append(&store, "a", vec![event("2")]).unwrap();
            ControlFlow::Continue(())
        }),
    )
    .unwrap();
    let error = inner.unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "all 1 slots for readers are taken; let some reads end and try again; what was acknowledged before is kept"
    );
    assert!(matches!(
        error,
        StoreError::Full(Full::Readers { slots: 1 })
    ));
    assert_eq!(read_log(&store).unwrap().len(), 2, "there is a slot again");
}

#[test]
fn a_stream_of_events_that_stays_open_costs_writers_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory.path())
        .unwrap();
    append(
        &store,
        "a",
        (0..1000).map(|number| event(number.to_string())).collect(),
    )
    .unwrap();
    let mut open = store.events(midgard::store::ReadLog::forward());
    block_on(futures_util::StreamExt::next(&mut open))
        .unwrap()
        .unwrap();
    let size = || {
        std::fs::metadata(directory.path().join("data.mdb"))
            .unwrap()
            .len()
    };
    // The same stream's state is written again and again: pages that an old reader would pin.
    for _ in 0..2000 {
        append(&store, "b", vec![event("x")]).unwrap();
    }
    assert!(size() < 4 << 20, "the file grew to {} bytes", size());
    let left = block_on(futures_util::StreamExt::count(open));
    assert_eq!(left, 2999);
}

/// Not a test of its own: reads, and never stops.
#[test]
fn child_reads_for_ever() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open_small(Path::new(&directory));
    let read = ReadStream::forward(stream("a"));
    block_on(store.read_stream(&read, &mut |_| {
        println!("reading");
        loop {
            thread::park();
        }
    }))
    .unwrap();
}

#[test]
fn a_process_that_was_killed_while_it_read_costs_writers_nothing() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    // The map is not outgrown: to open the store anew would hide it.
    let store = LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory.path())
        .unwrap();
    append(&store, "a", vec![event("1")]).unwrap();
    let mut child = start_child("room::child_reads_for_ever", directory.path(), "");
    Lines::of(&mut child).next("reading").unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let size = || {
        std::fs::metadata(directory.path().join("data.mdb"))
            .unwrap()
            .len()
    };
    thread::sleep(Duration::from_millis(1_100));
    let before = size();
    for _ in 0..1000 {
        append(&store, "c", vec![event("x")]).unwrap();
    }
    let grown = size() - before;
    assert!(grown < 2 << 20, "the file grew by {grown} bytes");
}
