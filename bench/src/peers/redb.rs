//! redb: a table for the log, and one for its index.

use super::key_value::{index_key, payload, record};
use super::{Appending, Event, Expected, Facts, Filling, Outcome, Peer, Refuses, Stream, Visit};
use ::redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use std::future::ready;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) const FACTS: Facts = Facts {
    title: "redb",
    packages: &["redb"],
    durability: "`Durability::Immediate`; a transaction for each append",
    refuses: Refuses::TakenVersions,
    several_streams: true,
    filling: Filling::Batches,
};

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const VERSIONS: TableDefinition<'_, &[u8], u64> = TableDefinition::new("versions");

pub(super) struct Redb {
    database: Database,
    /// The last position in the log. Only a write transaction increments it, and there is one at a time.
    last: AtomicU64,
}

impl Redb {
    pub(super) fn create(directory: &Path) -> Outcome<Self> {
        Ok(Redb {
            database: Database::create(directory.join("events.redb"))?,
            last: AtomicU64::new(0),
        })
    }

    fn write(&self, events: &[Event]) -> Outcome<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        let mut log = transaction.open_table(LOG)?;
        let mut versions = transaction.open_table(VERSIONS)?;
        for event in events {
            let position = self.last.fetch_add(1, Ordering::Relaxed) + 1;
            log.insert(position, &*record(event))?;
            let key = index_key(&event.stream, event.version);
            if versions.insert(&*key, position)?.is_some() {
                return Err("the stream has this version already".into());
            }
        }
        drop((log, versions));
        Ok(transaction.commit()?)
    }
}

impl Peer for Redb {
    fn append(&self, events: Vec<Event>, _: Expected) -> Appending<'_> {
        Box::pin(ready(self.write(&events)))
    }

    fn blocks(&self) -> bool {
        true
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Outcome<()> {
        let log = self.database.begin_read()?.open_table(LOG)?;
        for entry in log.iter()? {
            visit(payload(entry?.1.value())?);
        }
        Ok(())
    }

    fn load(&self, stream: &Stream<'_>, visit: &mut Visit<'_>) -> Outcome<()> {
        let transaction = self.database.begin_read()?;
        let log = transaction.open_table(LOG)?;
        let versions = transaction.open_table(VERSIONS)?;
        let (first, last) = (index_key(stream.name, 0), index_key(stream.name, u64::MAX));
        for entry in versions.range(&*first..=&*last)? {
            let record = log.get(entry?.1.value())?;
            visit(payload(record.ok_or("an event is missing")?.value())?);
        }
        Ok(())
    }
}
