//! What the tests of this store share.
#![allow(dead_code, clippy::print_stderr, clippy::unwrap_used)]

pub(crate) mod journal;
pub(crate) mod process;
#[cfg(unix)]
pub(crate) mod user;

use midgard::event::{NewEvent, RecordedEvent};
use midgard::store::ReadEntries;
use midgard::store::{
    Append, AppendError, Appended, ExpectedVersion, ReadLog, ReadStream, StoreError,
};
use midgard::{Store, StreamName, block_on};
use midgard_store_lmdb::{Durability, LmdbStore, Verification};
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

pub(crate) fn event(payload: impl Into<String>) -> NewEvent {
    NewEvent::json("thing.happened", 1, payload.into().into_bytes())
}

/// So many events of one payload, each with an id of its own.
pub(crate) fn events(count: usize, payload: impl Into<String>) -> Vec<NewEvent> {
    let payload = payload.into();
    (0..count).map(|_| event(payload.clone())).collect()
}

pub(crate) fn append(
    store: &impl Store,
    name: &str,
    events: Vec<NewEvent>,
) -> Result<Appended, AppendError> {
    block_on(store.append(Append::to(stream(name), ExpectedVersion::Any, events)))
}

pub(crate) fn read_log(store: &impl Store) -> Result<Vec<RecordedEvent>, StoreError> {
    let mut events = Vec::new();
    block_on(store.read_log(&ReadLog::forward(), &mut |event| {
        events.push(event.to_owned());
        ControlFlow::Continue(())
    }))?;
    Ok(events)
}

pub(crate) fn read_stream(
    store: &impl Store,
    name: &str,
) -> Result<Vec<RecordedEvent>, StoreError> {
    let mut events = Vec::new();
    block_on(
        store.read_stream(&ReadStream::forward(stream(name)), &mut |event| {
            events.push(event.to_owned());
            ControlFlow::Continue(())
        }),
    )?;
    Ok(events)
}

pub(crate) fn read_entries(store: &impl Store, read: &ReadEntries) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    block_on(store.read_entries(read, &mut |key, value| {
        entries.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    }))
    .unwrap();
    entries
}

pub(crate) fn payloads(events: &[RecordedEvent]) -> Vec<String> {
    events
        .iter()
        .map(|event| String::from_utf8(event.payload.clone()).unwrap())
        .collect()
}

/// Opens a store that need not survive the system.
pub(crate) fn open_unsynced(directory: &Path) -> LmdbStore {
    LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory)
        .unwrap()
}

/// Appends so many events to each of so many streams, in turn.
pub(crate) fn fill(store: &impl Store, prefix: &str, streams: usize, events: usize) {
    let names: Vec<_> = (0..streams)
        .map(|number| stream(&format!("{prefix}-{number}")))
        .collect();
    for number in 0..events {
        for names in names.chunks(1000) {
            let event = || [event(format!("{{\"number\":{number}}}"))];
            let (first, others) = names.split_first().unwrap();
            let mut append = Append::to(first.clone(), ExpectedVersion::Any, event());
            for name in others {
                append = append.and(name.clone(), ExpectedVersion::Any, event());
            }
            block_on(store.append(append)).unwrap();
        }
    }
}

/// Puts the store of format 1 that a release has written into a directory.
pub(crate) fn copy_format_1(directory: &Path) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1/data.mdb");
    std::fs::copy(fixture, directory.join("data.mdb")).unwrap();
}

/// Changes every place in the data file where `old` stands. There is at least one.
pub(crate) fn patch(directory: &Path, old: &[u8], new: &[u8]) {
    assert_eq!(old.len(), new.len());
    let file = directory.join("data.mdb");
    let mut bytes = std::fs::read(&file).unwrap();
    let places: Vec<_> = (0..=bytes.len() - old.len())
        .filter(|at| &bytes[*at..*at + old.len()] == old)
        .collect();
    assert!(!places.is_empty(), "{old:?} does not stand in the file");
    for at in places {
        bytes[at..at + new.len()].copy_from_slice(new);
    }
    std::fs::write(&file, bytes).unwrap();
}

/// Checks the whole store.
pub(crate) fn verify(store: &LmdbStore) -> Verification {
    store.verify(|_| ControlFlow::Continue(())).unwrap()
}

/// The problems, line by line.
pub(crate) fn problems(verification: &Verification) -> Vec<String> {
    let problems = verification.problems.iter();
    problems.map(ToString::to_string).collect()
}

#[track_caller]
pub(crate) fn assert_sound(verification: &Verification) {
    let problems = problems(verification).join("\n");
    assert!(verification.is_sound(), "{verification}:\n{problems}");
}

/// The number that an environment variable holds, for those who want a longer run; `usual` where it is not set.
pub(crate) fn number_of(variable: &str, usual: u64) -> u64 {
    match std::env::var(variable) {
        Ok(number) => number.parse().unwrap(),
        Err(_) => usual,
    }
}

/// The directory that a child process is told to work in; `None` in the test run itself.
pub(crate) fn child_directory() -> Option<String> {
    std::env::var("MIDGARD_TEST_CHILD").ok()
}

/// Starts this test program again as a process of its own that runs only the test `name`, with its
/// standard output piped. `shell` may put commands before it, such as one that sets a limit.
pub(crate) fn start_child(name: &str, directory: &Path, shell: &str) -> Child {
    child_command(name, directory, shell).spawn().unwrap()
}

pub(crate) fn child_command(name: &str, directory: &Path, shell: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{shell} exec \"$0\" \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env("MIDGARD_TEST_CHILD", directory)
        .stdout(Stdio::piped());
    command
}

/// What a child says, by the words its lines begin with.
pub(crate) struct Lines(std::io::Lines<BufReader<ChildStdout>>);

impl Lines {
    pub(crate) fn of(child: &mut Child) -> Self {
        Lines(BufReader::new(child.stdout.take().unwrap()).lines())
    }

    /// The rest of the next line with these words; `None` when the child ended without one. The test
    /// harness may have written its own words before them.
    pub(crate) fn next(&mut self, words: &str) -> Option<String> {
        self.0.find_map(|line| {
            line.unwrap()
                .split_once(words)
                .map(|(_, rest)| rest.to_owned())
        })
    }
}

/// Lets threads do something until another one is done, also when that panics.
pub(crate) struct While(AtomicBool);

impl While {
    pub(crate) const fn new() -> Self {
        While(AtomicBool::new(true))
    }

    pub(crate) fn holds(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) const fn until_dropped(&self) -> End<'_> {
        End(&self.0)
    }
}

pub(crate) struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
