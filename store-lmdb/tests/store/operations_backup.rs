//! Backups of a store that is in use: whole or not there, and never over anything else.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::{
    Lines, append, assert_sound, child_directory, event, events, fill, open_unsynced, read_log,
    read_stream, start_child, stream, verify,
};
use midgard::store::{Append, ExpectedVersion, StoreError};
use midgard::{Position, Store, Version, block_on};
use midgard_store_lmdb::{BackupError, LmdbStore, Progress};
use std::fs;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

fn quietly(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn names_in(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A store of some megabytes.
fn large(directory: &Path) -> LmdbStore {
    let store = open_unsynced(directory);
    for _ in 0..40 {
        append(&store, "large", vec![event("x".repeat(200_000))]).unwrap();
    }
    store
}

#[test]
fn a_backup_opens_as_a_store_with_all_events_and_goes_on() {
    let parent = tempfile::tempdir().unwrap();
    let store = open_unsynced(&parent.path().join("store"));
    fill(&store, "s", 40_000, 1);
    fill(&store, "s", 100, 20);
    let log = read_log(&store).unwrap();
    for name in ["plain", "compacting"] {
        // A directory that is there and empty is as good as none.
        let target = parent.path().join("backups").join(name);
        if name == "plain" {
            fs::create_dir_all(&target).unwrap();
        }
        let backup = store.backup();
        let backup = match name {
            "plain" => backup,
            _ => backup.compacting(),
        };
        let made = backup.to(&target, quietly).unwrap();
        assert_eq!(made.position, Position(42_000));
        assert_eq!(made.path, target);
        assert_eq!(names_in(&target), ["data.mdb"]);
        assert_eq!(
            made.bytes,
            target.join("data.mdb").metadata().unwrap().len()
        );

        let copy = LmdbStore::open(&target).unwrap();
        assert_eq!(read_log(&copy).unwrap(), log);
        assert_sound(&verify(&copy));
        append(&copy, "s-1", vec![event("only here")]).unwrap();
        assert_eq!(read_stream(&copy, "s-1").unwrap().len(), 22);
        assert_eq!(read_stream(&store, "s-1").unwrap().len(), 21);
    }
}

#[test]
fn a_backup_that_is_made_while_events_come_has_all_that_were_there_when_it_began() {
    let parent = tempfile::tempdir().unwrap();
    let store = open_unsynced(&parent.path().join("store"));
    fill(&store, "old", 1_000, 5);
    let is_over = AtomicBool::new(false);
    let counts = [const { AtomicU64::new(0) }; 4];
    thread::scope(|scope| {
        for (producer, count) in counts.iter().enumerate() {
            let (store, is_over) = (&store, &is_over);
            scope.spawn(move || {
                let name = format!("producer-{producer}");
                while !is_over.load(Ordering::Relaxed) {
                    let number = count.load(Ordering::Relaxed);
                    let payload = format!("{number}{}", "x".repeat(500));
                    append(store, &name, vec![event(payload)]).unwrap();
                    count.store(number + 1, Ordering::Relaxed);
                }
            });
        }
        for number in 0..6 {
            let acknowledged: Vec<_> = counts.iter().map(|n| n.load(Ordering::Relaxed)).collect();
            let target = parent.path().join(number.to_string());
            let backup = store.backup();
            let backup = if number % 2 == 0 {
                backup
            } else {
                backup.compacting()
            };
            let made = backup.to(&target, quietly);
            if made.is_err() {
                is_over.store(true, Ordering::Relaxed);
            }
            let made = made.unwrap();
            let copy = open_unsynced(&target);
            let verification = verify(&copy);
            if !verification.is_sound() {
                is_over.store(true, Ordering::Relaxed);
            }
            assert_sound(&verification);
            assert!(verification.until >= made.position);
            for (producer, acknowledged) in acknowledged.iter().enumerate() {
                let name = stream(&format!("producer-{producer}"));
                let state = block_on(copy.stream_state(&name));
                assert!(state.unwrap().last >= Version(*acknowledged));
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_sound(&verify(&store));
}

#[test]
fn a_compacting_backup_leaves_out_what_was_removed() {
    let parent = tempfile::tempdir().unwrap();
    let store = large(&parent.path().join("store"));
    let before = store.backup().compacting();
    let before = before.to(parent.path().join("before"), quietly).unwrap();
    block_on(store.truncate(&stream("large"), Version(36), ExpectedVersion::Any)).unwrap();
    let plain = store
        .backup()
        .to(parent.path().join("plain"), quietly)
        .unwrap();
    let after = store.backup().compacting();
    let after = after.to(parent.path().join("after"), quietly).unwrap();
    assert!(plain.bytes >= before.bytes);
    assert!(after.bytes < before.bytes / 4, "{after:?} {before:?}");
    let copy = open_unsynced(&after.path);
    assert_sound(&verify(&copy));
    assert_eq!(read_stream(&copy, "large").unwrap().len(), 5);
}

#[test]
fn it_tells_how_many_bytes_are_done_of_how_many() {
    let parent = tempfile::tempdir().unwrap();
    let store = large(&parent.path().join("store"));
    for name in ["plain", "compacting"] {
        let mut told = Vec::new();
        let backup = store.backup();
        let backup = if name == "plain" {
            backup
        } else {
            backup.compacting()
        };
        let made = backup.to(parent.path().join(name), |progress| {
            told.push((progress.done, progress.expected));
            ControlFlow::Continue(())
        });
        let bytes = made.unwrap().bytes;
        assert_eq!(told.len(), (bytes as usize).div_ceil(1 << 20));
        assert!(told.is_sorted());
        assert!(
            told.iter().all(|(_, expected)| *expected == bytes),
            "{told:?} {bytes}"
        );
        assert_eq!(told.last().unwrap().0, bytes);
    }
}

#[test]
fn nothing_is_ever_overwritten() {
    let parent = tempfile::tempdir().unwrap();
    let store = large(&parent.path().join("store"));
    let target = parent.path().join("target");
    store.backup().to(&target, quietly).unwrap();
    let made = fs::read(target.join("data.mdb")).unwrap();
    append(&store, "large", vec![event("more")]).unwrap();
    let refused = store.backup().to(&target, quietly).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "{} is not empty (there is data.mdb in it), and nothing is overwritten; name another directory for the backup",
            target.display()
        )
    );
    assert!(matches!(refused, BackupError::NotEmpty { .. }));
    assert!(made == fs::read(target.join("data.mdb")).unwrap());
    // Nor the store itself.
    let refused = store.backup().to(store.directory(), quietly).unwrap_err();
    assert!(matches!(refused, BackupError::NotEmpty { .. }), "{refused}");
    // Nor what somebody else puts there meanwhile.
    let other = parent.path().join("other");
    let refused = store.backup().to(&other, |_| {
        fs::write(other.join("data.mdb"), "somebody else's").unwrap();
        ControlFlow::Continue(())
    });
    let refused = refused.unwrap_err();
    assert!(matches!(refused, BackupError::NotEmpty { .. }), "{refused}");
    assert_eq!(names_in(&other), ["data.mdb"]);
    assert_eq!(
        fs::read(other.join("data.mdb")).unwrap(),
        b"somebody else's"
    );
    // A file is no directory.
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = store.backup().to(&file, quietly).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("could not make the directory"),
        "{refused}"
    );
}

#[test]
fn a_backup_that_is_stopped_leaves_nothing_behind() {
    let parent = tempfile::tempdir().unwrap();
    let store = large(&parent.path().join("store"));
    let there = parent.path().join("there");
    fs::create_dir(&there).unwrap();
    for target in [&there, &parent.path().join("new")] {
        for is_compacting in [false, true] {
            let backup = store.backup();
            let backup = if is_compacting {
                backup.compacting()
            } else {
                backup
            };
            let mut names = Vec::new();
            let stopped = backup.to(target, |progress| {
                names = names_in(target);
                match progress.done {
                    ..3_000_000 => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                }
            });
            let stopped = stopped.unwrap_err();
            let BackupError::Stopped { done, expected, .. } = &stopped else {
                panic!("{stopped}");
            };
            assert_eq!(*done, 3 << 20);
            assert!(*expected > 8_000_000, "{stopped}");
            assert_eq!(names, ["backup.partial"]);
        }
    }
    assert_eq!(names_in(&there), [""; 0]);
    assert_eq!(names_in(parent.path()), ["store", "there"]);
    append(&store, "large", vec![event("more")]).unwrap();
    assert_sound(&verify(&store));
    store.backup().to(&there, quietly).unwrap();
}

#[test]
fn a_panic_of_the_caller_leaves_nothing_behind_and_the_store_in_use() {
    let parent = tempfile::tempdir().unwrap();
    let store = large(&parent.path().join("store"));
    let target = parent.path().join("target");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _ = store.backup().to(&target, |_| panic!("of the caller"));
    }));
    assert!(panicked.is_err());
    assert_eq!(names_in(parent.path()), ["store"]);
    append(&store, "large", vec![event("more")]).unwrap();
    store.backup().to(&target, quietly).unwrap();
}

#[test]
fn a_backup_that_was_not_finished_is_no_store_and_is_not_gone_on_with() {
    let parent = tempfile::tempdir().unwrap();
    let store = large(&parent.path().join("store"));
    let target = parent.path().join("target");
    // As one that is killed leaves it.
    fs::create_dir(&target).unwrap();
    fs::write(target.join("backup.partial"), "half").unwrap();
    let refused = LmdbStore::open(&target).unwrap_err();
    assert!(matches!(refused, StoreError::Foreign { .. }), "{refused}");
    assert_eq!(names_in(&target), ["backup.partial"]);
    let refused = store.backup().to(&target, quietly).unwrap_err();
    assert!(
        matches!(refused, BackupError::Unfinished { .. }),
        "{refused}"
    );
    assert_eq!(fs::read(target.join("backup.partial")).unwrap(), b"half");
}

/// Not a test of its own: makes backups where files cannot become as large as that.
#[test]
fn child_makes_backups_without_room() {
    let Some(directory) = child_directory() else {
        return;
    };
    let directory = Path::new(&directory);
    let store = LmdbStore::open(directory.join("store")).unwrap();
    for is_compacting in [false, true] {
        let backup = store.backup();
        let backup = if is_compacting {
            backup.compacting()
        } else {
            backup
        };
        let refused = backup.to(directory.join("target"), quietly).unwrap_err();
        println!("refused {refused}");
        println!(
            "is about room {}",
            matches!(refused, BackupError::NoRoom { done, expected, .. } if done < expected)
        );
    }
    println!("events {}", read_log(&store).unwrap().len());
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_behind() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    drop(large(&directory.path().join("store")));
    // See the test of a full disk in `room.rs`.
    let shell = "trap '' XFSZ; ulimit -S -f 6000;";
    let mut child = start_child(
        "operations_backup::child_makes_backups_without_room",
        directory.path(),
        shell,
    );
    let mut lines = Lines::of(&mut child);
    for _ in 0..2 {
        let refused = lines.next("refused ").unwrap();
        assert!(
            refused.starts_with("there is no room for the backup at "),
            "{refused}"
        );
        assert_eq!(lines.next("is about room ").unwrap(), "true");
    }
    assert_eq!(lines.next("events ").unwrap(), "40");
    assert!(child.wait().unwrap().success());
    assert_eq!(names_in(directory.path()), ["store"]);
}

/// How often some bytes stand in the file of a store.
fn occurrences(directory: &Path, bytes: &[u8]) -> usize {
    let file = fs::read(directory.join("data.mdb")).unwrap();
    let windows = file.windows(bytes.len());
    windows.filter(|window| *window == bytes).count()
}

#[test]
fn a_compacting_backup_has_no_bytes_of_events_that_were_removed() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("store");
    let store = open_unsynced(&path);
    let secret = "only-ann-may-know-this";
    let many =
        |count: usize, length: usize| events(count, format!("{secret}{}", "x".repeat(length)));
    let of = |length: usize| many(1, length).remove(0);
    // In blocks, by themselves, with pieces, and on pages of their own.
    for round in 0..20 {
        append(&store, "ann", many(50, 10)).unwrap();
        append(&store, "others", events(5 + round, "1")).unwrap();
        for length in [0, 300, 900, 2_500, 20_000] {
            append(&store, "ann", vec![of(length)]).unwrap();
            append(&store, "bob", vec![of(length), event("2")]).unwrap();
        }
        // Of one append, among others'.
        let append = Append::to(stream("ann"), ExpectedVersion::Any, many(20, 60));
        let both = append.and(stream("others"), ExpectedVersion::Any, events(20, "3"));
        block_on(store.append(both)).unwrap();
    }
    block_on(store.tombstone(&stream("ann"), ExpectedVersion::Any)).unwrap();
    let last = block_on(store.stream_state(&stream("bob"))).unwrap().last;
    block_on(store.truncate(&stream("bob"), last, ExpectedVersion::Any)).unwrap();
    append(&store, "others", vec![event("4")]).unwrap();

    let [plain, compacting] = ["plain", "compacting"].map(|name| parent.path().join(name));
    store.backup().to(&plain, quietly).unwrap();
    store
        .backup()
        .compacting()
        .to(&compacting, quietly)
        .unwrap();
    assert!(occurrences(&path, secret.as_bytes()) > 0);
    assert!(occurrences(&plain, secret.as_bytes()) > 0);
    assert_eq!(occurrences(&compacting, secret.as_bytes()), 0);

    // As the docs say: the backup takes the place of the store.
    let log = read_log(&store).unwrap();
    drop(store);
    fs::remove_dir_all(&path).unwrap();
    fs::rename(&compacting, &path).unwrap();
    let store = open_unsynced(&path);
    assert_eq!(read_log(&store).unwrap(), log);
    assert_sound(&verify(&store));
    append(&store, "bob", vec![event("5")]).unwrap();
    drop(store);
    assert_eq!(occurrences(&path, secret.as_bytes()), 0);
}
