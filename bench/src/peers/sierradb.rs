//! SierraDB, embedded: one bucket and one partition, so that there is one order of all events.

use super::{Appending, EVENT_NAME, Event, Expected, Facts, Filling, Outcome, Peer, Refuses};
use super::{Stream, Visit};
use ::sierradb::bucket::segment::CommittedEvents;
use ::sierradb::database::{Database, DatabaseBuilder, ExpectedVersion, NewEvent, Transaction};
use ::sierradb::id::{uuid_to_partition_hash, uuid_v7_with_partition_hash};
use ::sierradb::{IterDirection, StreamId};
use midgard::block_on;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

pub(super) const FACTS: Facts = Facts {
    title: "SierraDB",
    packages: &["sierradb"],
    durability: "an append returns when fdatasync did, which comes after 64 KiB, 256 events or 1 ms",
    refuses: Refuses::OtherVersions,
    several_streams: true,
    // A load reads the whole of each transaction that has an event of the stream.
    filling: Filling::Singles,
};

/// The longest wait of an append before a sync. With the defaults (5 ms, 50 ms when idle, 4 KiB, 50 events) one
/// producer waits ten times as long, and the events of many are synced in more pieces.
const SYNC_INTERVAL: Duration = Duration::from_millis(1);
const SYNC_BYTES: usize = 64 << 10;
const SYNC_EVENTS: usize = 256;
const PARTITION: u16 = 0;
const PARTITION_KEY: Uuid = Uuid::from_u128(1);
/// How many transactions are read at once.
const AT_ONCE: usize = 500;

pub(super) struct SierraDb(Database);

impl SierraDb {
    pub(super) fn create(directory: &Path) -> Outcome<Self> {
        let database = DatabaseBuilder::new()
            .total_buckets(1)
            .bucket_ids_from_range(0..1)
            .writer_threads(1)
            .reader_threads(2)
            .sync_interval(SYNC_INTERVAL)
            .sync_idle_interval(SYNC_INTERVAL)
            .min_sync_bytes(SYNC_BYTES)
            .max_batch_size(SYNC_EVENTS)
            .open(directory)?;
        Ok(SierraDb(database))
    }
}

impl Peer for SierraDb {
    fn append(&self, events: Vec<Event>, expected: Expected) -> Appending<'_> {
        Box::pin(async move {
            let events = events.into_iter().map(|event| new_event(event, expected));
            let events = events.collect::<Outcome<_>>()?;
            let transaction = Transaction::new(PARTITION_KEY, PARTITION, events)?;
            self.0.append_events(transaction).await?;
            Ok(())
        })
    }

    fn blocks(&self) -> bool {
        false
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Outcome<()> {
        block_on(async {
            let forward = IterDirection::Forward;
            let mut events = self.0.read_partition(PARTITION, 0, forward).await?;
            while let Some(batch) = events.next_batch(AT_ONCE).await? {
                batch.iter().for_each(|committed| each(committed, visit));
            }
            Ok(())
        })
    }

    fn load(&self, stream: &Stream<'_>, visit: &mut Visit<'_>) -> Outcome<()> {
        let id = StreamId::new(stream.name)?;
        block_on(async {
            let forward = IterDirection::Forward;
            let mut events = self.0.read_stream(PARTITION, id, 0, forward).await?;
            while let Some(batch) = events.next_batch(AT_ONCE).await? {
                batch.iter().for_each(|committed| each(committed, visit));
            }
            Ok(())
        })
    }
}

impl Drop for SierraDb {
    fn drop(&mut self) {
        block_on(self.0.shutdown());
    }
}

/// SierraDB counts from 0, and expects the version of the previous event.
fn new_event(event: Event, expected: Expected) -> Outcome<NewEvent> {
    let stream_version = match expected {
        Expected::Any => ExpectedVersion::Any,
        Expected::Exact if event.version == 1 => ExpectedVersion::Empty,
        Expected::Exact => ExpectedVersion::Exact(event.version - 2),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(NewEvent {
        event_id: uuid_v7_with_partition_hash(uuid_to_partition_hash(PARTITION_KEY)),
        stream_id: StreamId::new(event.stream)?,
        stream_version,
        event_name: EVENT_NAME.into(),
        timestamp: u64::try_from(now.as_nanos())?,
        metadata: Vec::new(),
        payload: event.payload,
    })
}

/// Visits the payloads of a transaction.
fn each(committed: &CommittedEvents, visit: &mut Visit<'_>) {
    match committed {
        CommittedEvents::Single(event) => visit(&event.payload),
        CommittedEvents::Transaction { events, .. } => {
            events.iter().for_each(|event| visit(&event.payload));
        }
    }
}
