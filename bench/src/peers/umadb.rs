//! UmaDB's core by its writer thread, as its server runs it: a stream is a tag.

use super::{Appending, EVENT_NAME, Event, Expected, Facts, Filling, Outcome, Peer, Refuses};
use super::{Stream, Visit, by_stream};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::sync::{mpsc, oneshot, watch};
use umadb_core::db::UmaDb as Database;
use umadb_core::mvcc::{Mvcc, StorageOptions};
use umadb_core::pager::ReadMethod;
use umadb_core::writer_thread_blocking::writer_thread_blocking;
use umadb_core::writer_thread_request::WriterThreadRequest;
use umadb_dcb::{DcbAppendCondition, DcbEvent, DcbEventStoreSync, DcbQuery, DcbQueryItem};

pub(super) const FACTS: Facts = Facts {
    title: "UmaDB",
    packages: &["umadb-core"],
    durability: "always durable; its writer thread commits what waits together, 2,000 events at most",
    refuses: Refuses::OtherVersions,
    several_streams: true,
    filling: Filling::Batches,
};

/// As many as its server takes by default.
const EVENTS_A_COMMIT: usize = 2000;
/// As much as the measured data needs.
const CACHE_MB: usize = 256;
const WAITING_APPENDS: usize = 10_000;

pub(super) struct UmaDb {
    database: Database,
    requests: mpsc::Sender<WriterThreadRequest>,
    writer: Option<JoinHandle<()>>,
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
        let options = StorageOptions::default()
            .db_path(directory)
            .read_method(ReadMethod::Mmap)
            .page_cache_max_mb(CACHE_MB);
        let storage = Arc::new(Mvcc::new(false, options)?);
        let (requests, received) = mpsc::channel(WAITING_APPENDS);
        let (head, _) = watch::channel(None);
        let writes = storage.clone();
        let writer = thread::Builder::new().name("umadb".into()).spawn(move || {
            writer_thread_blocking(writes, received, head, EVENTS_A_COMMIT);
        })?;
        Ok(UmaDb {
            database: Database::from_arc(storage),
            requests,
            writer: Some(writer),
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
        for event in self.database.read(query, None, false, None)? {
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
        let (response, answer) = oneshot::channel();
        let request = WriterThreadRequest::Append {
            events: events.collect(),
            condition,
            tracking_info: None,
            response_tx: response,
            cancel: None,
        };
        Box::pin(async move {
            let sent = self.requests.send(request).await;
            sent.map_err(|_| "the writer thread has ended")?;
            self.remember(&appended, answer.await??);
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

impl Drop for UmaDb {
    fn drop(&mut self) {
        let _ = self.requests.blocking_send(WriterThreadRequest::Shutdown);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Returns the query for the events of a stream.
fn stream(name: &str) -> DcbQueryItem {
    DcbQueryItem::new().tags([name])
}
