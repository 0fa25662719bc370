//! cqrs-es with SQLite, by the repository of sqlite-es: it decodes each event, as it always does.

use super::{Appending, EVENT_NAME, Event, Expected, Facts, Filling, Outcome, Peer, Refuses};
use super::{Stream, Visit};
use ::cqrs_es::event_sink::EventSink;
use ::cqrs_es::persist::{PersistedEventRepository, SerializedEvent};
use ::cqrs_es::{Aggregate, DomainEvent, EventEnvelope};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlite_es::SqliteEventRepository;
use sqlx_0_8::sqlite::SqliteSynchronous;
use sqlx_0_8::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

pub(super) const FACTS: Facts = Facts {
    title: "cqrs-es",
    packages: &["cqrs-es", "sqlite-es", "libsqlite3-sys"],
    durability: "SQLite with `journal_mode=WAL`, `synchronous=FULL`; a transaction for each append",
    refuses: Refuses::TakenVersions,
    several_streams: true,
    filling: Filling::Batches,
};

pub(super) struct CqrsEs {
    repository: Arc<SqliteEventRepository>,
    runtime: Runtime,
}

impl CqrsEs {
    pub(super) fn create(directory: &Path) -> Outcome<Self> {
        let options = SqliteConnectOptions::new()
            .filename(directory.join("events.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("cache_size", "-262144")
            .pragma("mmap_size", "4294967296");
        let runtime = Runtime::new()?;
        // SQLite lets one write at a time: with more connections they would wait for its lock by sleeping.
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = runtime.block_on(pool.connect_with(options))?;
        // As the migrations of sqlite-es have it.
        let table = sqlx_0_8::query(
            "CREATE TABLE events (
                aggregate_type text NOT NULL,
                aggregate_id text NOT NULL,
                sequence integer CHECK (sequence >= 0) NOT NULL,
                event_type text NOT NULL,
                event_version text NOT NULL,
                payload text NOT NULL,
                metadata text NOT NULL,
                PRIMARY KEY (aggregate_type, aggregate_id, sequence)
            ) STRICT",
        );
        runtime.block_on(table.execute(&pool))?;
        Ok(CqrsEs {
            repository: Arc::new(SqliteEventRepository::new(pool)),
            runtime,
        })
    }
}

impl Peer for CqrsEs {
    fn append(&self, events: Vec<Event>, _: Expected) -> Appending<'_> {
        let repository = self.repository.clone();
        let persisted = self.runtime.spawn(async move {
            let events: Vec<_> = events.into_iter().map(serialized).collect::<Outcome<_>>()?;
            repository.persist::<Order>(&events, None).await?;
            Ok(())
        });
        Box::pin(async move { persisted.await? })
    }

    fn blocks(&self) -> bool {
        false
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Outcome<()> {
        self.runtime.block_on(async {
            let mut events = self.repository.stream_all_events::<Order>().await?;
            while let Some(event) = events.next::<Order>(&[]).await {
                visit(event?.payload.note.as_bytes());
            }
            Ok(())
        })
    }

    fn load(&self, stream: &Stream<'_>, visit: &mut Visit<'_>) -> Outcome<()> {
        let events = self.repository.get_events::<Order>(stream.name);
        for event in self.runtime.block_on(events)? {
            let event = EventEnvelope::<Order>::try_from(event)?;
            visit(event.payload.note.as_bytes());
        }
        Ok(())
    }
}

/// The event as the repository takes it.
fn serialized(event: Event) -> Outcome<SerializedEvent> {
    Ok(SerializedEvent::new(
        event.stream,
        usize::try_from(event.version)?,
        Order::TYPE.into(),
        EVENT_NAME.into(),
        "1".into(),
        serde_json::from_slice(&event.payload)?,
        json!({}),
    ))
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Order;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Approved {
    note: String,
}

impl DomainEvent for Approved {
    fn event_type(&self) -> String {
        EVENT_NAME.into()
    }

    fn event_version(&self) -> String {
        "1".into()
    }
}

/// This benchmark decides nothing: it measures the repository.
impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = ();
    type Event = Approved;
    type Error = Infallible;
    type Services = ();

    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), Infallible> {
        Ok(())
    }

    fn apply(&mut self, _: Approved) {}
}
