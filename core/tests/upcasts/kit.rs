//! What earlier releases have written, and what is in the log.

use midgard::event::{NewEvent, RecordedEvent, RecordedEventRef};
use midgard::store::{Append, ExpectedVersion, ReadLog};
use midgard::{MemoryStore, Store, StreamName, block_on};
use std::ops::ControlFlow;

/// A payload that an earlier release has written.
#[allow(clippy::needless_pass_by_value)] // Calls read as they should.
pub(crate) fn at_version(
    name: &'static str,
    schema_version: u32,
    payload: serde_json::Value,
) -> NewEvent {
    NewEvent::json(name, schema_version, payload.to_string().into_bytes())
}

pub(crate) fn append_raw(store: &MemoryStore, stream: &str, events: Vec<NewEvent>) {
    let stream = StreamName::new(stream).unwrap();
    block_on(store.append(Append::to(stream, ExpectedVersion::Any, events))).unwrap();
}

/// All that is in the log.
pub(crate) fn recorded(store: &MemoryStore) -> Vec<RecordedEvent> {
    let mut all = Vec::new();
    let mut each = |event: RecordedEventRef<'_>| {
        all.push(event.to_owned());
        ControlFlow::Continue(())
    };
    block_on(store.read_log(&ReadLog::forward(), &mut each)).unwrap();
    all
}
