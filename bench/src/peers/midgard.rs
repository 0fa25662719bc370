//! Midgard itself, through the trait that applications use.

use super::{Appending, EVENT_NAME, Event, Expected, Facts, Filling, Outcome, Peer, Refuses};
use super::{Stream, Visit, by_stream};
use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion, ReadLog, ReadStream};
use midgard::{Store, StreamName};
use midgard::{Version, block_on};
use midgard_store_lmdb::LmdbStore;
use std::ops::ControlFlow;
use std::path::Path;

pub(super) const FACTS: Facts = Facts {
    title: "Midgard",
    packages: &["midgard-store-lmdb", "lmdb-master-sys"],
    durability: "`LmdbStore::open`, which is durable; its writer commits what waits together",
    refuses: Refuses::OtherVersions,
    several_streams: true,
    filling: Filling::Batches,
};

pub(super) struct Midgard(LmdbStore);

impl Midgard {
    pub(super) fn create(directory: &Path) -> Outcome<Self> {
        Ok(Midgard(LmdbStore::open(directory)?))
    }
}

impl Peer for Midgard {
    fn append(&self, events: Vec<Event>, expected: Expected) -> Appending<'_> {
        Box::pin(async move {
            self.0.append(append(&events, expected)?).await?;
            Ok(())
        })
    }

    fn blocks(&self) -> bool {
        false
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Outcome<()> {
        block_on(self.0.read_log(&ReadLog::forward(), &mut |event| {
            visit(event.payload);
            ControlFlow::Continue(())
        }))?;
        Ok(())
    }

    fn load(&self, stream: &Stream<'_>, visit: &mut Visit<'_>) -> Outcome<()> {
        let read = ReadStream::forward(StreamName::new(stream.name)?);
        block_on(self.0.read_stream(&read, &mut |event| {
            visit(event.payload);
            ControlFlow::Continue(())
        }))?;
        Ok(())
    }
}

/// One append with a part for each run of events of a stream.
fn append(events: &[Event], expected: Expected) -> Outcome<Append> {
    by_stream(events).try_fold(Append::default(), |append, events| {
        let before = Version(events[0].version - 1);
        let expected = match expected {
            Expected::Exact => ExpectedVersion::Exact(before),
            Expected::Any => ExpectedVersion::Any,
        };
        let name = StreamName::new(&*events[0].stream)?;
        let events = events
            .iter()
            .map(|event| NewEvent::json(EVENT_NAME, 1, event.payload.clone()));
        Ok(append.and(name, expected, events))
    })
}
