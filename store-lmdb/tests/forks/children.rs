use fork::Fork;
use midgard::event::NewEvent;
use midgard::store::EmbeddedStore;
use midgard::store::{Append, AppendError, ExpectedVersion, StoreError};
use midgard::{LogId, Position, Store, StreamName, block_on};
use midgard_store_lmdb::LmdbStore;
use std::io::{Read, Write};

pub(super) const TESTS: &[(&str, fn())] = &[
    (
        "a child is refused, and the parent goes on",
        a_child_is_refused_and_the_parent_goes_on,
    ),
    (
        "a child of a child is refused",
        a_child_of_a_child_is_refused,
    ),
    (
        "a child that drops a store ends",
        a_child_that_drops_a_store_ends,
    ),
    ("a child has other stores", a_child_has_other_stores),
    (
        "a child opens what its parent has closed",
        a_child_opens_what_its_parent_has_closed,
    ),
    (
        "a child that is a program of its own",
        a_child_that_is_a_program_of_its_own,
    ),
];

/// What a child says that runs `report`.
fn in_child(report: impl FnOnce() -> String) -> String {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    match fork::fork().unwrap() {
        Fork::Child => {
            drop(reader);
            let said = report();
            let written = writer.write_all(said.as_bytes());
            std::process::exit(i32::from(written.is_err()));
        }
        Fork::Parent(process) => {
            drop(writer);
            let mut said = String::new();
            reader.read_to_string(&mut said).unwrap();
            assert_eq!(fork::waitpid(process).unwrap(), 0, "{said}");
            said
        }
    }
}

fn append(store: &LmdbStore) -> Result<u64, AppendError> {
    let event = NewEvent::json("thing.happened", 1, b"{}".to_vec());
    let stream = StreamName::new("a").unwrap();
    let append = Append::to(stream, ExpectedVersion::Any, [event]);
    let appended = block_on(store.append(append))?;
    Ok(appended.version().get())
}

const REFUSED: &str = "was opened before this process was forked, and cannot be used here; open it after the fork and not \
    before, or start the child as a program of its own";

/// How each thing that can be done with a store is refused; nothing when it is not.
fn refusals(store: &LmdbStore) -> [Option<String>; 6] {
    fn refused<T>(result: Result<T, StoreError>) -> Option<String> {
        result.err().map(|error| error.to_string())
    }
    let appended = append(store).map_err(|error| match error {
        AppendError::Store(error) => error,
        error => panic!("{error}"),
    });
    [
        refused(appended),
        refused(block_on(store.last_position(LogId::MAIN))),
        refused(block_on(store.wait_past(LogId::MAIN, Position::MAX))),
        refused(store.snapshot()),
        refused(store.verify(|_| std::ops::ControlFlow::Continue(()))),
        refused(LmdbStore::open(store.directory())),
    ]
}

fn assert_refuses(said: &str) {
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 6, "{said}");
    assert!(lines.iter().all(|line| line.contains(REFUSED)), "{said}");
}

fn report(store: &LmdbStore) -> String {
    let refusals = refusals(store);
    let lines = refusals.map(|refusal| refusal.unwrap_or_else(|| "done".to_owned()));
    lines.join("\n")
}

fn a_child_is_refused_and_the_parent_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    // Without a writer thread, and with one.
    for version in 1..=3 {
        assert_refuses(&in_child(|| report(&store)));
        assert_eq!(append(&store).unwrap(), version);
    }
    drop(store);
    let store = LmdbStore::open(directory.path()).unwrap();
    assert_eq!(append(&store).unwrap(), 4);
}

fn a_child_of_a_child_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store).unwrap();
    assert_refuses(&in_child(|| in_child(|| report(&store))));
}

fn a_child_that_drops_a_store_ends() {
    let directory = tempfile::tempdir().unwrap();
    for appends in [0, 1] {
        let store = LmdbStore::open(directory.path()).unwrap();
        for _ in 0..appends {
            append(&store).unwrap();
        }
        let copy = store.clone();
        let said = in_child(move || {
            drop(copy);
            "dropped".to_owned()
        });
        assert_eq!(said, "dropped");
        // What the child dropped was not the parent's.
        let mut store = Some(store);
        let said = in_child(|| {
            drop(store.take());
            "dropped".to_owned()
        });
        assert_eq!(said, "dropped");
        append(store.as_ref().unwrap()).unwrap();
    }
}

fn a_child_has_other_stores() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path().join("parent")).unwrap();
    append(&store).unwrap();
    for version in 1..=3 {
        let said = in_child(|| {
            let own = LmdbStore::open(directory.path().join("child")).unwrap();
            append(&own).unwrap().to_string()
        });
        assert_eq!(said, version.to_string());
    }
    append(&store).unwrap();
}

fn a_child_opens_what_its_parent_has_closed() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let store = LmdbStore::open(directory.path()).unwrap();
        append(&store).unwrap();
        drop(store);
        let said = in_child(|| {
            let store = LmdbStore::open(directory.path()).unwrap();
            append(&store).unwrap().to_string()
        });
        assert_eq!(said, (2 * round + 2).to_string());
    }
}

fn a_child_that_is_a_program_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store).unwrap();
    for _ in 0..3 {
        assert!(
            std::process::Command::new("true")
                .status()
                .unwrap()
                .success()
        );
        append(&store).unwrap();
    }
}
