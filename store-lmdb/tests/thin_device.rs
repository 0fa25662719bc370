//! A file system on a thin device that runs out of room for some milliseconds, and says so to nobody but those who flush: what
//! was acknowledged before, meanwhile and afterwards is there when it is mounted the next time.
//!
//! The device is a file with holes, on a small file system in memory that only the child process sees. That takes a superuser, and
//! is left out otherwise.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod common;

use common::process::Process;
use common::{
    append, assert_sound, child_directory, event, number_of, payloads, read_stream, verify,
};
use midgard::store::EntryWrite;
use midgard::{Store, block_on};
use midgard_store_lmdb::LmdbStore;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

const MEBIBYTE: usize = 1 << 20;
const PRODUCERS: usize = 4;
/// How often the device runs out of room.
const TIMES: u64 = 3;
/// How many bytes payloads have: beside others on a page, and on up to many pages of their own.
const LENGTHS: [usize; 9] = [10, 100, 200, 700, 3_000, 5_000, 9_000, 20_000, 60_000];
const ROUNDS: &str = "MIDGARD_TEST_ROUNDS";
const SEED: &str = "MIDGARD_TEST_SEED";

/// Puts a small disk in the place of the directory that the child works in, with a device on it that says to be larger. What the file
/// system needs for itself has room for certain. A device that is a file takes a part of a write for all of it, so it is given a page
/// at a time.
const MOUNT: &str = "exec unshare --mount sh -ec '\
    mount -t tmpfs -o size=40m none \"$MIDGARD_TEST_CHILD\"; cd \"$MIDGARD_TEST_CHILD\"; \
    truncate -s 256m device; \
    mkfs.ext4 -q -b 4096 -J size=4 -N 128 \
        -E lazy_itable_init=0,lazy_journal_init=0,nodiscard,packed_meta_blocks=1 device; \
    fallocate -l 7m device; \
    mkdir disk; loop=$(losetup --find --show device); \
    echo 4 >/sys/block/${loop#/dev/}/queue/max_sectors_kb; \
    mount $loop disk; losetup --detach $loop; exec \"$0\" \"$@\"' \"$0\" \"$@\";";

/// Not a test of its own: appends while the device runs out of room, and afterwards.
#[test]
fn child_appends_on_a_thin_device() {
    let Some(directory) = child_directory() else {
        return;
    };
    std::env::set_current_dir(directory).unwrap();
    let disk = Path::new("disk");
    let seed = number_of(SEED, 1);
    let store = LmdbStore::open(disk.join("store")).unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut acknowledged = vec![Vec::new(); PRODUCERS];
    let mut refused = append_all(&store, &mut random, &mut acknowledged, 50, || {});
    assert_eq!(refused, 0);
    for _ in 0..TIMES {
        refused += append_all(&store, &mut random, &mut acknowledged, 30, run_out_of_room);
        fs::remove_file("ballast").unwrap();
        refused += append_all(&store, &mut random, &mut acknowledged, 30, || {});
    }
    drop(store);

    mount(&["umount", "disk"]);
    mount(&["mount", "-o", "loop", "device", "disk"]);
    let store = LmdbStore::open(disk.join("store")).unwrap();
    for (producer, acknowledged) in acknowledged.iter().enumerate() {
        let stored = read_stream(&store, &name(producer)).unwrap();
        let stored: HashSet<_> = payloads(&stored).into_iter().collect();
        let is_there = |payload| stored.contains(payload);
        assert!(acknowledged.iter().all(is_there), "{producer}");
    }
    assert_sound(&verify(&store));
    println!("sound {refused}");
    drop(store);
    mount(&["umount", "disk"]);
}

fn mount(command: &[&str]) {
    let status = Command::new(command[0]).args(&command[1..]).status();
    assert!(status.unwrap().success(), "{command:?}");
}

/// Takes all the room that the device may still get.
fn run_out_of_room() {
    let mut ballast = File::create("ballast").unwrap();
    for size in [MEBIBYTE, 4096] {
        while ballast.write_all(&vec![1; size]).is_ok() {}
    }
}

fn name(producer: usize) -> String {
    format!("of-{producer}")
}

/// Appends so many events to each stream while something happens, and entries that come and go; tells how many were refused.
fn append_all(
    store: &LmdbStore,
    random: &mut fastrand::Rng,
    acknowledged: &mut [Vec<String>],
    events: usize,
    meanwhile: impl FnOnce(),
) -> usize {
    thread::scope(|scope| {
        let producers = acknowledged.iter_mut().enumerate();
        let producers = producers.map(|(producer, acknowledged)| {
            let mut random = random.fork();
            scope.spawn(move || {
                let mut refused = 0;
                for _ in 0..events {
                    let length = *random.choice(&LENGTHS).unwrap();
                    let payload = format!("{} {}", random.u64(..), "x".repeat(length));
                    match append(store, &name(producer), vec![event(payload.clone())]) {
                        Ok(_) => acknowledged.push(payload),
                        Err(_) => refused += 1,
                    }
                    let key = [random.u8(..8)];
                    let write = match random.bool() {
                        true => EntryWrite::new().put(&key, &vec![7; length]),
                        false => EntryWrite::new().remove(&key),
                    };
                    let _ = block_on(store.write_entries(write));
                }
                refused
            })
        });
        let producers: Vec<_> = producers.collect();
        meanwhile();
        let refused = producers.into_iter().map(thread::ScopedJoinHandle::join);
        refused.map(Result::unwrap).sum()
    })
}

/// Whether such a device can be made here.
fn can_mount() -> bool {
    let made = Command::new("unshare")
        .args(["--mount", "sh", "-c", "losetup --find && which mkfs.ext4"])
        .stdout(Stdio::null())
        .status();
    let can_mount = made.is_ok_and(|status| status.success());
    if !can_mount {
        eprintln!("left out: no superuser, or no losetup (util-linux) and mkfs.ext4 (e2fsprogs)");
    }
    can_mount
}

#[test]
fn a_device_that_ran_out_of_room_for_a_moment_has_what_was_acknowledged() {
    if child_directory().is_some() || !can_mount() {
        return;
    }
    for seed in 1..=number_of(ROUNDS, 2) {
        let directory = tempfile::tempdir().unwrap();
        let variables = [(SEED, &*seed.to_string())];
        let mut child = Process::start_in(
            MOUNT,
            "child_appends_on_a_thin_device",
            directory.path(),
            &variables,
        );
        let refused: usize = child.next("sound ").parse().unwrap();
        println!("device {seed}: {refused} appends were refused");
        assert!(child.end().success() && refused > 0);
    }
}
