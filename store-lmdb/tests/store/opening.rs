//! Stores that cannot be opened: the error says which file it is about, and what to do. And who may use the files of those that can.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::process::Process;
use crate::common::user::{READ_ONLY_MOUNT, can_mount, chmod, mode, unprivileged};
use crate::common::{append, child_directory, event, read_log};
use midgard::store::EmbeddedStore;
use midgard_store_lmdb::LmdbStore;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Where in its directory the child is to open a store, and how.
const INNER: &str = "MIDGARD_TEST_INNER";
const READ_ONLY: &str = "MIDGARD_TEST_READ_ONLY";

/// Not a test of its own: opens a store, and says what came of it.
#[test]
fn child_opens() {
    let Some(directory) = child_directory() else {
        return;
    };
    let path = Path::new(&directory).join(std::env::var(INNER).unwrap());
    let options = match std::env::var_os(READ_ONLY) {
        Some(_) => LmdbStore::options().read_only(),
        None => LmdbStore::options(),
    };
    match options.open(path) {
        Ok(_) => println!("said nothing"),
        Err(error) => println!("said {error}"),
    }
}

/// A way in which a store cannot be opened.
struct Case<'a> {
    shell: &'a str,
    /// Makes it so, in a directory that everybody may use.
    arrange: fn(&Path),
    /// Which path is opened there.
    inner: &'a str,
    read_only: bool,
    /// What the error is about.
    names: &'a str,
    says: &'a str,
}

impl Case<'_> {
    fn check(&self) {
        let directory = tempfile::tempdir().unwrap();
        chmod(directory.path(), 0o777);
        (self.arrange)(directory.path());
        let mut variables = vec![(INNER, self.inner)];
        if self.read_only {
            variables.push((READ_ONLY, "yes"));
        }
        let child = Process::start_in(
            self.shell,
            "opening::child_opens",
            directory.path(),
            &variables,
        );
        let error = child.next("said ");
        let path = directory.path().join(self.names).display().to_string();
        let path = path.trim_end_matches('/');
        assert!(error.contains(path), "not {path}: {error}");
        assert!(error.contains(self.says), "not {}: {error}", self.says);
        // So that it can be removed.
        chmod(directory.path(), 0o777);
        for inner in fs::read_dir(directory.path()).unwrap() {
            chmod(inner.unwrap().path(), 0o777);
        }
    }
}

/// Makes a store that everybody may use.
fn make(directory: &Path) {
    let store = LmdbStore::options()
        .file_mode(0o666)
        .open(directory)
        .unwrap();
    append(&store, "a", vec![event("1")]).unwrap();
    drop(store);
    for file in ["data.mdb", "lock.mdb"] {
        chmod(directory.join(file), 0o666);
    }
}

#[test]
fn what_cannot_be_opened_says_which_file_it_is_and_what_to_do() {
    if child_directory().is_some() {
        return;
    }
    const RIGHTS: &str = "Permission denied (os error 13); give this process's user permission to read and write it, \
        or permission to read it and open the store with read_only";
    const DIRECTORY: &str = "a store is a directory with two files in it, so pass the path of one";
    const MISSING: &str = "check the path, or open it without read_only to create a store there";
    let usual = Case {
        shell: unprivileged(),
        arrange: make,
        inner: "",
        read_only: false,
        names: "",
        says: RIGHTS,
    };
    let closed: fn(&Path) = |directory| {
        fs::create_dir(directory.join("outer")).unwrap();
        chmod(directory.join("outer"), 0);
    };
    let no_directory: fn(&Path) = |directory| fs::write(directory.join("file"), "").unwrap();
    let cases = [
        Case {
            arrange: closed,
            inner: "outer/inner",
            names: "outer/inner",
            ..usual
        },
        Case {
            arrange: closed,
            inner: "outer/inner",
            names: "outer/inner",
            read_only: true,
            ..usual
        },
        Case {
            arrange: |directory| chmod(directory, 0o555),
            names: "data.mdb",
            ..usual
        },
        Case {
            arrange: |directory| {
                make(directory);
                chmod(directory.join("data.mdb"), 0o444);
            },
            names: "data.mdb",
            ..usual
        },
        Case {
            arrange: |directory| {
                make(directory);
                chmod(directory.join("data.mdb"), 0o200);
            },
            read_only: true,
            names: "data.mdb",
            ..usual
        },
        Case {
            arrange: |directory| {
                make(directory);
                chmod(directory.join("lock.mdb"), 0o444);
            },
            names: "lock.mdb",
            ..usual
        },
        Case {
            inner: "missing",
            read_only: true,
            names: "missing",
            says: MISSING,
            ..usual
        },
        Case {
            arrange: |_| {},
            read_only: true,
            names: "data.mdb",
            says: MISSING,
            ..usual
        },
        Case {
            arrange: no_directory,
            inner: "file",
            names: "file",
            says: DIRECTORY,
            ..usual
        },
        Case {
            arrange: no_directory,
            inner: "file/inner",
            names: "file/inner",
            says: DIRECTORY,
            ..usual
        },
        Case {
            arrange: no_directory,
            inner: "file",
            read_only: true,
            names: "file",
            says: DIRECTORY,
            ..usual
        },
        Case {
            arrange: |directory| fs::create_dir(directory.join("data.mdb")).unwrap(),
            names: "data.mdb",
            says: DIRECTORY,
            ..usual
        },
        Case {
            arrange: |directory| {
                make(directory);
                fs::write(directory.join("data.mdb"), vec![1; 100_000]).unwrap();
            },
            says: "its data.mdb is not a file of this LMDB",
            ..usual
        },
        Case {
            shell: "ulimit -n 5;",
            says: "allow the process more open files (ulimit -n), or open fewer stores",
            ..usual
        },
    ];
    for case in cases {
        case.check();
    }
    if can_mount() {
        let mounted = Case {
            shell: READ_ONLY_MOUNT,
            names: "data.mdb",
            says: "open it with read_only, or mount its file system for writing",
            ..usual
        };
        mounted.check();
    }
}

/// Not a test of its own: makes a store for which there is no room.
#[test]
fn child_opens_on_a_full_disk() {
    let Some(directory) = child_directory() else {
        return;
    };
    let directory = PathBuf::from(directory);
    println!(
        "said {:?}",
        LmdbStore::open(directory).map_err(|error| error.to_string())
    );
}

/// Makes a disk with so little room.
fn small_disk(bytes: u32) -> String {
    format!(
        "exec unshare --map-root-user --mount sh -c 'mount -t tmpfs -o size={bytes} none \"$MIDGARD_TEST_CHILD\" \
         && exec \"$0\" \"$@\"' \"$0\" \"$@\";"
    )
}

#[test]
fn where_there_is_no_room_for_the_files_it_is_an_error_and_no_signal() {
    if child_directory().is_some() || !can_mount() {
        return;
    }
    // Room for one file, for none, for a part of one.
    for pages in [1, 2, 3, 4, 8, 16, 17, 25] {
        let directory = tempfile::tempdir().unwrap();
        let shell = small_disk(pages * 4096);
        let mut child = Process::start_in(
            &shell,
            "opening::child_opens_on_a_full_disk",
            directory.path(),
            &[],
        );
        let error = child.next("said ");
        println!("{pages} pages: {error}");
        assert!(
            error.contains("the disk is full; free some space"),
            "{pages} pages: {error}"
        );
        assert!(child.end().success());
    }
}

/// Not a test of its own: fills the disk, and begins to read.
#[test]
fn child_reads_on_a_full_disk() {
    let Some(directory) = child_directory() else {
        return;
    };
    let directory = PathBuf::from(directory);
    let store = LmdbStore::open(directory.join("store")).unwrap();
    drop(store);
    fs::write(directory.join("ballast"), vec![0; 1 << 20]).unwrap_err();
    let store = LmdbStore::open(directory.join("store")).unwrap();
    let snapshots: Vec<_> = (0..1022).map(|_| store.snapshot().unwrap()).collect();
    println!("said {} snapshots", snapshots.len());
}

#[test]
fn a_store_on_a_full_disk_can_be_opened_and_read_by_as_many_as_ever() {
    if child_directory().is_some() || !can_mount() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let shell = small_disk(60 * 4096);
    let mut child = Process::start_in(
        &shell,
        "opening::child_reads_on_a_full_disk",
        directory.path(),
        &[],
    );
    child.next("said 1022 snapshots");
    assert!(child.end().success());
}

/// Not a test of its own: makes a store that the group may use, and a backup of it.
#[test]
fn child_makes_a_store_for_its_group() {
    let Some(directory) = child_directory() else {
        return;
    };
    let directory = PathBuf::from(directory);
    let store = LmdbStore::options()
        .file_mode(0o666)
        .open(directory.join("store"))
        .unwrap();
    append(&store, "a", vec![event("1")]).unwrap();
    let target = directory.join("backup");
    let backup = store.backup();
    backup.to(target, |_| ControlFlow::Continue(())).unwrap();
    println!("made");
}

#[test]
fn the_files_have_the_mode_that_is_asked_for_less_what_the_umask_takes() {
    if child_directory().is_some() {
        return;
    }
    for (umask, expected) in [("027", 0o640), ("002", 0o664), ("077", 0o600)] {
        let directory = tempfile::tempdir().unwrap();
        let child = Process::start_in(
            &format!("umask {umask};"),
            "opening::child_makes_a_store_for_its_group",
            directory.path(),
            &[],
        );
        child.next("made");
        for file in ["store/data.mdb", "store/lock.mdb", "backup/data.mdb"] {
            let mode = mode(directory.path().join(file));
            assert_eq!(mode, expected, "umask {umask}, {file}: {mode:o}");
        }
    }
}

#[test]
fn files_are_for_their_owner_alone_where_nothing_is_asked_for_and_stay_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let modes = || ["data.mdb", "lock.mdb"].map(|file| mode(directory.path().join(file)));
    drop(LmdbStore::open(directory.path()).unwrap());
    assert_eq!(modes(), [0o600, 0o600]);
    let asked = || LmdbStore::options().file_mode(0o640).open(directory.path());
    drop(asked().unwrap());
    assert_eq!(modes(), [0o600, 0o600]);
    for file in ["data.mdb", "lock.mdb"] {
        chmod(directory.path().join(file), 0o660);
    }
    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store, "a", vec![event("1")]).unwrap();
    assert_eq!(modes(), [0o660, 0o660]);
    // A backup is for those who may use the store; what may only be read is a store of its own there.
    drop(store);
    chmod(directory.path().join("data.mdb"), 0o440);
    let reading = LmdbStore::options().read_only();
    let reading = reading.open(directory.path()).unwrap();
    let target = tempfile::tempdir().unwrap();
    let backup = reading.backup();
    backup
        .to(target.path(), |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!(mode(target.path().join("data.mdb")), 0o640);
    let restored = LmdbStore::open(target.path()).unwrap();
    append(&restored, "a", vec![event("2")]).unwrap();
    assert_eq!(read_log(&restored).unwrap().len(), 2);
}
