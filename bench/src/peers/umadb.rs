//! UmaDB as a store of streams: a stream is a tag.

use super::{Appending, EVENT_NAME, Event, Expected, Facts, Filling, Outcome, Peer, Refuses};
use super::{Stream, Visit, by_stream};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use umadb_dcb::{DcbAppendCondition, DcbEvent, DcbEventStoreSync, DcbQuery, DcbQueryItem};

pub(super) const FACTS: Facts = Facts {
    title: "UmaDB",
    packages: &["umadb-core"],
    durability: "always durable; its writer thread commits what waits together, 2,000 events at most",
    refuses: Refuses::OtherVersions,
    several_streams: true,
    filling: Filling::Batches,
};

pub(super) struct UmaDb {
    store: crate::umadb::UmaDb,
    /// The last event of each stream, by the stream's number: UmaDB's conditions are about positions.
    last: Mutex<HashMap<usize, Known>>,
}

/// An event with a known position.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    version: u64,
    position: u64,
}

impl UmaDb {
    pub(super) fn create(directory: &Path) -> Outcome<Self> {
        Ok(UmaDb {
            store: crate::umadb::UmaDb::create(directory)?,
            last: Mutex::default(),
        })
    }

    /// Returns the condition that no stream has an event after the one before the first of these; if that one is not
    /// known here, that the stream has no event at all, which UmaDB enforces.
    fn condition(&self, events: &[Event]) -> DcbAppendCondition {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut after = Some(0);
        for events in by_stream(events) {
            let known = last.get(&events[0].number).copied().unwrap_or_default();
            let position = (known.version + 1 == events[0].version).then_some(known.position);
            after = after.and_then(|after| Some(position?.max(after)));
        }
        let streams = by_stream(events).map(|events| stream(&events[0].stream));
        let after = after.filter(|after| *after > 0);
        DcbAppendCondition::new(DcbQuery::with_items(streams)).after(after)
    }

    /// Notes that the last of these events is at a position, and the others right before it.
    fn remember(&self, appended: &[(usize, u64)], position: u64) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let first = position + 1 - appended.len() as u64;
        for ((number, version), position) in appended.iter().copied().zip(first..) {
            last.insert(number, Known { version, position });
        }
    }

    fn read(&self, query: Option<DcbQuery>, visit: &mut Visit<'_>) -> Outcome<()> {
        for event in self.store.database().read(query, None, false, None)? {
            visit(&event?.event.data);
        }
        Ok(())
    }
}

impl Peer for UmaDb {
    fn append(&self, events: Vec<Event>, expected: Expected) -> Appending<'_> {
        let condition = (expected == Expected::Exact).then(|| self.condition(&events));
        let appended = events.iter().map(|event| (event.number, event.version));
        let appended: Vec<_> = appended.collect();
        let events = events.into_iter().map(|event| DcbEvent {
            event_type: EVENT_NAME.into(),
            tags: vec![event.stream],
            data: event.payload,
            ..DcbEvent::default()
        });
        let appending = self.store.append(events.collect(), condition);
        Box::pin(async move {
            self.remember(&appended, appending.await?);
            Ok(())
        })
    }

    fn blocks(&self) -> bool {
        false
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Outcome<()> {
        self.read(None, visit)
    }

    fn load(&self, of: &Stream<'_>, visit: &mut Visit<'_>) -> Outcome<()> {
        self.read(Some(DcbQuery::with_items([stream(of.name)])), visit)
    }
}

/// Returns the query for the events of a stream.
fn stream(name: &str) -> DcbQueryItem {
    DcbQueryItem::new().tags([name])
}
