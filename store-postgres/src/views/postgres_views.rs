//! Views in PostgreSQL, as programs open and read them.

// Selections and keys are passed by value, so that calls read as they should.
#![allow(clippy::needless_pass_by_value)]

use super::database::{Database, SharedDatabase};
use super::names::Schema;
use super::snapshot::PostgresViewSnapshot;
use crate::PostgresOptions;
use crate::connections::Connections;
use crate::runtime::Tasks;
use midgard::view::{KeptProjection, KeyOf, Page, Select, ViewError};
use midgard::{View, Views};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How often a read is repeated because its table was removed.
const REMOVALS: usize = 3;

/// Reads again if the table was removed just when it was to be read, as readers were given a new one.
macro_rules! again_if_removed {
    ($read:expr) => {{
        let mut removals = 0;
        loop {
            match $read {
                Err(ViewError::Conflict { .. }) if removals < REMOVALS => removals += 1,
                done => return done,
            }
        }
    }};
}

/// Views in PostgreSQL: each view is a table with columns and indexes of its own, to be joined in SQL and shown by BI tools.
///
/// It takes the place of [`Views`]: the views and projections stay as they are, and follow the log of any store.
/// Programs read the same selections, and await them.
///
/// ```no_run
/// use midgard::{Context, Event, HandlerResult, MemoryStore, Midgard, Project, Projection, View};
/// use midgard_store_postgres::PostgresViews;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "customer.registered")]
/// struct Registered { id: u64, city: String }
///
/// #[derive(Serialize, Deserialize, View)]
/// #[view(key = id, index(city, ordered))]
/// struct Customer { id: u64, city: String, notes: Vec<String> }
///
/// #[derive(Projection)]
/// #[projection(name = "customers", events(Registered), views(Customer))]
/// struct Customers;
///
/// impl Project<Registered> for Customers {
///     async fn project(&self, event: Registered, context: &mut Context<'_, Self>) -> HandlerResult {
///         let Registered { id, city } = event;
///         Ok(context.put(Customer { id, city, notes: Vec::new() })?)
///     }
/// }
///
/// # async fn run(store: MemoryStore) -> Result<(), Box<dyn std::error::Error>> {
/// let views = PostgresViews::open("postgres://shop:secret@localhost/shop").await?;
/// let midgard = Midgard::new(store).project(Customers, views.clone());
/// # midgard.catch_up().await?;
/// // ..
/// let in_basel: Vec<Customer> = views.select(Customer::by_city("Basel")).await?;
/// let page = views.page(Customer::ordered_by_city().limit(20)).await?;
/// # Ok(())
/// # }
/// ```
///
/// ```sql
/// SELECT o.number, c.city, c.data->'notes' FROM orders o JOIN midgard_views.customer c ON c.id = o.customer;
/// ```
///
/// # Tables
///
/// For each view the schema `midgard_views` has an SQL view of its name, which is the one to query. It shows the table of the
/// generation that readers see, such as `customer__3`: the columns of the key, the row as `jsonb` in the column `data`, and the
/// columns of the indexes. Columns are named as the fields. A field that is called `data` has its column, and the row is in
/// `row_data` then.
///
/// | type of a field | column | order, and what else differs |
/// |---|---|---|
/// | `String`, `StreamName`, `char` | `text COLLATE "C"` | by bytes, as in Rust; without the character NUL |
/// | `u8`, `i8`, `i16` | `smallint` | |
/// | `u16`, `i32` | `integer` | |
/// | `u32`, `i64` | `bigint` | |
/// | `u64`, `u128`, `i128`, `Position`, `Version` | `numeric` | |
/// | `bool` | `boolean` | |
/// | `Timestamp` | `timestamptz` | to the microsecond; up to the year 294276 |
/// | `Uuid`, `EventId` | `uuid` | |
/// | `Decimal` | `numeric` | |
/// | `Vec<u8>`, `[u8; N]` | `bytea` | |
/// | an enum with `derive(ViewKey)` | `smallint`, or `integer` beyond 256 variants | the number of the variant, from 0; its name is in `data` |
/// | a newtype with `derive(ViewKey)` | that of its field | |
/// | a struct of several fields with `derive(ViewKey)`, a tuple, times and dates of `jiff` and `chrono` of several parts | a column for each part: `place_1`, `place_2` | |
/// | an `Option` in an index | the same, and null for `None` | nulls first |
/// | an `Option` in a key, an `Option` of a tuple | `bytea`, named with `_bytes` behind the field | the bytes of [`KeyBytes`](midgard::view::KeyBytes) |
/// | a `ViewKey` by hand, unless it describes the form of others | `bytea` likewise, for all fields of the key or index | |
///
/// An index has its columns and those of the key behind them, so that its rows are read in their order; a unique index is unique
/// in the table, too. The table keeps the row as `json`, which is the text as it was written: numbers come back with all their
/// digits, and maps in their order. The SQL view casts it to `jsonb`. A row that has no `jsonb` (a text with NUL, an exponent of
/// five digits) fails its event with [`ViewError::Refused`].
///
/// The names of a view, with two underscores and a number behind it, and of a field have at most 63 bytes; a longer one is
/// refused. Do not write to the tables. Indexes and constraints of your own go with the table at the next rebuild; grants on
/// the SQL view stay, and views of your own that select from it stay unless columns that they may use change their type or go.
///
/// # Transactions
///
/// While a handler runs, no transaction is open. The rows that it asks for are read before: when a row is missing, the context
/// returns an error, the handler passes it on with `?`, and is called again once the row is there. All events of a batch are asked
/// for their rows before the rows are read, in one statement. So a handler may be called several times for an event, as after
/// a failure; it must not hide the errors of its context, and what it does elsewhere belongs
/// [after the commit](midgard::Context::after_commit).
///
/// Rows and checkpoint are committed in one transaction, at the level READ COMMITTED: it locks the notes that the
/// work relies on, such as its lease, and compares them. The rows of a generation are written by the owner of the lease alone.
/// If a handler finds that another worker has taken over, the batch begins again.
///
/// A rebuild fills tables beside the old ones. The switch replaces the SQL view in the transaction that activates the generation; it
/// waits up to 3 s for queries that use the view, and is tried again later.
///
/// # Rights
///
/// The role of a program that projects must own the schema, as by `CREATE SCHEMA midgard_views AUTHORIZATION shop`, or be
/// allowed to create schemas in the database. People who query need `USAGE` on the schema, and `SELECT` on the SQL views that they
/// use. Programs that only read with this type need `SELECT` on all tables, those of later generations, too:
///
/// ```sql
/// GRANT USAGE ON SCHEMA midgard_views TO reader;
/// GRANT SELECT ON ALL TABLES IN SCHEMA midgard_views TO reader;
/// ALTER DEFAULT PRIVILEGES FOR ROLE shop IN SCHEMA midgard_views GRANT SELECT ON TABLES TO reader;
/// ```
///
/// # Reading
///
/// Single reads use one connection for a moment. [`snapshot`](Self::snapshot) reads several things as of one moment. Programs that
/// only read may open the views of a standby; they see what it has replayed.
#[derive(Clone)]
pub struct PostgresViews {
    database: Arc<Database>,
    views: Views,
}

impl PostgresViews {
    /// Opens the views of a database, and creates their schema if it is missing. Within a tokio runtime, its tasks
    /// serve the connections from then on; elsewhere, the views have a thread of their own.
    ///
    /// # Errors
    /// When the address is malformed, the server cannot be reached or refuses the login, the schema cannot be created, or
    /// it was written by a newer release.
    pub async fn open(address: impl AsRef<str>) -> Result<Self, ViewError> {
        Self::open_with(&PostgresOptions::new(address)).await
    }

    /// Opens the views with other options than the usual ones. They are in the schema that is called as the one of the
    /// options with `_views` behind it: `midgard_views`, if nothing else was set.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(options: &PostgresOptions) -> Result<Self, ViewError> {
        let database = Database {
            connections: Connections::new(options)?,
            schema: Schema::new(&format!("{}_views", options.schema)),
            tasks: Tasks::start()?,
        };
        let create = database.create(options.creates_schema);
        database.tasks.within(create).await?;
        let database = Arc::new(database);
        Ok(PostgresViews {
            views: Views::in_database(Arc::new(SharedDatabase(database.clone()))),
            database,
        })
    }

    /// Returns these views as projections take them.
    #[must_use]
    pub fn for_projections(&self) -> Views {
        self.views.clone()
    }

    /// Returns a snapshot: all views as they are now, whatever is written later. It has a connection for itself until it is
    /// dropped, and the server keeps the rows that it sees.
    ///
    /// # Errors
    /// When the server cannot be reached, or all connections are in use for too long.
    pub async fn snapshot(&self) -> Result<PostgresViewSnapshot, ViewError> {
        let snapshot = self.database.reading();
        let transaction = self.database.tasks.within(snapshot).await?;
        Ok(PostgresViewSnapshot::new(
            self.database.clone(),
            transaction,
        ))
    }

    /// Returns the row of a key.
    ///
    /// # Errors
    /// [`ViewError::NotBuilt`] when no projection has made the view yet, [`ViewError::OtherDefinition`] when it is stored
    /// with another definition, or another variant when a row cannot be read, or the server cannot be reached.
    pub async fn get<V: View>(
        &self,
        key: impl KeyOf<V::Key> + Send,
    ) -> Result<Option<V>, ViewError> {
        let key = super::reading::key_bytes::<V>(&key);
        again_if_removed!(self.single().await?.row(&key).await)
    }

    /// Returns the selected rows.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn select<V: View>(&self, select: Select<V>) -> Result<Vec<V>, ViewError> {
        again_if_removed!(self.snapshot().await?.rows(&select).await)
    }

    /// Returns the first of the selected rows.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn first<V: View>(&self, select: Select<V>) -> Result<Option<V>, ViewError> {
        let limit = select.range().limit.map_or(1, |limit| limit.min(1));
        Ok(self.select(select.limit(limit)).await?.pop())
    }

    /// Counts the selected rows. Rows are only read if there is a filter.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn count<V: View>(&self, select: Select<V>) -> Result<u64, ViewError> {
        again_if_removed!(self.snapshot().await?.count_of(&select).await)
    }

    /// Returns a page of the selected rows, as many as the limit or 100, and where the next page begins.
    ///
    /// # Errors
    /// As [`get`](Self::get); [`ViewError::OtherCursor`] when the cursor belongs to another selection.
    pub async fn page<V: View>(&self, select: Select<V>) -> Result<Page<V>, ViewError> {
        let (select, size) = super::snapshot::sized(select);
        again_if_removed!(self.snapshot().await?.page_of(&select, size).await)
    }

    /// Calls `visit` with the selected rows one after another, some hundreds of which are in memory at a time; `Break` ends
    /// the visit.
    ///
    /// # Errors
    /// As [`get`](Self::get); the rows before the error were visited.
    pub async fn for_each<V: View>(
        &self,
        select: Select<V>,
        visit: impl FnMut(V) -> ControlFlow<()> + Send,
    ) -> Result<(), ViewError> {
        self.snapshot().await?.for_each(select, visit).await
    }

    /// Returns all projections that have stored something here, as [`Views::projections`].
    ///
    /// # Errors
    /// When the notes cannot be read.
    pub async fn projections(&self) -> Result<Vec<KeptProjection>, ViewError> {
        self.views.projections().await
    }

    /// Renames a projection with all that it has stored, as [`Views::rename_projection`].
    ///
    /// # Errors
    /// As [`Views::rename_projection`].
    pub async fn rename_projection(&self, from: &str, to: &str) -> Result<bool, ViewError> {
        self.views.rename_projection(from, to).await
    }

    /// Removes everything that a projection has stored, as [`Views::remove_projection`].
    ///
    /// # Errors
    /// As [`Views::remove_projection`].
    pub async fn remove_projection(&self, name: &str) -> Result<bool, ViewError> {
        self.views.remove_projection(name).await
    }

    /// Returns a connection for a single read.
    async fn single(&self) -> Result<PostgresViewSnapshot, ViewError> {
        let connection = self.database.single();
        let transaction = self.database.tasks.within(connection).await?;
        Ok(PostgresViewSnapshot::new(
            self.database.clone(),
            transaction,
        ))
    }
}

impl From<PostgresViews> for Views {
    fn from(views: PostgresViews) -> Self {
        views.views
    }
}

impl fmt::Debug for PostgresViews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresViews")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}
