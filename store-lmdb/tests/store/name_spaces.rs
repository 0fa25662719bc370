//! Processes of two name spaces of ids, as two containers with one volume are.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::process::{Process, told};
use crate::common::user::can_unshare;
use crate::common::{append, child_directory, event, read_log};
use midgard_store_lmdb::LmdbStore;
use std::path::Path;

/// A shell command: what follows is done in a new name space, with a mount of its own to look at.
const ELSEWHERE: &str = "exec unshare --map-root-user --pid --fork --kill-child --mount-proc sh -c 'exec \"$0\" \"$@\"' \"$0\" \"$@\";";

/// Not a test of its own: opens the store, and keeps it open until it is told to end.
#[test]
fn child_opens() {
    let Some(directory) = child_directory() else {
        return;
    };
    match LmdbStore::open(directory) {
        Ok(store) => {
            append(&store, "a", vec![event("child")]).unwrap();
            println!("child: opened");
            told();
        }
        Err(error) => println!("child: refused {error}"),
    }
}

fn start(shell: &str, directory: &Path) -> Process {
    Process::start_in(shell, "name_spaces::child_opens", directory, &[])
}

#[test]
fn a_store_is_open_in_one_name_space_of_processes_at_a_time() {
    if child_directory().is_some() || !can_unshare("--pid --fork --mount-proc") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store, "a", vec![event("parent")]).unwrap();
    for _ in 0..3 {
        let error = start(ELSEWHERE, directory.path()).next("child: refused");
        let words = "is open in another namespace of process ids, such as that of another container, and LMDB's locks do not \
                     work across namespaces; run all processes that use it in one";
        assert!(error.contains(words), "{error}");
    }
    start("", directory.path()).next("child: opened");
    append(&store, "a", vec![event("parent")]).unwrap();

    // When nobody here has it open any more, another may.
    drop(store);
    let mut there = start(ELSEWHERE, directory.path());
    there.next("child: opened");
    let error = LmdbStore::open(directory.path()).unwrap_err().to_string();
    assert!(
        error.contains(&directory.path().display().to_string()),
        "{error}"
    );
    assert!(error.contains("another namespace"), "{error}");
    // A process that is killed leaves nothing behind.
    there.kill();
    let end = std::time::Instant::now() + crate::common::process::LONG;
    let store = loop {
        match LmdbStore::open(directory.path()) {
            Ok(store) => break store,
            Err(error) => assert!(std::time::Instant::now() < end, "{error}"),
        }
    };
    assert_eq!(read_log(&store).unwrap().len(), 4);
}
