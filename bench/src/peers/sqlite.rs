//! SQLite by rusqlite: one table, with an index over stream and version.

use super::{Appending, EVENT_NAME, Event, Expected, Facts, Filling, Outcome, Peer, Refuses};
use super::{Stream, Visit};
use rusqlite::{Connection, params};
use std::future::ready;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

pub(super) const FACTS: Facts = Facts {
    title: "SQLite",
    packages: &["rusqlite", "libsqlite3-sys"],
    durability: "`journal_mode=WAL`, `synchronous=FULL`; a transaction for each append",
    refuses: Refuses::TakenVersions,
    several_streams: true,
    filling: Filling::Batches,
};

pub(super) struct Sqlite {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
}

impl Sqlite {
    pub(super) fn create(directory: &Path) -> Outcome<Self> {
        let path = directory.join("events.db");
        let writer = open(&path)?;
        writer.execute_batch(
            "CREATE TABLE events (
                position INTEGER PRIMARY KEY,
                stream TEXT NOT NULL,
                version INTEGER NOT NULL,
                name TEXT NOT NULL,
                payload BLOB NOT NULL
            ) STRICT;
            CREATE UNIQUE INDEX versions ON events (stream, version);",
        )?;
        Ok(Sqlite {
            writer: Mutex::new(writer),
            reader: Mutex::new(open(&path)?),
        })
    }

    fn insert(&self, events: &[Event]) -> Outcome<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = writer.transaction()?;
        let mut insert = transaction.prepare_cached(
            "INSERT INTO events (stream, version, name, payload) VALUES (?, ?, ?, ?)",
        )?;
        for event in events {
            let version = i64::try_from(event.version)?;
            insert.execute(params![event.stream, version, EVENT_NAME, event.payload])?;
        }
        drop(insert);
        Ok(transaction.commit()?)
    }
}

impl Peer for Sqlite {
    fn append(&self, events: Vec<Event>, _: Expected) -> Appending<'_> {
        Box::pin(ready(self.insert(&events)))
    }

    fn blocks(&self) -> bool {
        true
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Outcome<()> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut select = reader.prepare_cached(
            "SELECT payload, position, stream, version, name FROM events ORDER BY position",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            visit(row.get_ref(0)?.as_blob()?);
        }
        Ok(())
    }

    fn load(&self, stream: &Stream<'_>, visit: &mut Visit<'_>) -> Outcome<()> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut select = reader.prepare_cached(
            "SELECT payload, position, version, name FROM events WHERE stream = ? ORDER BY version",
        )?;
        let mut rows = select.query([stream.name])?;
        while let Some(row) = rows.next()? {
            visit(row.get_ref(0)?.as_blob()?);
        }
        Ok(())
    }
}

/// Opens a connection that keeps all of the measured data in memory once it was read.
fn open(path: &Path) -> Outcome<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA cache_size = -262144;
        PRAGMA mmap_size = 4294967296;",
    )?;
    Ok(connection)
}
