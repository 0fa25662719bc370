//! LevelDB, the one in C++: its log and its index are told apart by the first byte of a key.

use super::key_value::{index_key, payload, record, stream_prefix};
use super::{Appending, Event, Expected, Facts, Filling, Outcome, Peer, Refuses, Stream, Visit};
use ::leveldb::batch::{Batch, WriteBatch};
use ::leveldb::database::Database;
use ::leveldb::iterator::{Iterable, LevelDBIterator};
use ::leveldb::options::{Options, ReadOptions, WriteOptions};
use std::future::ready;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) const FACTS: Facts = Facts {
    title: "LevelDB",
    packages: &["cruzbit-leveldb", "cruzbit-leveldb-sys"],
    durability: "`sync=true` (fdatasync) in each write; LevelDB groups writes by itself",
    refuses: Refuses::Nothing,
    several_streams: true,
    filling: Filling::Batches,
};

/// The prefixes of the keys of the two: the log comes last, so that a scan ends where the keys do.
const VERSIONS: &[u8] = b"i";
const LOG: &[u8] = b"l";

/// Without compression, as in the binding, it reads its tables from mapped memory, and needs no cache.
pub(super) struct LevelDb {
    database: Database,
    last: AtomicU64,
}

impl LevelDb {
    pub(super) fn create(directory: &Path) -> Outcome<Self> {
        let mut options = Options::new();
        options.create_if_missing = true;
        Ok(LevelDb {
            database: Database::open(directory, &options)?,
            last: AtomicU64::new(0),
        })
    }

    fn write(&self, events: &[Event]) -> Outcome<()> {
        let batch = WriteBatch::new();
        for event in events {
            let position = self.last.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            batch.put_u8(&log(&position), &record(event));
            let key = versions(&index_key(&event.stream, event.version));
            batch.put_u8(&key, &position);
        }
        let options = WriteOptions { sync: true };
        Ok(self.database.write(&options, &batch)?)
    }
}

impl Peer for LevelDb {
    fn append(&self, events: Vec<Event>, _: Expected) -> Appending<'_> {
        Box::pin(ready(self.write(&events)))
    }

    fn blocks(&self) -> bool {
        true
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Outcome<()> {
        let mut entries = self.database.iter(&ReadOptions::new());
        entries.seek(&log(&[]));
        while entries.advance(false) {
            visit(payload(&entries.value())?);
        }
        Ok(())
    }

    fn load(&self, stream: &Stream<'_>, visit: &mut Visit<'_>) -> Outcome<()> {
        let prefix = versions(&stream_prefix(stream.name));
        let mut entries = self.database.iter(&ReadOptions::new());
        entries.seek(&prefix);
        while entries.advance(false) && entries.key().starts_with(&prefix) {
            let key = log(&entries.value());
            let record = self.database.get_u8(&ReadOptions::new(), &key)?;
            visit(payload(&record.ok_or("an event is missing")?)?);
        }
        Ok(())
    }
}

fn log(position: &[u8]) -> Vec<u8> {
    [LOG, position].concat()
}

fn versions(key: &[u8]) -> Vec<u8> {
    [VERSIONS, key].concat()
}
