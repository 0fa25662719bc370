//! fjall: a keyspace for the log, and one for its index.

use super::key_value::{index_key, payload, record, stream_prefix};
use super::{Appending, Event, Expected, Facts, Filling, Outcome, Peer, Refuses, Stream, Visit};
use ::fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::future::ready;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) const FACTS: Facts = Facts {
    title: "fjall",
    packages: &["fjall", "lsm-tree"],
    durability: "`PersistMode::SyncData` (fdatasync) in each batch; a batch for each append",
    refuses: Refuses::Nothing,
    several_streams: true,
    filling: Filling::Batches,
};

/// As much as the measured data needs.
const CACHE: u64 = 256 << 20;

pub(super) struct Fjall {
    database: Database,
    log: Keyspace,
    versions: Keyspace,
    last: AtomicU64,
}

impl Fjall {
    pub(super) fn create(directory: &Path) -> Outcome<Self> {
        let database = Database::builder(directory).cache_size(CACHE).open()?;
        Ok(Fjall {
            log: database.keyspace("log", KeyspaceCreateOptions::default)?,
            versions: database.keyspace("versions", KeyspaceCreateOptions::default)?,
            database,
            last: AtomicU64::new(0),
        })
    }

    fn write(&self, events: &[Event]) -> Outcome<()> {
        let mut batch = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        for event in events {
            let position = self.last.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            batch.insert(&self.log, position, record(event));
            let key = index_key(&event.stream, event.version);
            batch.insert(&self.versions, key, position);
        }
        Ok(batch.commit()?)
    }
}

impl Peer for Fjall {
    fn append(&self, events: Vec<Event>, _: Expected) -> Appending<'_> {
        Box::pin(ready(self.write(&events)))
    }

    fn blocks(&self) -> bool {
        true
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Outcome<()> {
        for entry in self.log.iter() {
            visit(payload(&entry.value()?)?);
        }
        Ok(())
    }

    fn load(&self, stream: &Stream<'_>, visit: &mut Visit<'_>) -> Outcome<()> {
        for entry in self.versions.prefix(stream_prefix(stream.name)) {
            let record = self.log.get(entry.value()?)?;
            visit(payload(&record.ok_or("an event is missing")?)?);
        }
        Ok(())
    }
}
