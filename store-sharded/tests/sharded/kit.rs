//! Appends and entries, for the tests.

use midgard::event::NewEvent;
use midgard::store::{
    Append, AppendError, Appended, EntryWrite, ExpectedVersion, ReadEntries, ReadStream,
};
use midgard::{Store, StreamName, block_on};
use std::ops::ControlFlow;

pub(crate) fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

pub(crate) fn event(number: u64) -> NewEvent {
    NewEvent::json("counted", 1, number.to_string().into_bytes())
}

/// Appends one event of a number.
pub(crate) fn to(name: &str, number: u64) -> Append {
    Append::to(stream(name), ExpectedVersion::Any, [event(number)])
}

pub(crate) fn append(store: &impl Store, append: Append) -> Result<Appended, AppendError> {
    block_on(store.append(append))
}

/// Returns the value of an entry.
pub(crate) async fn entry(store: &impl Store, key: &[u8]) -> Option<Vec<u8>> {
    let mut value = None;
    let each = &mut |_: &[u8], found: &[u8]| {
        value = Some(found.to_vec());
        ControlFlow::Continue(())
    };
    store
        .read_entries(&ReadEntries::key(key), each)
        .await
        .unwrap();
    value
}

/// Returns all entries.
pub(crate) fn entries(store: &impl Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    let each = &mut |key: &[u8], value: &[u8]| {
        entries.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    block_on(store.read_entries(&ReadEntries::prefix(b""), each)).unwrap();
    entries
}

/// Returns the numbers of a stream's events.
pub(crate) fn numbers(store: &impl Store, name: &str) -> Vec<u64> {
    let mut numbers = Vec::new();
    let each = &mut |event: midgard::event::RecordedEventRef<'_>| {
        let text = std::str::from_utf8(event.payload).unwrap();
        numbers.push(text.parse().unwrap());
        ControlFlow::Continue(())
    };
    let read = ReadStream::forward(stream(name));
    block_on(store.read_stream(&read, each)).unwrap();
    numbers
}

/// Changes an entry from one text to another.
pub(crate) fn change(key: &str, from: Option<&str>, to: &str) -> EntryWrite {
    EntryWrite::new()
        .expect(key.as_bytes(), from.map(str::as_bytes))
        .put(key.as_bytes(), to.as_bytes())
}
