//! The PostgreSQL store of [`midgard`]: events in order without gaps, durable when an append returns, for programs on
//! several machines.
//!
//! ```no_run
//! use midgard::store::{Append, ExpectedVersion};
//! use midgard::event::NewEvent;
//! use midgard::{Store, StreamName, Version};
//! use midgard_store_postgres::PostgresStore;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let store = PostgresStore::open("postgres://shop:secret@localhost/shop").await?;
//! let event = NewEvent::json("user.created", 1, b"{}".to_vec());
//! let append = Append::to(StreamName::new("user-42")?, ExpectedVersion::NoStream, [event]);
//! let appended = store.append(append).await?;
//! assert_eq!(appended.version(), Version(1));
//! # Ok(())
//! # }
//! ```
//!
//! # What to know
//!
//! - A store that is opened within a runtime of tokio has its tasks there, which make its commits and serve its connections,
//!   as long as that runtime runs. Elsewhere it has a thread of its own. It may be used from any thread and any executor.
//! - Positions have no gaps that hide an event: each commit locks the one row that has the end of the log. One task
//!   per store commits all appends that wait, so many producers share a commit. Several processes take turns.
//! - A write whose future is dropped is done as a whole or not at all; the task decides it.
//! - When the connection is lost while a commit is on its way, the write fails with
//!   [`StoreError::OutcomeUnknown`]. The same append with the same event ids settles it; when the server cannot be
//!   reached, the write fails with [`StoreError::Unreachable`], and nothing was written. The store works again as soon
//!   as the server does, without being reopened.
//! - Reads take a connection from a pool, and give it back after each batch of events. At the end of the log one reader
//!   of a store looks for events of other processes, every 2 to 20 milliseconds; events of the store's own process wake
//!   it at once.
//! - Durability is that of the server. A session with `synchronous_commit = off` is set to `on`; with a synchronous
//!   standby, an acknowledged append survives the loss of the primary.
//! - The [schema] is created when it is missing and the role may do that; otherwise the file says what to run, and which
//!   rights a role needs. A schema of a newer format is refused.
//! - Only plain SQL is used: no advisory locks, table locks, sequences, triggers, functions or notifications.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod connections;
mod contiguity;
mod entries;
mod error;
mod options;
mod query_sql;
mod reading;
mod rows;
mod runtime;
mod schema_of_store;
mod scheme;
mod statements;
mod tail;
#[cfg(feature = "tls")]
mod tls;
mod views;
mod writer;

/// The schema, as SQL that a database administrator may run beforehand.
///
/// ```sql
#[doc = include_str!("../sql/schema.sql")]
/// ```
pub mod schema {}

/// The program in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use connections::Connections;
pub use options::PostgresOptions;
pub use views::{PostgresViewSnapshot, PostgresViews};

use midgard::store::{
    Append, AppendError, Appended, EntryError, EntryWrite, ExpectedVersion, ReadEntries, ReadLog,
    ReadStream, StoreError, StreamState, Visit, VisitEntry,
};
use midgard::{LogId, Position, Store, StreamName, Version};
use runtime::Tasks;
use statements::Statements;
use std::fmt;
use std::sync::Arc;
use tail::Tail;
use writer::{End, Writer};

/// Events in a schema of a PostgreSQL database. Clones share the connections and the task that writes.
///
/// See [`Store`] for its promises, and the [crate] for what to know.
#[derive(Clone)]
pub struct PostgresStore(Arc<Shared>);

/// An open store.
struct Shared {
    connections: Connections,
    statements: Arc<Statements>,
    tail: Arc<Tail>,
    writer: Writer,
    tasks: Tasks,
}

impl PostgresStore {
    /// Opens the store in the schema `midgard` of a database, and creates the schema if it is missing. Within
    /// a tokio runtime, its tasks serve the store; elsewhere, the store has a thread of its own.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] when the server does not answer, [`StoreError::NewerFormat`] when a newer release
    /// created the schema, [`StoreError::Foreign`] when the schema is not one of midgard, and
    /// [`StoreError::Backend`] when the address is malformed, the login is refused or a right is missing; it names the next step. No error contains the password.
    pub async fn open(address: impl AsRef<str>) -> Result<Self, StoreError> {
        PostgresOptions::new(address).open().await
    }

    /// Returns the options for opening a store at an address, with their defaults.
    pub fn options(address: impl AsRef<str>) -> PostgresOptions {
        PostgresOptions::new(address)
    }

    async fn open_with(options: PostgresOptions) -> Result<Self, StoreError> {
        let tasks = Tasks::start()?;
        let connections = Connections::new(&options)?;
        tasks.within(schema_of_store::prepare(&connections)).await?;
        let statements = Arc::new(Statements::new(&options.schema));
        let tail = Arc::new(Tail::new());
        let writer = Writer::start(
            tasks.handle(),
            connections.clone(),
            statements.clone(),
            tail.clone(),
        );
        Ok(PostgresStore(Arc::new(Shared {
            connections,
            statements,
            tail,
            writer,
            tasks,
        })))
    }

    /// Returns its connections, for authors of views in the same database.
    #[must_use]
    pub fn connections(&self) -> &Connections {
        &self.0.connections
    }

    /// Returns the address of the database, without the password.
    #[must_use]
    pub fn location(&self) -> String {
        self.0.connections.location()
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("connections", &self.0.connections)
            .finish_non_exhaustive()
    }
}

impl Store for PostgresStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        append.check_limits()?;
        self.0.writer.submit(append).await
    }

    async fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> Result<StreamState, StoreError> {
        self.0
            .tasks
            .within(reading::read_stream(&self.0, read, visit))
            .await
    }

    async fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> Result<Position, StoreError> {
        self.0
            .tasks
            .within(reading::read_log(&self.0, read, visit))
            .await
    }

    async fn stream_state(&self, stream: &StreamName) -> Result<StreamState, StoreError> {
        self.0
            .tasks
            .within(reading::stream_state(&self.0, stream))
            .await
    }

    async fn logs(&self) -> Result<Vec<LogId>, StoreError> {
        Ok(vec![LogId::MAIN])
    }

    async fn last_position(&self, log: LogId) -> Result<Position, StoreError> {
        reading::check_log(log)?;
        self.0.tasks.within(reading::last_position(&self.0)).await
    }

    async fn wait_past(&self, log: LogId, position: Position) -> Result<(), StoreError> {
        reading::check_log(log)?;
        self.0
            .tasks
            .within(tail::wait_past(&self.0, position))
            .await
    }

    async fn truncate(
        &self,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        let end = End {
            stream: stream.clone(),
            expected,
            before: Some(before),
        };
        self.0.writer.submit(end).await
    }

    async fn tombstone(
        &self,
        stream: &StreamName,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        let end = End {
            stream: stream.clone(),
            expected,
            before: None,
        };
        self.0.writer.submit(end).await
    }

    async fn read_entries(
        &self,
        read: &ReadEntries,
        visit: &mut VisitEntry<'_>,
    ) -> Result<(), StoreError> {
        self.0
            .tasks
            .within(entries::read(&self.0, read, visit))
            .await
    }

    async fn write_entries(&self, write: EntryWrite) -> Result<(), EntryError> {
        write.check_limits()?;
        self.0.writer.submit(write).await
    }
}
